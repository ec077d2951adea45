"""How each relay of a store stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from casestore.relay.checkpoints import Checkpoint, Parked, checkpoints_of
from casestore.store import CaseStore
from casestore.streams.history import from_microseconds

State = Literal["delivering", "failing", "stopped", "history changed"]


class RelayStatus(NamedTuple):
    """How a relay stands, as its checkpoint tells. Whether its process runs, nobody knows."""

    relay: str
    state: State
    target: str
    position: int
    """The last event that was sent or is not to be sent; 0 before the first."""
    lag_events: int
    """How many events come after it."""
    lag_s: float
    """Seconds since the first of these was recorded."""
    attempts: int
    """How often in a row the next one was not taken."""
    failing_since: datetime | None
    next_attempt: datetime | None
    parked: int
    """The streams that were put aside."""
    last_error: str | None


def relays(store: CaseStore) -> list[RelayStatus]:
    """How each relay of a store stands, by name. Raises StoreUnavailable."""
    checkpoints = checkpoints_of(store)
    try:
        parked = checkpoints.parked()
        return [_status(store, point, parked) for point in checkpoints.all()]
    finally:
        checkpoints.close()


def parked_streams(store: CaseStore, name: str | None = None) -> list[Parked]:
    """The streams that a relay has put aside, or all of them. Raises StoreUnavailable."""
    checkpoints = checkpoints_of(store)
    try:
        return checkpoints.parked(name)
    finally:
        checkpoints.close()


def _status(store: CaseStore, point: Checkpoint, parked: list[Parked]) -> RelayStatus:
    recorder = store._recorder
    first = recorder.rows(point.position, 1)
    waited = store.now() - from_microseconds(first[0][8]) if first else timedelta()
    return RelayStatus(
        point.name,
        _state(store, point),
        point.target,
        point.position,
        recorder.count_after(point.position),
        max(waited.total_seconds(), 0.0),
        point.attempts,
        _time(point.failing_since_us),
        _time(point.next_attempt_us),
        sum(each.relay == point.name for each in parked),
        point.last_error,
    )


def _state(store: CaseStore, point: Checkpoint) -> State:
    after = point.after
    if after is not None:
        mark = f"{after.uid} {after.recorded_us}"
        if store._recorder.mark(after.position) != mark:
            return "history changed"
    if point.stopped:
        return "stopped"
    return "failing" if point.attempts else "delivering"


def _time(us: int | None) -> datetime | None:
    return None if us is None else from_microseconds(us)
