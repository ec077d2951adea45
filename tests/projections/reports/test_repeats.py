"""The report `repeats`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from projections import reports
from projections.reports import RepeatLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    closed,
    customer_merged,
    customer_unmerged,
    merged,
    moment,
    opened,
    unmerged,
)

MICROSECOND = timedelta(microseconds=1)


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
