"""The report `ageing`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from projections import reports
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    closed,
    merged,
    moment,
    opened,
)

HOUR = 3600
MICROSECOND = timedelta(microseconds=1)
DAY = 24 * HOUR


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
