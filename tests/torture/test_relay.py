"""A relay that is killed twenty times, with a receiver that misbehaves.

`python -m tests.support.relay_faults --rounds 1000` does it for as long as you like.
"""

from __future__ import annotations

import pytest

from tests.support.receivers import Request
from tests.support.relay_faults import told, torture


@pytest.mark.parametrize("batch", [None, 10])
def test_kills_and_faults_cost_no_event_and_no_order(store_url: str, batch: int | None) -> None:
    told = torture(store_url, 20, 4711, batch=batch)
    assert told.events > 30
    faults = sum(told.faults.values())
    assert told.requests > faults > 0
    # What a relay sends again was in flight when it was killed, or was answered in no sound way.
    assert told.twice <= (told.kills + faults) * (batch or 1)


def request(*ids: str, fault: str = "") -> Request:
    return Request({}, tuple({"id": each, "subject": "case:1"} for each in ids), fault)


def test_where_an_event_is_missing_or_late_it_is_said_which_and_what_came_around_it() -> None:
    recorded = [("case:1", each) for each in ("a", "b", "c")]
    assert told([request("a"), request("a"), request("b", "c")], recorded, 1).twice == 1
    with pytest.raises(AssertionError) as missing:
        told([request("a"), request("b", fault="close"), request("c")], recorded, 0)
    assert str(missing.value).splitlines() == [
        "the receiver took 2 of 3 events",
        "event 2 (b, case:1) is missing; it is in requests [1]",
        "event 3 (c, case:1) is taken as number 2; it is in requests [2]",
        "  request 0: events [1]: taken",
        "  request 1: events [2]: close",
        "  request 2: events [3]: taken",
    ]
    with pytest.raises(AssertionError, match=r"event 1 .* is taken as number 2; it is in requests"):
        told([request("b"), request("a"), request("c")], recorded, 0)
    with pytest.raises(AssertionError, match=r"event None .x, no stream of the store. is taken"):
        told([request("a"), request("b"), request("c"), request("x")], recorded, 0)
