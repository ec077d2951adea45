"""A relay that is killed twenty times, with a receiver that misbehaves.

`python -m tests.support.relay_faults --rounds 1000` does it for as long as you like.
"""

from __future__ import annotations

import pytest

from tests.support.relay_faults import torture


@pytest.mark.parametrize("batch", [None, 10])
def test_kills_and_faults_cost_no_event_and_no_order(store_url: str, batch: int | None) -> None:
    told = torture(store_url, 20, 4711, batch=batch)
    assert told.events > 30
    assert told.requests > told.faults > 0
    # What a relay sends again was in flight when it was killed, or was answered in no sound way.
    assert told.twice <= (told.kills + told.faults) * (batch or 1)
