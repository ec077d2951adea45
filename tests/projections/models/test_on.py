"""A model that names the events its rows come from has no row of a case without them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import pytest

from casestore.append.request import event_id
from casestore.streams.history import History, Recorded
from projections import PROJECTIONS
from projections.history.case_history import CaseHistory
from projections.projection import Projection
from tests.generate import entries

NAMING = [projection for projection in PROJECTIONS if projection.on]


def recorded() -> dict[str, list[Recorded]]:
    events: dict[str, list[Recorded]] = defaultdict(list)
    for position, (at, stream, event, key) in enumerate(entries(2_000), 1):
        if stream.startswith("case:"):
            of = events[stream]
            uid = event_id(stream, key, 0)
            of.append(Recorded(event, stream, len(of) + 1, position, uid, "k", at))
    return events


def rows(projection: Projection, stream: str, events: Sequence[Recorded]) -> list[Any]:
    return list(cast(Any, projection).rows(CaseHistory(History(stream, events))))


@pytest.mark.parametrize("projection", NAMING, ids=lambda each: str(each.name))
def test_no_row_comes_of_other_events(projection: Projection) -> None:
    made = 0
    for stream, events in recorded().items():
        others = [each for each in events if not isinstance(each.event, projection.on)]
        made += len(rows(projection, stream, events))
        assert rows(projection, stream, others) == []
    assert made
