"""The rows of the tables of events and of keys. Both databases give them in the same form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eventsourcing.persistence import Notification

from casestore.errors import StoreDamaged
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


LARGE = 8 * 1024 * 1024
"""Bytes of events after which no more are read at a time, however many were asked for."""


def size_of(row: Sequence[Any]) -> int:
    """The bytes of a row that may be many: of its state and its personal part."""
    return sum(len(part) for part in row[4:6] if isinstance(part, bytes | str))


def is_full(rows: Sequence[Sequence[Any]], limit: int) -> bool:
    """Whether more rows may come after some that were read at a time."""
    return len(rows) >= limit or sum(map(size_of, rows)) >= LARGE


def up_to_large(rows: Iterable[Any]) -> list[Any]:
    """Rows, to the first with which they are LARGE; with a SQLite cursor, no other is read."""
    some: list[Any] = []
    size = 0
    for row in rows:
        some.append(row)
        try:  # what size_of gives, which would take a fifth of the time of reading
            size += len(row[4]) if row[5] is None else len(row[4]) + len(row[5])
        except (TypeError, IndexError):  # SQLite keeps whatever it is given; a key has no state
            size += size_of(row)
        if size >= LARGE:
            break
    return some


def only_up_to_large(sql: str, columns: str, order: str = "position") -> str:
    """A query of rows, for PostgreSQL: it gives them to the first with which they are LARGE.

    The sizes are known without reading what is large.

    Args:
        sql: the query. It has a LIMIT.
        columns: those that it asks for, of COLUMNS.
        order: those by which it orders its rows.
    """
    plain = columns.replace("::text", "")
    size = "octet_length(state) + coalesce(octet_length(personal), 0)"
    return (
        f"SELECT {plain} FROM (SELECT asked.*, sum({size}) OVER (ORDER BY {order} ROWS BETWEEN "
        f"UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM ({sql}) AS asked) AS sized "
        f"WHERE before IS NULL OR before < {LARGE} ORDER BY {order}"
    )


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


def key_row(row: Sequence[Any]) -> KeyRow:
    """A row of the table of keys. SQLite keeps whatever it is given: raises StoreDamaged."""
    found = KeyRow._make(row)
    if tuple(map(type, found)) != (str, bytes, bytes):
        raise StoreDamaged(
            "a row of the table of keys is not as casestore writes it; restore the store from a "
            "backup"
        )
    return found


OF_IMPORTS = "\x1fimport secret"
"""In the table of keys, what stands in the place of a customer's id for the store's import secret:
see `casestore.intake.import_secret`. No customer's id has a control character."""
