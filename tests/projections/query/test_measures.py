"""The measures that reports use."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as hypothetically
from hypothesis import strategies as st

from projections.query.measures import STEPS, Step, bounds, percentile, period, seconds, share

MICROSECOND = timedelta(microseconds=1)


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


@hypothetically(
    st.integers(0, 2_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sampled_from(STEPS),
    st.sampled_from([UTC, *map(ZoneInfo, ("Europe/Berlin", "America/Sao_Paulo", "Asia/Tokyo"))]),
)
def test_a_period_has_what_lies_between_its_bounds(at: datetime, by: Step, zone: tzinfo) -> None:
    name = period(at, by, zone)
    begin, end = bounds(name, by, zone)
    assert begin <= at < end
    assert period(begin, by, zone) == period(end - MICROSECOND, by, zone) == name
    assert period(begin - MICROSECOND, by, zone) != name != period(end, by, zone)


def test_a_day_begins_where_clocks_skip_midnight() -> None:
    begin, end = bounds("2018-11-04", "day", ZoneInfo("America/Sao_Paulo"))
    assert begin == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert end - begin == timedelta(hours=23)
    week = bounds("2020-W53", "week", UTC)
    assert [each.date() for each in week] == [date(2020, 12, 28), date(2021, 1, 4)]


def test_a_period_at_the_end_of_the_calendar_ends_with_it() -> None:
    last: dict[Step, str] = {"month": "9999-12", "day": "9999-12-31", "week": "9999-W52"}
    for by, name in last.items():
        begin, end = bounds(name, by, ZoneInfo("Asia/Tokyo"))
        assert begin < end == datetime.max.replace(tzinfo=UTC)
    assert bounds("0001-01", "month", ZoneInfo("Asia/Tokyo"))[0].year == 1
