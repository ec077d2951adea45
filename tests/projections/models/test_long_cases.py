"""The rows of a long case take work in proportion to its length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from casestore.streams.history import History
from projections import PROJECTIONS
from projections.history.case_history import CaseHistory
from projections.projection import Projection
from tests.support.long_cases import long_history
from tests.support.work import work

OF_CASES = [projection for projection in PROJECTIONS if projection.of == "case"]


def rows_of(projection: Projection, history: History) -> Callable[[], object]:
    return lambda: list(cast(Any, projection).rows(CaseHistory(history)))


@pytest.mark.parametrize("projection", OF_CASES, ids=lambda each: str(each.name))
def test_four_times_the_events_are_four_times_the_work(projection: Projection) -> None:
    short, long = long_history(50), long_history(200)
    rows_of(projection, short)()  # what is worked out once for each class is known by now
    before, after = work(rows_of(projection, short)), work(rows_of(projection, long))
    assert after < 4.5 * before
