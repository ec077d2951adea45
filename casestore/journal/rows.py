"""The rows of the table of events and of the table of keys, as every database gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from eventsourcing.persistence import Notification

COLUMNS = (
    "position, originator_id, originator_version, topic, state, personal, customer_id, "
    "event_id, recorded_at, metadata"
)
"""In the order of Row. Each backend gives event_id as text."""

PlainRow = tuple[int, str, int, str, bytes, bytes | None, str | None, str, int, bytes]
"""The values of a Row without their names: reading a store is fast because it makes none."""


class Row(NamedTuple):
    """A row of stored_events."""

    position: int
    """0 where the store has not given it yet."""
    stream: str
    version: int
    topic: str
    state: bytes
    personal: bytes | None
    customer_id: str | None
    event_id: str
    recorded_us: int
    metadata: bytes


@dataclass(frozen=True)
class StoredRow(Notification):
    """A Row as eventsourcing's own readers see it: `id` is the position."""

    personal: bytes | None
    customer_id: str | None
    event_id: str
    recorded_us: int
    metadata: bytes

    @classmethod
    def of(cls, row: PlainRow) -> StoredRow:
        """The same row."""
        position, stream, version, topic, state, personal, customer, uid, recorded, metadata = row
        return cls(
            id=position,
            originator_id=stream,
            originator_version=version,
            topic=topic,
            state=state,
            personal=personal,
            customer_id=customer,
            event_id=uid,
            recorded_us=recorded,
            metadata=metadata,
        )


class KeyRow(NamedTuple):
    """A customer's data key, wrapped by the key-encryption key."""

    customer_id: str
    key_id: bytes
    wrapped: bytes
