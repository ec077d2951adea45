"""The report `breakdown`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from casestore.events import Actor
from projections import reports
from projections.reports import BreakdownLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    assigned,
    bounced,
    closed,
    found,
    learnt,
    merged,
    moment,
    opened,
    reopened,
    replied,
    unmerged,
    wrote,
)

BEN = Actor(kind="agent", id="ben", team="south")
CLEO = Actor(kind="agent", id="cleo")
HOUR = 3600


def tell_some(desk: Desk) -> None:
    """Three cases: one resolved late and upheld, one open, one that was closed twice."""
    desk.case("c1", opened(product="phone"), assigned("anna", "north"), wrote(), found())
    desk.case("c1", replied("r1", "+1h"), wrote("m2", "+2h"), replied("r2", "+3h", actor=BEN))
    desk.case("c1", closed("+10h"))
    desk.case("c2", opened("+1h", received_at=moment("+0h")), assigned("anna", "north", "+1h"))
    desk.case("c2", wrote(at="+1h"), replied(at="+5h"), found(at="+6h", outcome="not_upheld"))
    desk.case("c3", opened("+2h", channel="phone"), assigned(None, "south", "+2h"), closed("+3h"))
    desk.case("c3", reopened("+4h"), closed("+5h", reason="no_contact"))


def test_a_whole_breakdown(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        tell_some(desk)
        told = reports.breakdown(desk.store, by="team", as_of=moment("+1d"))
        # Anna, of the team north, closed a case of the team south, twice.
        north: dict[str, Any] = {
            "opened": 2,
            "closed": 2,
            "reopened": 1,
            "outstanding": 1,
            "first_response_median_s": HOUR,
            "first_response_p90_s": 5 * HOUR,
            "first_response_working_median_s": HOUR,
            "first_response_working_p90_s": 5 * HOUR,
            "resolution_median_s": 10 * HOUR,  # a closing for "no_contact" is no resolution
            "resolution_p90_s": 10 * HOUR,
            "resolution_working_median_s": 8 * HOUR,
            "resolution_working_p90_s": 8 * HOUR,
            "resolution_net_median_s": 10 * HOUR,
            "resolution_net_p90_s": 10 * HOUR,
            "upheld_share": 0.5,
            "contacts_per_case": 1.5,
            "agents_per_case": 1.5,
        }
        south: dict[str, Any] = {
            "opened": 1,
            "closed": 0,
            "reopened": 0,
            "outstanding": 0,
            "first_response_median_s": None,
            "first_response_p90_s": None,
            "first_response_working_median_s": None,
            "first_response_working_p90_s": None,
            "resolution_median_s": None,
            "resolution_p90_s": None,
            "resolution_working_median_s": None,
            "resolution_working_p90_s": None,
            "resolution_net_median_s": None,
            "resolution_net_p90_s": None,
            "upheld_share": None,
            "contacts_per_case": 0.0,
            "agents_per_case": 0.0,
        }
        assert told.rows == [
            BreakdownLine(group="north", **north),
            BreakdownLine(group="south", **south),
        ]
        assert told.summary == {
            "by": "team",
            **north,
            "opened": 3,
            "contacts_per_case": 1.0,
            "agents_per_case": 1.0,
        }


def by(desk: Desk, what: str, **asked: Any) -> dict[str | None, BreakdownLine]:
    asked = {"as_of": moment("+9d"), **asked}
    return {each.group: each for each in reports.breakdown(desk.store, by=what, **asked).rows}


def test_a_response_is_with_who_gave_it_a_resolution_with_who_closed(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"), wrote(), replied("r1", "+1h"))
        desk.case("c1", assigned("ben", "south", "+2h"), bounced("r1", "+3h"))
        desk.case("c1", replied("r2", "+4h", resend_of="r1", actor=BEN), found(at="+5h"))
        desk.case("c1", closed("+6h", actor=CLEO))
        anna, ben, cleo = (by(desk, "agent")[name] for name in ("anna", "ben", "cleo"))
        assert (anna.opened, anna.upheld_share, anna.contacts_per_case) == (1, 1.0, 1.0)
        assert (anna.first_response_median_s, anna.resolution_median_s) == (None, None)
        assert (ben.opened, ben.first_response_median_s, ben.closed) == (0, 4 * HOUR, 0)
        assert (ben.upheld_share, ben.agents_per_case) == (None, None)
        assert (cleo.closed, cleo.resolution_median_s, cleo.opened) == (1, 6 * HOUR, 0)
        # Cleo names no team: hers is that of the case at that time.
        assert by(desk, "team")["south"].resolution_median_s == 6 * HOUR


def test_a_reopening_is_with_who_had_closed_and_what_is_open_with_who_has_it(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned("anna", "north"), closed("+1h", actor=BEN))
        desk.case("c1", reopened("+2h", actor=CLEO), closed("+3h"), reopened("+4h"))
        desk.case("c1", assigned("cleo", "east", "+5h"))
        told = by(desk, "agent")
        assert {name: each.reopened for name, each in told.items()} == {
            "anna": 1,
            "ben": 1,
            "cleo": 0,
        }
        assert {name: each.outstanding for name, each in told.items()} == {
            "anna": 0,
            "ben": 0,
            "cleo": 1,
        }
        assert by(desk, "channel")["email"].reopened == 1
        # By the clocks, it was reopened before anybody had closed it: it counts for nobody.
        desk.case("c2", opened(), closed("+7h"), learnt("+8h", reopened("+6h")))
        assert by(desk, "agent")[None].reopened == 1


def test_a_case_that_was_opened_without_an_owner_is_with_its_first_one(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), assigned(None, "north", "+1h"), assigned("ben", None, "+2h"))
        desk.case("c2", opened())
        assert {name: each.opened for name, each in by(desk, "agent").items()} == {
            "ben": 1,
            None: 1,
        }
        assert {name: each.opened for name, each in by(desk, "team").items()} == {
            "north": 1,
            None: 1,
        }
        assert by(desk, "agent", as_of=moment("+30m"))[None].opened == 2


def test_what_was_no_complaint_is_in_no_number(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), replied("r1", "+1h"), closed("+2h"))
        desk.case("c2", opened(), replied("r1", "+9h"), closed("+9h", reason="not_a_complaint"))
        desk.case("c3", opened(), closed("+9h", reason="duplicate"), reopened("+1d"))
        (line,) = by(desk, "channel").values()
        assert (line.opened, line.closed, line.outstanding) == (2, 1, 1)
        assert line.first_response_p90_s == HOUR
        assert by(desk, "channel", as_of=moment("+9h"))["email"].opened == 1
        assert by(desk, "agent")["anna"].reopened == 1


def opened_by(desk: Desk, by: str, **asked: Any) -> dict[str | None, int]:
    asked = {"as_of": moment("+1d"), **asked}
    found = reports.breakdown(desk.store, by=by, **asked).rows
    return {each.group: each.opened for each in found}


def test_cases_by_all_that_they_can_be_seen_by(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        tell_some(desk)
        desk.case("c4", opened("+3h", region="emea", category="billing"))
        assert opened_by(desk, "agent") == {"anna": 2, None: 2}
        assert opened_by(desk, "team") == {"north": 2, "south": 1, None: 1}
        assert opened_by(desk, "product") == {"phone": 1, None: 3}
        assert opened_by(desk, "region") == {"emea": 1, None: 3}
        assert opened_by(desk, "category") == {"billing": 1, None: 3}
        assert opened_by(desk, "channel") == {"email": 3, "phone": 1}
        assert opened_by(desk, "month") == {"2026-03": 4}
        assert list(opened_by(desk, "agent")) == ["anna", None]
        assert opened_by(desk, "channel", since=moment("+1h"), until=moment("+3h")) == {
            "email": 1,
            "phone": 1,
        }
        assert opened_by(desk, "channel", as_of=moment("+1h")) == {"email": 2}
        assert opened_by(desk, "team", agent="anna") == {"north": 2}


def test_a_month_begins_where_one_is(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(datetime(2026, 3, 31, 22, 30, tzinfo=UTC)))
        as_of = datetime(2026, 5, 1, tzinfo=UTC)
        assert opened_by(desk, "month", as_of=as_of) == {"2026-03": 1}
        berlin = ZoneInfo("Europe/Berlin")
        assert opened_by(desk, "month", as_of=as_of, tz=berlin) == {"2026-04": 1}


def test_merged_cases_count_once_with_all_that_belongs_to_them(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote(), replied("r1", "+1h"), found(), closed("+2h"))
        desk.case("c2", opened("+4h"), wrote(at="+4h"), replied("r1", "+5h", actor=BEN))
        desk.case("c1", reopened("+5h"), merged("c2", "+6h"))
        desk.case("c2", closed("+8h", reason="final_response"))
        desk.case("c1", unmerged("c2", "+9h"))
        (line,) = reports.breakdown(desk.store, by="channel", as_of=moment("+8h")).rows
        assert line == BreakdownLine(
            group="email",
            opened=1,
            closed=1,
            reopened=1,
            outstanding=0,
            first_response_median_s=HOUR,
            first_response_p90_s=HOUR,
            first_response_working_median_s=HOUR,
            first_response_working_p90_s=HOUR,
            resolution_median_s=8 * HOUR,
            resolution_p90_s=8 * HOUR,
            resolution_working_median_s=8 * HOUR,
            resolution_working_p90_s=8 * HOUR,
            resolution_net_median_s=8 * HOUR,
            resolution_net_p90_s=8 * HOUR,
            upheld_share=1.0,
            contacts_per_case=2.0,
            agents_per_case=2.0,
        )
        (apart,) = reports.breakdown(desk.store, by="channel", as_of=moment("+9h")).rows
        assert (apart.opened, apart.closed, apart.outstanding) == (2, 1, 1)
        assert apart.contacts_per_case == 1.0
        assert apart.resolution_median_s == 4 * HOUR
