"""The rows of the tables of events and of keys. Both databases give them in the same form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from eventsourcing.persistence import Notification

from casestore.streams.history import Cursor

COLUMNS = (
    "position, originator_id, originator_version, topic, state, personal, customer_id, "
    "event_id, recorded_at, metadata"
)
"""The columns of stored_events in the order of Row. A backend gives event_id as text."""

PlainRow = tuple[int, str, int, str, bytes, bytes | None, str | None, str, int, bytes]
"""A Row as a plain tuple: reading a store is faster when it makes no Row."""


def cursor_of(row: PlainRow) -> Cursor:
    """The cursor of the event in a row."""
    return Cursor(row[0], row[7], row[8])


class Row(NamedTuple):
    """A row of stored_events: an event as it is stored."""

    position: int
    """0 until the store has given one."""
    stream: str
    version: int
    topic: str
    state: bytes
    personal: bytes | None
    customer_id: str | None
    event_id: str
    recorded_us: int
    """Microseconds since 1970-01-01T00:00:00Z."""
    metadata: bytes

    def __repr__(self) -> str:
        """Without words: in a store that is not sealed, the personal part holds them."""
        return f"Row({self.position}, {self.stream!r}, {self.version}, {self.topic!r}, …)"


@dataclass(frozen=True, repr=False)
class StoredRow(Notification):
    """A Row as eventsourcing's own readers see it: `id` is the position."""

    personal: bytes | None
    customer_id: str | None
    event_id: str
    recorded_us: int
    metadata: bytes

    def __repr__(self) -> str:
        """As of Row."""
        return f"StoredRow({self.id}, {self.originator_id!r}, {self.originator_version}, …)"

    @classmethod
    def of(cls, row: PlainRow) -> StoredRow:
        """The StoredRow of a plain row."""
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
    """32 bytes: see casestore.keys.vault."""
    wrapped: bytes
    """The id of the key-encryption key (32 bytes), a nonce (12), and the data key encrypted."""
