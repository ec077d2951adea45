"""The reports `breakdown`, `ageing` and `repeats`, and the measures that reports use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as hypothetically
from hypothesis import strategies as st

from casestore.events import Actor
from projections import reports
from projections.query.measures import percentile, seconds, share
from projections.reports import BreakdownLine, RepeatLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    assigned,
    bounced,
    closed,
    customer_merged,
    customer_unmerged,
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
MICROSECOND = timedelta(microseconds=1)
HOUR = 3600
DAY = 24 * HOUR

# --- measures


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        # A well-known example of the nearest-rank method.
        ([15, 20, 35, 40, 50], 30, 20),
        ([15, 20, 35, 40, 50], 40, 20),
        ([15, 20, 35, 40, 50], 50, 35),
        ([15, 20, 35, 40, 50], 100, 50),
        ([3, 1, 2, 4], 50, 2),
        ([7], 90, 7),
        (range(1, 11), 90, 9),
        (range(1, 12), 90, 10),
        ([], 50, None),
    ],
)
def test_percentiles_are_of_the_nearest_rank(
    values: list[int], percent: int, expected: int | None
) -> None:
    assert percentile(values, percent) == expected


@hypothetically(st.lists(st.integers(), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    values: list[int], percent: int
) -> None:
    def enough(value: int) -> bool:
        return 100 * sum(each <= value for each in values) >= percent * len(values)

    found = percentile(values, percent)
    assert found == min(filter(enough, values))


def test_seconds_and_shares() -> None:
    assert seconds(timedelta(seconds=2) - MICROSECOND) == 1
    assert share(1, 3) == 0.3333
    assert share(0, 0) is None


# --- breakdown


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


# --- ageing


def ages(desk: Desk, as_of: str | datetime, **asked: Any) -> dict[str, int]:
    found = reports.ageing(desk.store, as_of=moment(as_of), **asked).rows
    return {each.bucket: each.cases for each in found if each.cases}


def test_the_ages_of_open_cases(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        for n, received in enumerate(("-10d", "-8d", "-2d", "+0h")):
            desk.case(f"c{n}", opened(received_at=moment(received)))
        desk.case("closed", opened(received_at=moment("-99d")), closed())
        told = reports.ageing(desk.store, as_of=moment("+0h"))
        assert [(each.bucket, each.cases, each.share) for each in told.rows] == [
            ("0 to 1 days", 1, 0.25),
            ("1 to 3 days", 1, 0.25),
            ("3 to 7 days", 0, 0.0),
            ("7 to 14 days", 2, 0.5),
            ("14 to 30 days", 0, 0.0),
            ("30 to 90 days", 0, 0.0),
            ("90 days and more", 0, 0.0),
        ]
        week = told.rows[3]
        assert (week.median_s, week.p90_s) == (8 * DAY, 10 * DAY)
        assert told.rows[2].median_s is None
        assert told.summary == {
            "open": 4,
            "median_s": 2 * DAY,
            "p90_s": 10 * DAY,
            "oldest_s": 10 * DAY,
        }


def test_a_case_is_a_day_old_when_a_day_has_passed(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        day = moment("+1d")
        assert ages(desk, day - MICROSECOND) == {"0 to 1 days": 1}
        assert ages(desk, day) == {"1 to 3 days": 1}
        assert ages(desk, "+90d") == {"90 days and more": 1}


def test_a_merged_case_ages_from_the_earliest_receipt_and_counts_once(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        desk.case("c2", opened("+5d"))
        assert ages(desk, "+5d") == {"0 to 1 days": 1, "3 to 7 days": 1}
        desk.case("c1", merged("c2", "+6d"))
        assert ages(desk, "+6d") == {"3 to 7 days": 1}
        desk.case("c2", closed("+7d"))
        assert ages(desk, "+7d") == {}


# --- repeats


def repeating(desk: Desk, as_of: str | datetime, **asked: Any) -> dict[str, tuple[str, ...]]:
    found = reports.repeats(desk.store, as_of=moment(as_of), **asked).rows
    return {each.customer_id: each.case_ids for each in found}


def test_who_had_to_complain_again(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(category="billing"), closed("+1h"))
        desk.case("c2", opened("+1d", category="billing"))
        desk.case("c3", opened("+2d", customer_id="k2"))
        desk.case("c4", opened("+3d", category="noise"))
        told = reports.repeats(desk.store, as_of=moment("+9d"))
        assert told.rows == [
            RepeatLine(
                customer_id="k1",
                cases=3,
                open=2,
                first_opened_at=moment("+0h"),
                last_opened_at=moment("+3d"),
                categories=("billing", "noise"),
                case_ids=("c1", "c2", "c4"),
            )
        ]
        assert told.summary == {"customers": 2, "repeating": 1, "cases": 3}
        assert repeating(desk, "+9d", category="billing") == {"k1": ("c1", "c2")}
        assert repeating(desk, "+9d", since=moment("+1d"), until=moment("+3d")) == {}
        assert repeating(desk, "+1h") == {}


def test_a_year_is_365_days(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        desk.case("c2", opened("+100d"))
        year = moment("+365d")
        assert repeating(desk, year - MICROSECOND) == {"k1": ("c1", "c2")}
        assert repeating(desk, year) == {}
        # With an earlier `until`, the year ends there.
        assert repeating(desk, "+900d") == {}
        assert repeating(desk, "+900d", until=moment("+200d")) == {"k1": ("c1", "c2")}


def test_merged_customers_repeat_together_and_merged_cases_are_no_repetition(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        desk.case("c2", opened("+1d", customer_id="k2"))
        desk.customer("k2", customer_merged("k1", "+2d"))
        desk.case("c2", merged("c1", "+3d"), unmerged("c1", "+4d"))
        desk.customer("k2", customer_unmerged("k1", "+5d"))
        assert repeating(desk, "+1d") == {}
        assert repeating(desk, "+2d") == {"k1": ("c1", "c2")}
        assert repeating(desk, "+3d") == {}
        assert repeating(desk, "+4d") == {"k1": ("c1", "c2")}
        assert repeating(desk, "+5d") == {}
