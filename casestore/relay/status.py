"""How each relay of a store stands, and what an operator does about it."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from casestore.errors import NotRelayed
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
    with closing(checkpoints_of(store)) as checkpoints:
        parked = checkpoints.parked()
        return [_status(store, point, parked) for point in checkpoints.all()]


def parked_streams(store: CaseStore, name: str | None = None) -> list[Parked]:
    """The streams that a relay has put aside, or all of them. Raises StoreUnavailable."""
    with closing(checkpoints_of(store)) as checkpoints:
        return checkpoints.parked(name)


def retry(store: CaseStore, name: str) -> bool:
    """Let a relay try again at once, also what it has parked, and also if it has stopped.

    Returns whether there is such a relay. Raises StoreUnavailable.
    """
    with closing(checkpoints_of(store)) as checkpoints:
        return checkpoints.retry(name)


def forget(store: CaseStore, name: str) -> bool:
    """Forget how far a relay is, and what it has parked; a new one may then have its name.

    Returns whether there was such a relay. Raises NotRelayed while it runs, and StoreUnavailable.
    """
    with closing(checkpoints_of(store)) as checkpoints:
        if checkpoints.load(name) is None:
            return False
        with checkpoints.lease(name) as has_lease:
            if not has_lease:
                raise NotRelayed(f"{name} is relaying; stop it first")
            return checkpoints.forget(name)


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
    return "failing" if point.attempts or point.last_error else "delivering"


def _time(us: int | None) -> datetime | None:
    return None if us is None else from_microseconds(us)
