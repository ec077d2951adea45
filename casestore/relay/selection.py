"""Which events a relay sends, and reading them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import NamedTuple

from casestore.errors import quoted
from casestore.events import VOCABULARY
from casestore.relay.message import Message
from casestore.store import CaseStore
from casestore.streams.history import Cursor, Recorded
from casestore.transfer.cloudevents import cloud_event

LATE = timedelta(days=1)
"""What another system told so long after it happened is history, and no news."""
_MOST_BYTES = 1 << 20
"""Bytes of a batch, unless its first event alone is larger."""
_LOOKED_AT = 2_000
"""How many events are passed over, at most, until a relay does something else."""
_FRESH = 1.0
"""Seconds for which events that were read ahead are sent: words may be erased meanwhile."""


class Wanted(NamedTuple):
    """Which events a relay sends."""

    types: frozenset[str] | None = None
    """Names of types; None for all."""
    imported: bool = False
    """Whether history that was imported is sent too."""
    reveal: bool = False

    def has_type(self, recorded: Recorded) -> bool:
        """Whether an event has one of the types."""
        return self.types is None or recorded.type in self.types

    def has(self, recorded: Recorded) -> bool:
        """Whether an event is sent."""
        return self.has_type(recorded) and (self.imported or not is_history(recorded))


def wanted(types: Collection[str] | None, *, imported: bool, reveal: bool) -> Wanted:
    """Which events a relay sends. Raises ValueError for what is no type of event."""
    known = {cls.__name__ for cls in VOCABULARY}
    for name in types or ():
        if name not in known:
            raise ValueError(f"{quoted(name)} is no type of event; `casestore events` lists them")
    return Wanted(None if types is None else frozenset(types), imported, reveal)


def is_history(recorded: Recorded) -> bool:
    """Whether an event was imported from another system, long after it happened.

    A line of an import has a source, or a key made of the line. So have the events that a service
    takes from another system as they happen, but those are recorded soon after.
    """
    metadata, recorded_at = recorded.metadata, recorded.recorded_at
    imported = metadata.source or (metadata.key or "").startswith("sha256:")
    late = recorded_at is not None and recorded_at - recorded.occurred_at > LATE
    return bool(imported) and late


class Next(NamedTuple):
    """What a relay sends next."""

    message: Message | None
    """None where none of the events looked at is to be sent."""
    first: Recorded | None
    """The first event in it."""
    after: Cursor | None
    """The last event that was looked at."""
    number: int
    """The events in the message."""
    history: int
    """The imported ones that were passed over, and would be sent otherwise."""


class Feed:
    """Reads the events after a place, and makes messages of them."""

    def __init__(self, store: CaseStore, asked: Wanted, batch: int | None) -> None:
        self._store = store
        self._asked = asked
        self._batch = batch
        self._ahead: Iterator[Recorded] | None = None
        self._until = 0.0

    def restart(self) -> None:
        """Read anew what comes next."""
        self._ahead = None

    def next(self, after: Cursor | None, parked: Collection[str], *, one: bool) -> Next:
        """What is sent after a place.

        Args:
            after: the last event that was looked at.
            parked: streams whose events are passed over.
            one: at most one event, also where there are batches.

        Raises HistoryChanged, StoreDamaged, StoreUnavailable, KeyFileError.
        """
        if self._ahead is None or time.monotonic() > self._until:
            self._ahead = self._store.read(after or 0, reveal=self._asked.reveal)
            self._until = time.monotonic() + _FRESH
        chosen: list[Recorded] = []
        events: list[bytes] = []
        most = 1 if one or self._batch is None else self._batch
        size = history = 0
        for _ in range(_LOOKED_AT):
            recorded = next(self._ahead, None)
            if recorded is None:
                self._ahead = None
                break
            after = recorded.cursor
            if not self._asked.has(recorded):
                history += self._asked.has_type(recorded)
            elif recorded.stream not in parked:
                chosen.append(recorded)
                events.append(self.cloud_event(recorded))
                size += len(events[-1])
                if len(events) >= most or size >= _MOST_BYTES:
                    break
        message = self.message(chosen, events) if chosen else None
        return Next(message, chosen[0] if chosen else None, after, len(chosen), history)

    def of_stream(self, stream: str, first: int, last: int) -> list[Recorded]:
        """The events of a stream to send, from a position to another."""
        history = self._store.history(stream, reveal=self._asked.reveal)
        return [
            each
            for each in history.originals
            if first <= (each.position or 0) <= last and self._asked.has(each)
        ]

    def cloud_event(self, recorded: Recorded) -> bytes:
        """An event as it is sent."""
        return cloud_event(self._store.meta["store_id"], recorded)

    def message(self, chosen: list[Recorded], events: list[bytes]) -> Message:
        """A message of some events."""
        if self._batch is None:
            return Message(chosen[0].uid, tuple(events))
        first, last = chosen[0].position, chosen[-1].position
        name = f"{self._store.meta['store_id']}:{first}-{last}"
        return Message(name, tuple(events), batched=True)
