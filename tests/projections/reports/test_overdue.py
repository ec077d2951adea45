"""The report `overdue`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from casestore.events import Actor
from projections import reports
from projections.reports import OverdueLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    assigned,
    bounced,
    closed,
    customer_merged,
    escalated,
    kept,
    merged,
    moment,
    moved,
    opened,
    promised,
    released,
    replied,
    returned,
    unmerged,
    withdrew,
    wrote,
)

BEN = Actor(kind="agent", id="ben", team="south")
MICROSECOND = timedelta(microseconds=1)


def overdue(desk: Desk, as_of: str | datetime, **asked: Any) -> list[tuple[str, str | None]]:
    found = reports.overdue(desk.store, as_of=moment(as_of), **asked)
    return [(each.kind, each.id) for each in found.rows]


def test_all_that_may_be_overdue(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"), promised(due="+2h"), wrote())
        desk.case("c2", opened(customer_id="k2"), replied("r1", actor=BEN), bounced("r1", "+1h"))
        desk.case("c2", assigned(None, "east", "+1h"), escalated("u1", "+2h", kind="executive"))
        told = reports.overdue(desk.store, as_of=moment("+27h"))
        anna = {"owner": "anna", "team": "north", "case_id": "c1", "customer_id": "k1"}
        ben = {"team": "east", "case_id": "c2", "customer_id": "k2"}
        hour = 3600
        assert told.rows == [
            OverdueLine(kind="promise", id="p1", due_at=moment("+2h"), overdue_s=25 * hour, **anna),
            OverdueLine(kind="reply", id=None, due_at=moment("+24h"), overdue_s=3 * hour, **anna),
            OverdueLine(
                owner="ben",  # who sent it, as nobody has the case
                kind="resend",
                id="r1",
                due_at=moment("+25h"),
                overdue_s=2 * hour,
                **ben,
            ),
            OverdueLine(  # no reply has arrived since the receipt
                owner=None,
                kind="reply",
                id=None,
                due_at=moment("+24h"),
                overdue_s=3 * hour,
                **ben,
            ),
            OverdueLine(
                owner=None, kind="return", id="u1", due_at=moment("+26h"), overdue_s=hour, **ben
            ),
        ]
        assert told.summary == {
            "overdue": 5,
            "promise": 1,
            "reply": 2,
            "resend": 1,
            "return": 1,
            "policy": "built-in",
            "thresholds": {
                "reply_within": "24 hours",
                "resend_within": "24 hours",
                "return_within": "24 hours",
            },
        }
        assert overdue(desk, "+27h", agent="ben") == [("resend", "r1")]
        assert overdue(desk, "+27h", team="east") == [
            ("resend", "r1"),
            ("reply", None),
            ("return", "u1"),
        ]
        assert overdue(desk, "+27h", until=moment("+24h")) == [("promise", "p1")]
        assert overdue(desk, "+27h", customer="k2", since=moment("+26h")) == [("return", "u1")]


def test_what_is_due_this_moment_is_not_overdue_yet(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised(due="+24h"), wrote())
        desk.case("c1", escalated("u1", kind="executive"))
        desk.case("c2", opened(), replied("r1"), bounced("r1"))
        due = moment("+24h")
        assert overdue(desk, due) == []
        every = {("promise", "p1"), ("reply", None), ("return", "u1"), ("resend", "r1")}
        assert set(overdue(desk, due + MICROSECOND)) == every


def test_what_was_done_is_overdue_no_more(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised(due="+1h"), wrote())
        desk.case("c1", escalated("u1", kind="executive"), replied("r0"), bounced("r0"))
        desk.case("c1", kept(at="+40h"), returned("u1", "+40h"), replied("r1", "+40h"))
        assert len(overdue(desk, "+30h")) == 4
        assert overdue(desk, "+40h") == []


def test_nothing_is_to_be_done_any_more_about_a_promise_let_off_or_gone_back_on(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised("p1", due="+1h"), promised("p2", due="+1h"))
        desk.case("c1", promised("p3", due="+1h"), moved("p3", "+30m", due="+9h"))
        desk.case("c1", released("p1", "+2h"), withdrew("p2", "+2h"))
        assert overdue(desk, "+90m") == [("promise", "p1"), ("promise", "p2")]
        assert overdue(desk, "+2h") == []
        assert overdue(desk, "+10h") == [("promise", "p3")]


def test_closing_a_case_leaves_its_promises_to_be_kept(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote(), promised(due="+1h"), closed("+30m"))
        assert overdue(desk, "+9d") == [("promise", "p1")]


def test_a_reply_need_not_be_sent_again_after_an_answer_in_the_other_case(tmp_path: Path) -> None:
    """Nor is it listed as a reply that was not made good. Both hold only while they are merged."""
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), replied("r1", "+1h"), bounced("r1", "+2h"))
        desk.case("c2", opened(), replied("r1", "+1h"), replied("r2", "+3h"))
        apart = [("resend", "r1"), ("reply", None)]
        assert overdue(desk, "+9d") == apart
        assert not_made_good(desk, "+9d") == 1
        desk.case("c1", merged("c2", "+10d"))
        assert overdue(desk, "+11d") == []
        assert not_made_good(desk, "+11d") == 0
        assert overdue(desk, "+9d") == apart
        desk.case("c1", unmerged("c2", "+12d"))
        assert overdue(desk, "+13d") == apart
        assert not_made_good(desk, "+13d") == 1


def test_an_answer_before_it_or_one_that_did_not_arrive_makes_nothing_good(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c2", opened(), replied("r1", "+1h"), replied("r2", "+3h"), bounced("r2", "+4h"))
        desk.case("c1", opened(), replied("r1", "+1h"), bounced("r1", "+2h"), merged("c2", "+5h"))
        assert sorted(overdue(desk, "+9d")) == [("resend", "c1/r1"), ("resend", "r2")]
        assert not_made_good(desk, "+9d") == 2


def not_made_good(desk: Desk, as_of: str) -> object:
    return reports.undelivered(desk.store, as_of=moment(as_of)).summary["not_made_good"]


def test_what_is_overdue_in_a_merged_case_is_for_who_has_the_other(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c2", opened(), assigned("ben"))
        desk.case("c1", opened(customer_id="k2"), assigned("anna"), promised(due="+1h"), wrote())
        desk.case("c1", replied(), bounced(), escalated(kind="executive"), merged("c2", "+1h"))
        desk.customer("k2", customer_merged("k1", "+1h"))
        told = reports.overdue(desk.store, as_of=moment("+9d")).rows
        assert {(each.owner, each.case_id, each.customer_id) for each in told} == {
            ("ben", "c2", "k1")
        }
        assert sorted(each.kind for each in told) == ["promise", "reply", "resend", "return"]
        assert overdue(desk, "+9d", agent="anna") == []
