"""One append: the events, the key that makes it idempotent, and the receipt for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec

from casestore.errors import CaseStoreError, EventRefused
from casestore.events import Event
from casestore.streams import kinds

NAMESPACE = UUID("5f0c3b1e-54d1-5d0a-9d3c-0a4b7f6e2c11")
"""Ours, for event ids made from keys."""
_NAMESPACE_BYTES = NAMESPACE.bytes


class Receipt(msgspec.Struct, frozen=True):
    """What an append recorded, event by event."""

    versions: tuple[int, ...]
    positions: tuple[int, ...]
    uids: tuple[str, ...]

    @property
    def event_ids(self) -> tuple[UUID, ...]:
        """The events' ids."""
        return tuple(map(UUID, self.uids))

    @property
    def position(self) -> int:
        """The last position: what `follow(after=...)` takes."""
        return self.positions[-1]


class Retry(NamedTuple):
    """How to go on when the database does not answer, or a commit's acknowledgement is lost.

    Every append has its event ids before the first attempt, so a retry never appends twice.
    """

    attempts: int = 5
    wait: float = 0.1
    """Seconds before the second attempt; doubled each time."""


class Append(msgspec.Struct, kw_only=True):
    """One append, to be decided and inserted whole or not at all."""

    batches: Sequence[tuple[str, Sequence[Event]]]
    key: str | None = None
    expected_version: int | None = None
    event_ids: Sequence[str] = ()
    """As given; made from the key, or new, where there are none."""
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    imported: bool = False
    recorded_us: int | None = None
    """The time of recording in the store that this comes from, where that is trusted."""
    refusal: CaseStoreError | None = None
    """Why it cannot even be tried."""
    count: int | None = None
    """Of an imported line: how many events the append with its key had."""
    withheld: bool = False
    """Whether its personal text was withheld on export: it is not compared on a retry."""

    def identify(self, new_id: Callable[[], UUID]) -> None:
        """Give every event its id before anything is tried. Raises CaseStoreError."""
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise EventRefused("a key must have 1 to 200 characters and no control characters")
        if self.event_ids:
            return  # given, or made on an earlier attempt
        names = [stream for stream, events in self.batches for _ in events]
        if not names:
            raise EventRefused("there is no event to append; give at least one")
        for stream, _ in self.batches:
            kinds.parse(stream)
        if (key := self.key) is None:
            self.event_ids = [str(new_id()) for _ in names]
        else:
            self.event_ids = [event_id(stream, key, n) for n, stream in enumerate(names)]


Outcome = bool | CaseStoreError
"""Whether an append was new (or there already), or why it was refused."""
_KEY = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


def event_id(stream: str, key: str, index: int) -> str:
    """The uuid5 of stream, key and index (RFC 9562), by hand: three times as fast."""
    # No part can hold a control character, so no two triples make the same name.
    name = f"{stream}\x1f{key}\x1f{index}".encode()
    text = sha1(_NAMESPACE_BYTES + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"
