"""`casestore case`: what people and programs are shown of a case, at any point of its history."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from casestore import Actor, CaseStore, CustomerRegistered, Event
from casestore.streams.case import Case
from casestore.streams.history import History
from casestore.streams.kinds import fold_history
from cli.views import timeline
from cli.views.case_state import described
from tests.support import stories
from tests.support.command_line import Casestore, demo_store
from tests.support.golden import check_golden
from tests.support.long_cases import long_history
from tests.support.terminal import screens
from tests.support.work import work

CASES = ("roadshow", "upload-limit", "roaming-bill", "no-ushers", "free-flight", "nine-days")


@pytest.fixture(scope="module")
def casestore(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


# --- the five stories, as people read them


@pytest.mark.parametrize("case_id", CASES)
def test_timelines(casestore: Casestore, case_id: str) -> None:
    told = casestore("case", "timeline", case_id, "--reveal").fine().out
    check_golden(f"timeline-{case_id}.txt", told)


def test_a_timeline_withholds_personal_text_unless_asked(casestore: Casestore) -> None:
    told = casestore("case", "timeline", "roadshow").fine().out
    check_golden("timeline-roadshow-withheld.txt", told)
    assert "“" not in told


def test_show(casestore: Casestore) -> None:
    shown = [
        casestore("case", "show", "nine-days", "--as-of", at, "--tz", "Europe/Dublin").fine().out
        for at in ("2026-05-06", "2026-05-12", "2026-05-17")
    ]
    shown += [
        casestore("case", "show", case_id, "--as-of", "2026-09-01").fine().out for case_id in CASES
    ]
    check_golden("show.txt", "\n".join(shown))


def test_one_event_is_told_as_one(casestore: Casestore) -> None:
    shown = casestore("case", "show", "nine-days", "--at-version", "1").fine().out
    assert shown.partition("\n")[0].endswith(", after 1 event")


def test_replay(casestore: Casestore) -> None:
    check_golden("replay.txt", casestore("case", "replay", "upload-limit").fine().out)


def test_diff(casestore: Casestore) -> None:
    check_golden("diff.txt", casestore("case", "diff", "nine-days", "24", "34").fine().out)


def test_a_narrow_terminal_gets_whole_words(casestore: Casestore) -> None:
    told = screens(casestore, ["case timeline free-flight --reveal"], columns=80)
    check_golden("timeline-narrow.txt", told)
    assert max(map(len, told.splitlines())) <= 80


def test_a_customer_has_a_timeline_too(casestore: Casestore) -> None:
    told = casestore("case", "timeline", "customer:C-1042").fine().out
    assert "registered the customer, [withheld], [withheld], a customer since" in told
    assert "is not a case" in casestore("case", "show", "customer:C-1042").failed(2)
    replayed = casestore("case", "replay", "customer:C-1042").fine().out
    assert "+ preference channel: email" in replayed


# --- for programs


def test_show_as_json(casestore: Casestore) -> None:
    args = ("case", "show", "case:roadshow", "--as-of", "2026-03-10T14:00:00Z")
    shown = casestore(*args, "--format", "json").fine().json
    assert shown["status"] == "open"
    assert shown["asked_at"] == "2026-03-10T14:00:00Z"
    assert (shown["events"], shown["version"]) == (11, 32)
    assert [each["reply_id"] for each in shown["undelivered"]] == ["explanation"]
    assert shown["undelivered"][0]["arrived"] is False
    line = casestore(*args, "--format", "ndjson").fine().out
    assert json.loads(line) == shown
    assert line.count("\n") == 1
    leaves = dict(csv.reader(io.StringIO(casestore(*args, "--format", "csv").fine().out)))
    assert leaves["undelivered.0.reply_id"] == "explanation"


def test_a_timeline_as_json(casestore: Casestore) -> None:
    rows = casestore("--format", "json", "case", "timeline", "roaming-bill").fine().json
    assert [row["version"] for row in rows] == list(range(1, 28))
    credit = rows[24]
    assert credit["type"] == "GestureGiven"
    assert credit["occurred_at"] == "2026-06-05T15:11:00Z"
    assert credit["data"]["value"] == {"amount": "25.00", "currency": "USD"}
    assert credit["personal"] == "withheld"
    assert "conditions" not in credit["data"]
    assert (credit["actor_kind"], credit["actor_id"]) == ("agent", "gail")
    assert UUID(credit["event_id"])
    args = ("case", "timeline", "roaming-bill", "--format")
    lines = casestore(*args, "ndjson").fine().out
    assert [json.loads(line) for line in lines.splitlines()] == rows
    table = csv.DictReader(io.StringIO(casestore(*args, "csv").fine().out))
    assert [row["told"] for row in table] == [row["told"] for row in rows]


def test_replay_as_ndjson(casestore: Casestore) -> None:
    lines = casestore("case", "replay", "roadshow", "--format", "ndjson").fine().out.splitlines()
    steps = [json.loads(line) for line in lines]
    assert steps[-1]["changes"] == [
        {"path": "status", "before": "open", "after": "closed"},
        {"path": "closed_at", "before": None, "after": "2026-03-13T07:45:00Z"},
        {"path": "close_reason", "before": None, "after": "resolved"},
    ]


def test_diff_as_json(casestore: Casestore) -> None:
    args = ("case", "diff", "nine-days", "2026-05-11", "2026-05-12", "--tz", "Europe/Dublin")
    found = casestore(*args, "--format", "json").fine().json
    assert [event["version"] for event in found["events"]] == list(range(21, 27))
    changed = {change["path"]: (change["before"], change["after"]) for change in found["changes"]}
    assert changed["promises.running-by-friday.renegotiations"] == (0, 1)


# --- corrections, late facts, and what was known when


@pytest.fixture
def corrected(tmp_path: Path) -> Casestore:
    """One case, an hour between recordings, with an amendment, a voided event and a late fact."""
    hours = itertools.count()
    numbers = itertools.count(1)
    url = f"sqlite:///{tmp_path}/store.db"
    with CaseStore.create(
        url,
        clock=lambda: stories.START + timedelta(hours=next(hours), minutes=30),
        new_id=lambda: UUID(int=next(numbers)),
    ) as store:
        anna = Actor(kind="agent", id="anna")
        registered = CustomerRegistered(occurred_at=stories.START, actor=anna)
        store.append("customer:k1", registered, key="registered")
        for event in (
            stories.opened(product="toaster"),
            stories.promised("p1", "+1h", due="+8h"),
            stories.issue("i1", "+2h"),
            stories.replied("r1", "+3h", text="We shall ring."),
            stories.amended(2, "+4h", due_at=(stories.stamp("+8h"), stories.stamp("+3h"))),
            stories.voided(3, "+5h"),
            stories.bounced("r1", "+3h"),
        ):
            store.append("case:c1", event)
    return Casestore(url)


def test_corrections_and_late_facts_are_marked(corrected: Casestore) -> None:
    told = corrected("case", "timeline", "c1", "--reveal").fine().out
    check_golden("timeline-corrected.txt", told)
    rows = corrected("case", "timeline", "c1", "--format", "json").fine().json
    marks = {row["version"]: (row["corrected_by"], row["voided_by"], row["late"]) for row in rows}
    assert marks[2] == ([5], None, False)
    assert marks[3] == ([], 6, False)
    assert marks[7] == ([], None, True)


def test_a_replay_tells_what_a_correction_changed(corrected: Casestore) -> None:
    check_golden("replay-corrected.txt", corrected("case", "replay", "c1").fine().out)


def test_what_was_known_then(corrected: Casestore) -> None:
    def promise(*at: str) -> tuple[str, str]:
        shown = corrected("case", "show", "c1", *at, "--format", "json").fine().json
        (promise,) = shown["promises"]
        return promise["due_at"], promise["state"]

    # Recorded at 17:30, corrected at 13:30 of a due time of 17:00 that was to be 12:00.
    assert promise("--known-at", "2026-03-02T13:00:00Z") == ("2026-03-02T17:00:00Z", "open")
    assert promise("--known-at", "2026-03-02T15:00:00Z") == ("2026-03-02T12:00:00Z", "broken")
    assert promise("--as-of", "2026-03-02T11:00:00Z") == ("2026-03-02T12:00:00Z", "open")
    assert promise("--at-version", "4") == ("2026-03-02T17:00:00Z", "open")


def test_what_was_learnt_between_two_times(corrected: Casestore) -> None:
    times = ("2026-03-02T14:00:00Z", "2026-03-02T17:00:00Z")
    learnt = corrected("case", "diff", "c1", *times, "--recorded", "--format", "json").fine().json
    assert [event["version"] for event in learnt["events"]] == [7, 5, 6]
    happened = corrected("case", "diff", "c1", *times, "--format", "json").fine().json
    assert happened["events"] == []


def test_as_of_replays_only_what_had_happened(corrected: Casestore) -> None:
    args = ("case", "replay", "c1", "--as-of", "2026-03-02T12:00:00Z", "--format", "ndjson")
    steps = [json.loads(line) for line in corrected(*args).fine().out.splitlines()]
    assert [step["version"] for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert [change["path"] for change in steps[4]["changes"]] == ["promises.p1.due_at"]


# --- points in time


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("2026-03-02T17:00+", "write one like 2026-03-02T17:00Z"),
        ("yesteday", "did you mean 'yesterday'?"),
        ("2026-13-01", "is not in the calendar"),
    ],
)
@pytest.mark.parametrize("option", ["--as-of", "--known-at"])
def test_what_is_no_time_is_told_what_to_write(
    casestore: Casestore, option: str, given: str, says: str
) -> None:
    assert says in casestore("case", "show", "roadshow", option, given).failed(2)


def test_a_date_is_its_midnight_in_the_zone_asked_for(casestore: Casestore) -> None:
    args = ("case", "show", "roadshow", "--as-of", "2026-03-11", "--format", "json")
    assert casestore(*args).fine().json["as_of"] == "2026-03-11T00:00:00Z"
    for zoned in (
        ("--tz", "Asia/Kuala_Lumpur", *args[3:]),
        (*args[3:], "--tz", "Asia/Kuala_Lumpur"),
    ):
        shown = casestore(*args[:3], *zoned).fine().json
        assert shown["as_of"] == "2026-03-10T16:00:00Z"
    assert "Europe/Berlin" in casestore(*args, "--tz", "Mars/Base").failed(2)


def test_before_everything(casestore: Casestore) -> None:
    early = ("--as-of", "2020-01-01")
    assert "nothing had happened yet" in casestore("case", "show", "roadshow", *early).fine().out
    assert (
        casestore("case", "timeline", "roadshow", *early).fine().out == "nothing had happened yet\n"
    )
    assert casestore("case", "timeline", "roadshow", *early, "--format", "json").fine().json == []
    assert casestore("case", "replay", "roadshow", *early).fine()


def test_points_that_make_no_sense(casestore: Casestore) -> None:
    diff = ("case", "diff", "roadshow")
    assert "has 32" in casestore(*diff, "33").failed(2)
    assert "earlier point first" in casestore(*diff, "5", "3").failed(2)
    assert "or give a version" in casestore(*diff, "0", "later").failed(2)
    assert casestore(*diff, "32").fine().out.count("nothing") == 2


def test_at_present_is_now(casestore: Casestore) -> None:
    shown = casestore("case", "show", "nine-days", "--format", "json").fine().json
    asked_at = datetime.fromisoformat(shown["asked_at"])
    assert abs(datetime.now(UTC) - asked_at) < timedelta(minutes=5)


# --- what a promise is called


@pytest.mark.parametrize(
    ("asked_at", "events", "state"),
    [
        ("+1h", [], "open"),
        ("+2h", [], "open"),
        ("+3h", [], "broken"),
        ("+3h", [stories.kept("p1", "+1h")], "kept"),
        ("+3h", [stories.kept("p1", "+2h")], "kept"),
        ("+9h", [stories.kept("p1", "+3h")], "late"),
        ("+9h", [stories.released("p1", "+1h")], "released"),
        ("+9h", [stories.released("p1", "+3h")], "broken"),
        ("+9h", [stories.withdrew("p1", "+1h")], "withdrawn"),
        ("+3h", [stories.moved("p1", "+1h", due="+5h")], "open"),
        ("+3h", [stories.moved("p1", "+1h", due="+5h", agreed_by_customer=False)], "broken"),
        (
            "+3h",
            [
                stories.replied("r1", "+1h"),
                stories.kept_by_reply("r1", "p1", "+1h"),
                stories.bounced("r1", "+1h"),
            ],
            "broken",
        ),
    ],
)
def test_the_state_of_a_promise(asked_at: str, events: list[Event], state: str) -> None:
    story = stories.given(stories.opened(), stories.promised("p1", due="+2h"), *events)
    shown = described(story.read, story.history(), stories.moment(asked_at))
    assert [promise["state"] for promise in shown["promises"]] == [state]


def test_the_state_of_issues_and_the_delivery_of_replies() -> None:
    story = stories.given(
        stories.opened(),
        stories.issue("i1"),
        stories.issue("i2", "+1h"),
        stories.replied("r1", "+1h"),
        stories.replied("r2", "+2h"),
        stories.delivered("r2", "+2h"),
        stories.replied("r3", "+3h"),
        stories.bounced("r3", "+3h"),
        stories.replied("r4", "+4h"),
        stories.bounced("r4", "+4h"),
        stories.replied("r5", "+5h", resend_of="r4"),
        stories.remedied(at="+5h", issue_ids=["i1"]),
    )

    def shown() -> dict[str, Any]:
        return described(story.read, story.history(), stories.moment("+9h"))

    assert [(i["issue_id"], i["state"]) for i in shown()["issues"]] == [
        ("i1", "settled"),
        ("i2", "open"),
    ]
    assert {r["reply_id"]: r["delivery"] for r in shown()["replies"]} == {
        "r1": "unknown",
        "r2": "confirmed",
        "r3": "undelivered",
        "r4": "sent_again",
        "r5": "unknown",
    }
    resent = {r["reply_id"]: (r["resend_of"], r["resent_by"]) for r in shown()["replies"]}
    assert (resent["r4"], resent["r5"]) == ((None, ["r5"]), ("r4", []))
    assert [lost["reply_id"] for lost in shown()["undelivered"]] == ["r3", "r4"]


def test_a_promise_without_a_due_time_is_undated() -> None:
    story = stories.given(stories.opened(), stories.promised("p1"))
    shown = described(story.read, story.history(), stories.moment("+9h"))
    assert shown["promises"][0]["state"] == "undated"


@pytest.mark.parametrize(
    "view",
    [
        timeline.rows,
        lambda history: described(cast(Case, fold_history(history)), history, stories.START),
    ],
    ids=["timeline", "show"],
)
def test_four_times_the_events_of_a_case_are_four_times_the_work(
    view: Callable[[History], object],
) -> None:
    short, long = long_history(50), long_history(200)
    view(short)  # what is worked out once for each class is known by now
    before, after = work(lambda: view(short)), work(lambda: view(long))
    assert after < 5.5 * before  # a little more than 4: of n things each is found in log(n)
