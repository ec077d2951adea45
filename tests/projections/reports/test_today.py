"""The report `today`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from casestore.events import Actor
from projections import reports
from projections.reports import TodayLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    assigned,
    bounced,
    closed,
    escalated,
    kept,
    merged,
    moment,
    opened,
    promised,
    released,
    replied,
    returned,
    withdrew,
    wrote,
)
from tests.support.work import work

BEN = Actor(kind="agent", id="ben", team="south")
MICROSECOND = timedelta(microseconds=1)
HOUR = 3600


def today(desk: Desk, as_of: str | datetime, **asked: Any) -> list[tuple[str, str | None]]:
    at = as_of if isinstance(as_of, datetime) else moment(as_of)
    return [(each.kind, each.id) for each in reports.today(desk.store, as_of=at, **asked).rows]


def test_all_that_there_may_be_to_do(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"), promised(due="+2h"), wrote())
        desk.case("c2", opened(customer_id="k2"), replied("r1", actor=BEN), bounced("r1", "+1h"))
        desk.case("c2", assigned(None, "east", "+1h"), escalated("u1", "+2h", kind="executive"))
        told = reports.today(desk.store, as_of=moment("+25h"))
        anna: dict[str, Any] = {
            "owner": "anna",
            "team": "north",
            "case_id": "c1",
            "customer_id": "k1",
        }
        east: dict[str, Any] = {"team": "east", "case_id": "c2", "customer_id": "k2"}
        start, due = moment("+0h"), moment("+24h")
        resolve = [line for line in told.rows if line.kind == "resolve"]
        assert [line for line in told.rows if line.kind != "resolve"] == [
            TodayLine(
                kind="promise",
                id="p1",
                since=start,
                due_at=moment("+2h"),
                overdue_s=23 * HOUR,
                **anna,
            ),
            TodayLine(kind="reply", id=None, since=start, due_at=due, overdue_s=HOUR, **anna),
            TodayLine(  # the receipt itself: no reply has arrived
                kind="reply", owner=None, id=None, since=start, due_at=due, overdue_s=HOUR, **east
            ),
            TodayLine(  # due this very moment: not past yet
                kind="resend",
                owner="ben",  # who sent it, as nobody has the case
                id="r1",
                since=moment("+1h"),
                due_at=moment("+25h"),
                overdue_s=None,
                **east,
            ),
            TodayLine(
                kind="return",
                owner=None,
                id="u1",
                since=moment("+2h"),
                due_at=moment("+26h"),
                overdue_s=None,
                **east,
            ),
        ]
        assert [(line.kind, line.case_id, line.since) for line in resolve] == [
            ("resolve", "c1", start),
            ("resolve", "c2", start),
        ]
        assert told.summary == {
            "to_do": 7,
            "overdue": 3,
            "promise": 1,
            "reply": 2,
            "resend": 1,
            "return": 1,
            "resolve": 2,
        }


def test_what_is_done_is_not_there(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised("p1", due="+2h"), promised("p2", due="+2h"))
        desk.case("c1", promised("p3", due="+2h"), promised("p4"))
        desk.case("c1", kept("p1", "+3h"), released("p2", "+3h"), withdrew("p3", "+3h"))
        desk.case("c1", wrote("m1", "+3h"), replied("r1", "+4h"), bounced("r1", "+4h"))
        desk.case("c1", escalated("u1", "+4h", kind="executive"))
        open_then = [("reply", None), ("resend", "r1"), ("return", "u1"), ("resolve", None)]
        assert today(desk, "+5h") == open_then
        desk.case("c1", replied("r2", "+6h", resend_of="r1"), returned("u1", "+6h"))
        desk.case("c1", closed("+7h"))
        assert today(desk, "+9d") == []
        assert today(desk, "+5h") == open_then


def test_within_is_about_what_is_due_later(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised(due="+49h"), replied("r1"), bounced("r1"))
        (resolve,) = (e for e in reports.cases(desk.store).rows if e.resolve_due_at)
        assert resolve.resolve_due_at is not None
        day = timedelta(days=1)
        before = resolve.resolve_due_at - day
        assert ("resolve", None) in today(desk, before, within=day)
        assert ("resolve", None) in today(desk, before - MICROSECOND)
        assert ("resolve", None) not in today(desk, before - MICROSECOND, within=day)
        assert ("promise", "p1") in today(desk, "+25h", within=day)
        assert ("promise", "p1") not in today(desk, moment("+25h") - MICROSECOND, within=day)
        assert today(desk, "+2h", within=timedelta()) == [("reply", None), ("resend", "r1")]
        assert ("promise", "p1") in today(desk, "+2h", within=timedelta.max)


def test_by_agent_team_and_time(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"), promised(due="+2h"))
        desk.case("c2", opened(customer_id="k2"), assigned("ben", "south"), wrote())
        assert {each.owner for each in reports.today(desk.store, as_of=moment("+3h")).rows} == {
            "anna",
            "ben",
        }
        assert today(desk, "+3h", agent="ben") == today(desk, "+3h", team="south")
        assert ("promise", "p1") in today(desk, "+3h", team=("north", "east"))
        assert today(desk, "+3h", until=moment("+3h")) == [("promise", "p1")]
        assert today(desk, "+3h", case="c2", since=moment("+25h")) == [("resolve", None)]


def test_a_merged_case_is_part_of_its_root(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"))
        desk.case("c2", opened(), assigned("ben", "south"), promised(due="+2h"))
        desk.case("c2", wrote(at="+1h"), merged("c1", "+1h"))
        told = reports.today(desk.store, as_of=moment("+3h")).rows
        assert {(each.case_id, each.owner) for each in told} == {("c1", "anna")}
        assert ("promise", "c2/p1") in [(each.kind, each.id) for each in told]


def test_overdue_is_what_of_it_is_past(tmp_path: Path) -> None:
    """All but the cases to resolve: they are no kind of `overdue`."""
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"), promised(due="+2h"), wrote())
        desk.case("c2", opened(customer_id="k2"), replied("r1", actor=BEN), bounced("r1", "+1h"))
        desk.case("c2", escalated("u1", "+2h", kind="executive"))
        for at in ("+1h", "+25h", "+30h", "+90d"):
            told = reports.today(desk.store, as_of=moment(at)).rows
            past = [each for each in told if each.overdue_s is not None and each.kind != "resolve"]
            overdue = reports.overdue(desk.store, as_of=moment(at)).rows
            assert sorted((e.kind, e.id or "", e.due_at, e.owner or "") for e in past) == sorted(
                (e.kind, e.id or "", e.due_at, e.owner or "") for e in overdue
            )


def test_what_is_done_costs_nothing(tmp_path: Path) -> None:
    """Ten times as many closed cases are no more work."""
    did = []
    with desk_in(tmp_path) as desk:
        desk.case("open", opened(), promised(due="+2h"), wrote())
        for begin, end in ((0, 20), (20, 200)):
            for n in range(begin, end):
                desk.case(f"c{n}", opened(customer_id=f"k{n}"), promised(due="+2h"), wrote())
                desk.case(f"c{n}", kept("p1", "+1h"), replied("r1", "+1h"), closed("+1h"))
            told = reports.today(desk.store, within=timedelta()).rows  # the tables are up to date
            assert {line.case_id for line in told} == {"open"}
            did.append(work(lambda: reports.today(desk.store)))
    assert did[1] < did[0] * 1.05
