"""The reports at the command line: golden text in every format, on both databases."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casestore import Actor, CaseStore
from casestore.append import form as append_form
from casestore.streams.wording import duration
from casestore.transfer.ndjson import import_lines
from projections import reports
from tests.support.command_line import NOW, ROOT, Casestore, demo_store
from tests.support.golden import check_golden
from tests.support.stories import assigned, noted, opened

# What the demo's stories do not have: merges, a customer who waits, several currencies, unequal
# clocks, and ids that spreadsheets and terminals take for something else.
MESSY = """\
case:=1+1 CaseOpened 08-01T09:00 customer_id=K-1 channel=email product=@sum region=\u202enorth
case:=1+1 MessageReceived 08-01T09:01 message_id=m1 channel=email
case:late CaseOpened 08-10T09:00 customer_id=K-2 channel=phone product=box received_at=08-09T09:00
case:late CaseAssigned 08-10T09:05 agent=anna team=north
case:late IssueRaised 08-10T09:06 issue_id=i1
case:late ReplySent 08-10T10:00 reply_id=r1 channel=email
case:late PromiseMade 08-10T10:01 promise_id=p1 kind=refund due_at=08-12T10:00
case:late PromiseMade 08-10T10:02 promise_id=p2 kind=callback due_at=09-03T10:00
case:late GestureGiven 08-10T10:03 gesture_id=g1 kind=voucher value=10/EUR
case:late GestureGiven 08-11T10:03 gesture_id=g2 kind=credit value=5.50/USD asked_for=true
case:late DeliveryFailed 08-10T10:10 reply_id=r1 kind=permanent code=5.1.1
case:late CaseEscalated 08-11T10:00 escalation_id=e1 kind=executive to=boss
case:twin CaseOpened 08-08T09:00 customer_id=K-3 channel=web
case:twin MessageReceived 08-08T09:01 message_id=m1 channel=web
case:twin CaseMerged 08-13T09:00 into=late
customer:K-3 CustomerMerged 08-13T09:01 into=K-2
"""


def messy() -> Iterator[bytes]:
    for told in MESSY.splitlines():
        stream, type_, at, *fields = told.split(" ")
        data: dict[str, Any] = dict(each.split("=", 1) for each in fields)
        whole: dict[str, Any] = {
            name: f"2026-{day}:00Z" for name, day in data.items() if name.endswith("_at")
        }
        if "value" in data:
            amount, currency = data["value"].split("/")
            whole["value"] = {"amount": amount, "currency": currency}
        if "asked_for" in data:
            whole["asked_for"] = data["asked_for"] == "true"
        actor = {"kind": "agent", "id": "anna"}
        data |= {**whole, "occurred_at": f"2026-{at}:00Z", "actor": actor}
        yield json.dumps({"stream": stream, "type": type_, "data": data, "key": told}).encode()


@pytest.fixture
def casestore(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Casestore:
    with CaseStore.create(store_url, clock=lambda: NOW) as store, monkeypatch.context() as before:
        before.setattr(
            append_form, "is_plain", lambda _: True
        )  # as in a store from before the rule
        stories = (ROOT / "cli" / "stories.ndjson").read_bytes().splitlines()
        assert not import_lines(store, [*stories, *messy()]).refused
    return Casestore(store_url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))


ASKED = {
    "today": ["today", "today --agent anna --within 1d", "today --tz Asia/Tokyo --limit 2"],
    "cases": [
        "cases",
        "cases --sort -messages --limit 2",
        "cases --case late",
        "cases --status open --status merged --channel web --channel phone",
        "cases --closed-from 2026-05-01 --closed-to 2026-06-01",
    ],
    "promises": [
        "promises --team call-centre",
        "promises --broken",
        "promises --due 7d",
        "promises --rate",
        "promises --customer K-3 --tz Asia/Tokyo",
        "promises --from 2026-05-07 --to 2026-05-08",
        "promises --state broken --state late --kind callback",
    ],
    "goodwill": [
        "goodwill history C-5120",
        "goodwill history K-2",
        "goodwill given --status given --ledger goodwill",
        "goodwill spend --by team",
        "goodwill spend --by month --tz America/New_York",
        "goodwill spend --by kind --product box",
        "goodwill allowance K-2 --role agent --case late",
    ],
    "undelivered": ["undelivered"],
    "waiting": ["waiting", "waiting --customer K-1"],
    "overdue": ["overdue", "overdue --agent anna"],
    "ageing": ["ageing"],
    "repeats": ["repeats"],
    "lapses": [
        "lapses --case nine-days",
        "lapses --rule fault-without-apology --outcome all",
        "lapses --by team",
        "lapses --by month --tz America/New_York --from 2026-07-01",
    ],
    "conflicts": ["conflicts", "conflicts --customer C-5120"],
    "consistency": ["consistency --by team", "consistency"],
    "breakdown": ["breakdown --by category", "breakdown --by month", "breakdown --by team"],
    "responses": [
        "responses --team call-centre",
        "responses --by team",
        "responses --by month --tz America/New_York",
    ],
    "period": [
        "period",
        "period --by week --from 2026-08-01 --ages 24h,5d",
        "period --from 2027-01-01",
    ],
    "causes": ["causes --by month", "causes --by category --from 2026-05-01 --to 2026-08-01"],
}
FORMATS = ("table", "json", "ndjson", "csv")


@pytest.mark.parametrize("name", ASKED)
def test_reports_in_every_format(casestore: Casestore, name: str) -> None:
    pages = []
    for command in ASKED[name]:
        asked = f"{command} --as-of 2026-09-01T12:00:00Z".split()
        for form in FORMATS:
            page = casestore(*asked, "--format", form).fine().out
            pages.append(f"$ casestore {command} --format {form}\n{page}")
    # Positions are the database's own: PostgreSQL may leave some out.
    text = re.sub(r'("position": |up to position )\d+', r"\1N", "\n".join(pages))
    check_golden(f"report-{name}.txt", text)


def test_every_report_has_a_command_and_golden_text() -> None:
    commands = {command for asked in ASKED.values() for command in asked}
    for report in reports.REPORTS:
        assert any(command.startswith(report.name) for command in commands), report.name


def test_a_columns_heading_is_its_sort_name(casestore: Casestore) -> None:
    asked = [command for commands in ASKED.values() for command in commands]
    for report in reports.REPORTS:
        command = next(each for each in asked if each.startswith(report.name))
        head = casestore(*command.split(), "--as-of", "2026-09-01").fine().out.splitlines()[0]
        for name in head.split() if head != "none" else ():
            spread = any(name.startswith(f"{field}_") for field in report.line.__struct_fields__)
            assert name in report.line.__struct_fields__ or spread, (report.name, name)


def test_json_has_the_keys_that_programs_count_on(casestore: Casestore) -> None:
    asked = ("promises", "--as-of", "2026-05-12", "--known-at", "2027-01-01T00:00:00+01:00")
    page = casestore(*asked, "--format", "json").fine().json
    assert list(page) == ["report", "as_of", "known_at", "position", "rows", "summary"]
    assert page["as_of"] == "2026-05-12T00:00:00Z"
    assert page["known_at"] == "2026-12-31T23:00:00Z"
    fields = (
        "promise_id case_id customer_id kind made_at made_by team first_due_at due_at state "
        "broken_at kept_at late_by_s renegotiations owner_at_due case_status_at_due"
    )
    assert list(page["rows"][0]) == fields.split()


def test_times_past_are_the_same_every_time(casestore: Casestore) -> None:
    for report in ("cases", "overdue", "goodwill spend --by agent"):
        asked = (*report.split(), "--as-of", "2026-05-11", "--format", "json")
        once = casestore(*asked).fine().out
        assert casestore(*asked).fine().out == once
        asked = (*asked, "--known-at", "2027-01-01")
        assert casestore(*asked).fine().json["rows"] == json.loads(once)["rows"]
        assert casestore(*asked[:-1], "2020-01-01").fine().json["rows"] == []


def test_a_spreadsheet_takes_no_cell_for_a_formula(casestore: Casestore) -> None:
    text = casestore("cases", "--format", "csv").fine().out
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert "'=1+1" in cells
    assert "'@sum" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_a_report_follows_an_append_at_once(casestore: Casestore) -> None:
    before = casestore("cases", "--format", "json").fine().json
    casestore(
        "record", "case:new", "CaseOpened", "customer_id=K-9", "channel=sms", "--actor", "agent:a"
    ).fine()
    after = casestore("cases", "--format", "json").fine().json
    assert len(after["rows"]) == len(before["rows"]) + 1
    assert after["position"] > before["position"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("cases --sort nothing", "sort by one of case_id"),
        ("cases --customer nobody", "there is no customer nobody"),
        ("promises --case nothing", "there is no case nothing"),
        ("goodwill history nobody", "there is no customer nobody"),
        ("goodwill history", "Missing argument"),
        ("goodwill spend", "Missing option '--by'"),
        ("goodwill spend --by colour", "is not one of 'agent'"),
        ("promises --due soon", "write one like 90m, 12h, 7d or 2w"),
        ("promises --as-of noon", "write one like 2026-03-02T17:00Z"),
        ("promises --from 2026-W21Z", "'2026-W21Z' is not a time; write one like"),
        ("waiting --limit -1", "-1 is not in the range"),
        ("cases --status shut", "is not one of 'open', 'closed', 'merged'"),
        ("cases --tz localtime", "localtime is another zone on every machine; name one"),
        ("cases --tz posixrules", "posixrules is another zone on every machine; name one"),
        ("cases --tz right/UTC", "'right/UTC' is not a time zone"),
        ("cases --tz Factory", "'Factory' is not a time zone"),
        ("cases --as-of 9999-12-31T23:59:59-12:00", "is not in the years 1 to 9999 of UTC"),
        ("cases --from 0001-01-01T00:00:00+12:00", "write a time that is"),
        ("cases --closed-to 0001-01-01 --tz Asia/Tokyo", "is not in the years 1 to 9999 of UTC"),
        ("case diff nine-days 0001-01-01T00:00:00+12:00", "is not in the years 1 to 9999 of UTC"),
        ("period --ages 3x", "'3x' is not an age; write them like 3d,4w,8w"),
        ("period --by year", "is not one of 'day', 'week', 'month'"),
        ("responses --by colour", "is not one of 'agent'"),
        ("cases --sort opend_at", "did you mean 'opened_at'?"),
        ("lapses --by agent --sort at", "is no field of this report"),
        ("promises --rate --sort made_at", "sort by one of team, kept"),
        ("lapses --by agent --explain", "--explain is about what is not shown then"),
        ("lapses --by agent --outcome unknown", "--outcome is about what is not shown then"),
        ("promises --rate --broken", "--broken is about what is not shown then"),
        ("promises --broken --due 7d", "give one of them"),
        ("promises --broken --state kept", "give one of them"),
        ("cases --from 2026-03-10 --to 2026-03-01", "give the earlier one first"),
        ("cases --closed-from 2026-03-10 --closed-to 2026-03-01", "give the earlier one first"),
        ("cases --team hotlnie", "no event names the team 'hotlnie'; did you mean 'hotline'?"),
        ("lapses --agent nobody-at-all", "no event names the agent 'nobody-at-all'"),
        ("goodwill spend --by team --region zz", "no event names the region 'zz'"),
        ("lapses --rule bare-on", "'bare-on' is none of them; did you mean 'bare-no'?"),
        ("caes", "there is no command 'caes'; did you mean 'cases'?"),
        ("lessons bare-on", "there is no rule 'bare-on'; did you mean 'bare-no'?"),
        ("events PromisMade", "did you mean 'PromiseMade'?"),
        ("--db= cases", "it is empty; name a store, or leave --db out"),
    ],
)
def test_wrong_usage_says_what_to_write(demo: Casestore, asked: str, says: str) -> None:
    assert says in demo(*asked.split()).failed(2)


@pytest.mark.parametrize(
    ("asked", "like"),
    [
        ("cases --sort opened", "cases --sort opened_at"),
        ("cases --sort -Opened", "cases --sort -opened_at"),
        ("promises --sort late-by", "promises --sort late_by_s"),
        ("lapses --by agent --sort -violated", "lapses --by agent --sort -violated"),
        ("lapses --by agent --rule bare-no", "lapses --by agent --rule bare-no"),
    ],
)
def test_a_columns_heading_sorts_by_it(demo: Casestore, asked: str, like: str) -> None:
    told = demo(*asked.split(), "--as-of", "2026-09-01").fine().out
    assert told == demo(*like.split(), "--as-of", "2026-09-01").fine().out


def test_whom_any_event_names_may_be_asked_for(casestore: Casestore, store_url: str) -> None:
    """Though no case is with them at present, nor ever was."""
    with CaseStore.open(store_url) as store:
        once = Actor(kind="agent", id="bea", team="once")
        store.append("case:plain", opened(actor=once))
        store.append("case:plain", assigned(team="then"))
        store.append("case:plain", assigned(team="now", at="+1h"))
        store.append("case:plain", noted(actor=Actor(kind="agent", id="quoted “name”, Ü")))
    for asked in (("--team", "once"), ("--team", "then"), ("--agent", "quoted “name”, Ü")):
        casestore("promises", *asked).fine()
    assert "no event names the team 'onc'" in casestore("promises", "--team", "onc").failed(2)
    assert "no event" in casestore("cases", "--team", "then", "--team", "onc").failed(2)


def test_explanations_are_for_programs_too(demo: Casestore) -> None:
    asked = ("lapses", "--case", "upload-limit", "--explain", "--as-of", "2026-09-01")
    for line in demo(*asked, "--format", "json").fine().json["rows"]:
        assert line["lesson"].endswith(".")
        assert line["policy"] == "care-2026"
        assert len(line["told"]) == len(line["evidence"]) > 0
        assert all("case:upload-limit" in told for told in line["told"])
    slow = demo(*asked, "--rule", "too-many-hands", "--format", "ndjson").fine().out
    assert json.loads(slow.splitlines()[0])["numbers"] == ["max_agents 3"]


def test_parked_streams_are_told_of(casestore: Casestore, store_url: str) -> None:
    damage(store_url)
    ran = casestore("cases", "--format", "json")
    assert ran.code == 0
    assert "casestore: 2 streams are missing here" in ran.err
    status = casestore("projections", "status").fine().out
    assert re.search(r"^cases +case:late +StoreDamaged: .*NoSuchType", status, re.MULTILINE)
    assert re.search(r"^cases +case:twin +StoreDamaged: case:late, .*NoSuchType", status, re.M)
    again = casestore("projections", "retry")
    assert again.code == 1
    assert "0 of 6 are well again" in again.out


def damage(url: str) -> None:
    """Alter a stored event behind the library's back."""
    with CaseStore.open(url) as store:
        table = store._recorder.table
        off = (
            [f"ALTER TABLE {table} DISABLE TRIGGER USER"]
            if url.startswith("postgres")
            else ["DROP TRIGGER stored_events_no_update"]
        )
        change = f"UPDATE {table} SET topic = 'NoSuchType' WHERE originator_id = 'case:late'"
        with store._recorder.datastore.transaction(commit=True) as cursor:  # type: ignore[attr-defined]
            for statement in (*off, f"{change} AND originator_version = 2"):
                cursor.execute(statement)


def test_projections_status_run_and_retry(casestore: Casestore) -> None:
    fresh = casestore("projections", "status", "--format", "json").fine().json
    assert {row["position"] for row in fresh} == {None}
    told = casestore("projections", "run", "--once").fine().out
    assert re.fullmatch(r"up to date with position \d+\n", told)
    done = casestore("projections", "status", "--format", "json").fine().json
    assert [row["projection"] for row in done][:2] == ["cases", "promises"]
    assert {(row["lag_events"], row["parked"]) for row in done} == {(0, 0)}
    assert "built promises" in casestore("projections", "rebuild", "promises").fine().out
    assert casestore("projections", "retry").fine().out == "nothing is parked\n"
    assert "is not one of" in casestore("projections", "rebuild", "nothing").failed(2)


def test_durations_by_their_two_largest_units() -> None:
    told = {0: "0 s", 59: "59 s", 60: "1 min", 3600: "1 h", 3660: "1 h 1 min", 86400: "1 d"}
    for seconds, words in told.items():
        assert duration(seconds) == words
    assert duration(int(timedelta(days=3, hours=4, minutes=5).total_seconds())) == "3 d 4 h"
