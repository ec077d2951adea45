"""The measures that reports use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given as hypothetically
from hypothesis import strategies as st

from projections.query.measures import percentile, seconds, share

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
