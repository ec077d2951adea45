"""What people see at a terminal of 80 and of 200 characters: golden text of every report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.transfer.ndjson import import_lines
from projections import reports
from tests.support.command_line import NOW, Casestore, demo_store
from tests.support.golden import check_golden
from tests.support.terminal import screens

REPORTS = (
    *("today", "cases", "promises", "promises --rate", "undelivered", "waiting", "overdue"),
    "ageing",
    *("repeats", "lapses --case {case}", "lapses --by team", "conflicts", "consistency --by team"),
    *("goodwill history {customer}", "goodwill given", "goodwill spend --by team"),
    *("goodwill allowance {customer} --role agent", "breakdown --by team", "responses"),
    *("responses --by agent", "period", "causes --by month"),
)

# Ids as large desks have them, and a service where much is open.
TOLD = """\
case:{case} CaseOpened 02-29T01:{n}:11 customer_id=caller-24{n} channel=email region=location-143
case:{case} CaseAssigned 02-29T02:{n} agent=resolver-1{n} team=group-70
case:{case} IssueRaised 02-29T02:{n} issue_id={case}-issue category=subcategory-170
case:{case} MessageReceived 02-29T08:{n} message_id={case}-message-{n} channel=email
case:{case} ReplySent 03-02T11:{n} reply_id={case}-reply-{n} channel=email
case:{case} MessageReceived 03-03T08:{n} message_id={case}-message-{n}-again channel=phone
case:{case} PromiseMade 03-03T09:{n} promise_id={case}-made kind=investigation due_at=03-05T10:00
case:{case} GestureGiven 03-04T10:{n} gesture_id={case}-gesture kind=voucher value=1250.00/EUR
case:{case} DeliveryFailed 03-02T12:{n} reply_id={case}-reply-{n} kind=permanent code=5.1.1
"""


def told() -> Iterator[bytes]:
    for n in range(10, 50, 5):
        for line in TOLD.format(case=f"INC00000{n}", n=n).splitlines():
            stream, type_, at, *fields = line.split(" ")
            data: dict[str, Any] = dict(each.split("=", 1) for each in fields)
            data |= {name: f"2016-{data[name]}Z" for name in data if name.endswith("_at")}
            if "value" in data:
                amount, currency = data["value"].split("/")
                data |= {"value": {"amount": amount, "currency": currency}, "asked_for": True}
            actor = {"kind": "agent", "id": f"resolver-1{n}", "team": "group-70"}
            data |= {"occurred_at": f"2016-{at}Z", "actor": actor}
            whole = {"stream": stream, "type": type_, "data": data, "key": line}
            yield json.dumps(whole).encode()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def long_ids(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    url = f"sqlite:///{tmp_path_factory.mktemp('long')}/long.db"
    with CaseStore.create(url, clock=lambda: NOW) as store:
        result = import_lines(store, list(told()))
    assert not result.refused, result.refused
    return Casestore(url)


def asked(at: str, case: str, customer: str) -> list[str]:
    return [f"{each.format(case=case, customer=customer)} --as-of {at}" for each in REPORTS]


def test_every_report_has_its_screen() -> None:
    for report in reports.REPORTS:
        assert any(each.startswith(report.name) for each in REPORTS), report.name


@pytest.mark.parametrize("columns", [80, 200])
def test_the_demo(demo: Casestore, columns: int) -> None:
    commands = asked("2026-09-01", "nine-days", "C-5120")
    shown = screens(demo, commands, columns)
    check_golden(f"screens-demo-{columns}.txt", shown)
    assert max(map(len, without_commands(shown))) <= columns


@pytest.mark.parametrize("columns", [80, 200])
def test_long_ids(long_ids: Casestore, columns: int) -> None:
    commands = asked("2016-03-10", "INC0000045", "caller-2445")
    shown = screens(long_ids, commands, columns)
    check_golden(f"screens-long-ids-{columns}.txt", shown)
    assert max(map(len, without_commands(shown))) <= columns
    for begun, whole in (("INC0", "INC00000"), ("resolver-", "resolver-1"), ("calle", "caller-24")):
        assert shown.count(begun) == shown.count(whole)


def without_commands(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if not line.startswith("$ ")]


def test_a_pipe_gets_all_columns_in_full(long_ids: Casestore) -> None:
    page = long_ids("cases", "--as-of", "2016-03-10").fine().out
    head, row, *_ = page.splitlines()
    assert head.split()[-1] == "waiting_since"
    assert row.startswith("INC0000010")
    assert "no room" not in page


def test_columns_wide_and_block(long_ids: Casestore) -> None:
    some = ("promises", "--as-of", "2016-03-10", "--limit", "2")
    page = long_ids(*some, "--columns", "state,promise_id,made_at").fine().out
    assert page.splitlines()[:3] == [
        "state   promise_id       made_at",
        "broken  INC0000010-made  2016-03-03 09:10 UTC",
        "broken  INC0000015-made  2016-03-03 09:15 UTC",
    ]
    wide = long_ids(*some, "--wide").fine().out
    head = "promise_id case_id customer_id kind made_by due_at state late_by_s made_at team "
    more = "first_due_at broken_at kept_at renegotiations owner_at_due case_status_at_due"
    assert wide.splitlines()[0].split() == (head + more).split()
    block = long_ids(*some, "--block").fine().out
    assert block.startswith("promise_id          INC0000010-made\ncase_id             INC0000010\n")
    assert block.count("case_status_at_due  open\n") == 2
    assert "\n\npromise_id          INC0000015-made\n" in block


def test_columns_are_chosen_in_every_format(long_ids: Casestore) -> None:
    some = ("promises", "--as-of", "2016-03-10", "--limit", "1", "--columns", "state,case_id")
    row = {"state": "broken", "case_id": "INC0000010"}
    assert long_ids(*some, "--format", "json").fine().json["rows"] == [row]
    assert json.loads(long_ids(*some, "--format", "ndjson").fine().out) == row
    assert long_ids(*some, "--format", "csv").fine().out == "state,case_id\nbroken,INC0000010\n"
    assert "| state | case_id |" in long_ids(*some, "--format", "markdown").fine().out


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("cases --columns case_idd", "there is no column 'case_idd'; did you mean case_id"),
        ("cases --columns ,", "write names with commas between them"),
        ("cases --columns status --wide", "give one of them"),
        ("cases --block --wide", "give one of them"),
        ("cases --block --format csv", "--block is for table"),
        ("cases --wide --format json", "--wide is for table, markdown, html"),
        ("cases --bom", "--bom is for csv, tsv"),
        ("cases --format xlsx", "give -o FILE.xlsx"),
        ("case timeline INC0000010 --columns waht", "did you mean what"),
        ("init --format xlsx", "this command makes no xlsx"),
    ],
)
def test_what_contradicts_is_refused(long_ids: Casestore, asked: str, says: str) -> None:
    assert says in long_ids(*asked.split()).failed(2)


def test_sheets_tell_times_in_the_zone_that_was_asked_for(long_ids: Casestore) -> None:
    some = ("cases", "--columns", "opened_at", "--limit", "1", "--as-of", "2016-03-10")
    csv, told = ("--format", "csv"), {}
    for zone in ("UTC", "Europe/Berlin", "Europe/London"):
        told[zone] = long_ids(*some, *csv, "--tz", zone).fine().out.splitlines()[1]
    assert told == {
        "UTC": "2016-02-29T01:10:11Z",
        "Europe/Berlin": "2016-02-29T02:10:11+01:00",
        "Europe/London": "2016-02-29T01:10:11+00:00",
    }
    assert long_ids(*some, *csv).fine().out.splitlines()[1] == told["UTC"]
    marked = long_ids(*some, *csv, "--bom").fine().out
    assert marked.startswith("\ufeffopened_at\n")


def test_a_timeline_as_csv_holds_no_control_characters(tmp_path: Path) -> None:
    casestore = Casestore(f"sqlite:///{tmp_path}/nasty.db")
    casestore("init").fine()
    said = "text=\x1b[2J\x07bell\x00 \u202egnp"
    opened = ("CaseOpened", "customer_id=C-1", "channel=email", "--actor", "agent:anna")
    casestore("record", "case:1", *opened).fine()
    casestore("record", "case:1", "NoteAdded", said, "--actor", "agent:anna").fine()
    page = casestore("case", "timeline", "1", "--reveal", "--format", "csv").fine().out
    assert "␛[2J<U+0007>bell<U+0000> <U+202E>gnp" in page
    assert not set("\x1b\x07\x00\u202e") & set(page)
    assert len(page.splitlines()) == 3
