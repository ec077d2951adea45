"""One append: the events, the key that makes it idempotent, and the receipt for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec

from casestore.append.form import (
    check_event_ids,
    check_number,
    checked_batches,
    checked_text,
)
from casestore.errors import CaseStoreError
from casestore.events import (
    Event,
    EventCorrected,
    GestureGiven,
    PersonalDataErased,
    PromiseKept,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
)

NAMESPACE = UUID("5f0c3b1e-54d1-5d0a-9d3c-0a4b7f6e2c11")
"""casestore's namespace for the UUIDs of events that are made from keys."""
_HASH = sha1(NAMESPACE.bytes, usedforsecurity=False)
"""The hash of what stands before every name."""
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The digit of a UUID that tells its variant, by the digit of the hash in its place."""


ENDS_PROMISE = (PromiseKept, PromiseRenegotiated, PromiseReleased, PromiseWithdrawn)
"""Events that end or move a promise. Their check needs the other cases of the family: one of them
may have ended the promise already."""
_LOOK_FURTHER = frozenset({GestureGiven, PersonalDataErased, EventCorrected, *ENDS_PROMISE})
_SAID = ("key", "source", "correlation_id", "causation_id")


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What an append recorded. Each tuple has one value for each event, in the order given."""

    versions: tuple[int, ...]
    """The events' versions in their streams."""
    positions: tuple[int, ...]
    """The events' positions in the store."""
    uids: tuple[str, ...]
    """The events' ids, UUIDs as text."""

    @property
    def event_ids(self) -> tuple[UUID, ...]:
        """The events' ids as UUIDs."""
        return tuple(map(UUID, self.uids))

    @property
    def position(self) -> int:
        """The position of the last event, for `follow(after=...)`."""
        return self.positions[-1]


class Retry(NamedTuple):
    """How often to try if the database does not answer, or a commit's acknowledgement is lost.

    Every append has its event ids before the first attempt, so a retry never appends twice.
    """

    attempts: int = 5
    """How many attempts to make, with the first one."""
    wait: float = 0.1
    """Seconds before the second attempt. It doubles before each further one."""


class Append(msgspec.Struct, kw_only=True):
    """One append, to be decided and inserted whole or not at all."""

    batches: Sequence[tuple[str, Sequence[Event]]]
    key: str | None = None
    expected_version: int | None = None
    event_ids: Sequence[str] = ()
    """The events' ids. If none are given, `identify` makes them from the key, or new ones."""
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    imported: bool = False
    recorded_us: int | None = None
    """When the store it comes from recorded it, in microseconds since 1970, if that is trusted."""
    refusal: CaseStoreError | None = None
    """Why it is refused before it is tried."""
    count: int | None = None
    """For an imported line: how many events the append with its key had."""
    withheld: bool = False
    """Whether an export withheld its personal text. If so, a retry does not compare that text."""

    registered: int = 0
    """How many customers the store registered for it by itself, when it was decided last."""
    older_ids: Sequence[str] = ()
    """Other ids that an earlier version may have given its events: see `_numbered_through`."""

    @property
    def trusted(self) -> bool:
        """Whether it moves an event from another store, and the event is taken as it is there."""
        return self.recorded_us is not None

    @property
    def events(self) -> int:
        """How many events it has."""
        return sum(len(events) for _, events in self.batches)

    @property
    def looks_further(self) -> bool:
        """Whether the decision on it reads more than the commit compares again under the lock.

        This is so if it reads a customer's other cases or ids, a whole history, older event ids, or
        the last time of recording. Such an append is decided under the lock at once.
        """
        if self.refusal is not None or self.older_ids or self.recorded_us is not None:
            return True
        for _, events in self.batches:
            for event in events:
                if type(event) in _LOOK_FURTHER:
                    return True
        return False

    def said(self) -> list[tuple[str, str]]:
        """The texts that the caller gave about it, by their names."""
        return [(name, text) for name in _SAID if (text := getattr(self, name)) is not None]

    def identify(self, new_id: Callable[[], UUID]) -> None:
        """Check the append's form, and give every event its id before the first attempt.

        Raises InvalidEvent, InvalidStream, EventRefused.
        """
        self._check()
        if self.event_ids:
            return  # given, or made on an earlier attempt
        key = self.key
        if key is None:
            self.event_ids = [str(new_id()) for _ in range(self.events)]
            return
        counted: dict[str, int] = {}
        self.event_ids = []
        for stream, events in self.batches:
            first = counted.get(stream, 0)
            counted[stream] = first + len(events)
            self.event_ids += [event_id(stream, key, first + n) for n in range(len(events))]
        if len(counted) > 1:
            self.older_ids = self._numbered_through(key, list(counted))

    def _numbered_through(self, key: str, streams: Sequence[str]) -> list[str]:
        """The ids from an earlier version, which numbered the events through all streams."""
        count = self.events
        if len(streams) * count <= _MOST_OLDER_IDS:  # the ids for any order of the streams
            return [event_id(stream, key, n) for stream in streams for n in range(count)]
        names = [stream for stream, events in self.batches for _ in events]
        return [event_id(stream, key, n) for n, stream in enumerate(names)]

    def _check(self) -> None:
        self.batches = checked_batches(self.batches)
        for name in _SAID:
            if (text := getattr(self, name)) is not None:
                setattr(self, name, checked_text(name, text))
        if self.expected_version is not None:
            check_number("expected_version", self.expected_version)
        if self.count is not None:
            check_number("the number of events", self.count, least=1)
        if self.recorded_us is not None:
            check_number("the time of recording", self.recorded_us)
        if self.event_ids:
            check_event_ids(self.event_ids, self.events)


Outcome = bool | CaseStoreError
"""True: the append was new. False: it was on record already. An error: why it was refused."""
_MOST_OLDER_IDS = 1000
"""The most ids to look for if an earlier version may have numbered the events in another order of
the streams. Beyond it, only the order given is looked for."""


def event_id(stream: str, key: str, index: int) -> str:
    """The version 5 UUID (RFC 9562, section 5.5) of stream, key and index, as text.

    This is four times as fast as `uuid.uuid5`.
    """
    # No part can hold the separator, a control character, so two triples never make one name.
    hashed = _HASH.copy()
    hashed.update(f"{stream}\x1f{key}\x1f{index}".encode())
    text = hashed.hexdigest()
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"
