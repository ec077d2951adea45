"""Reading the rows of a store to seal or verify them: all rows, also those with odd positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from casestore.audit.leaf import origin_of
from casestore.store import CaseStore

_CHUNK = 500

BEFORE_ALL = -(1 << 63)
"""Less than every position. The store gives positions from 1 on, but a row that somebody inserted
by hand may have a negative one."""

_FURTHEST = 1 << 62
"""Further than any store gets. After a row at the end of the range no append can come."""

Progress = Callable[[int], None]
"""Called with the number of events done so far."""


def log_id(store: CaseStore) -> str:
    """The id of a store's log, which is in every leaf. It stays the same if the store is moved."""
    return store.meta["store_id"]


def origin(store: CaseStore) -> str:
    """The name of a store's log in checkpoints, and of its first signing key."""
    return origin_of(log_id(store))


def chunks(store: CaseStore, after: int, until: int, size: int = _CHUNK) -> Iterator[list[Any]]:
    """All rows after a position, up to and with another, at most `size` at a time."""
    while rows := rows_after(store, after, until, size):
        yield rows
        after = rows[-1][0]


def rows_after(store: CaseStore, after: int, until: int, size: int) -> list[Any]:
    """At most `size` rows after a position, up to and with another.

    A row whose text SQLite cannot decode is given as its position and None for each other column,
    so that the other rows can still be read.
    """
    return store._recorder.rows_or_gaps(after, size, stop=until)


def odd_positions(store: CaseStore) -> list[tuple[int, str]]:
    """The first and the last position, where no store gives such a one; each with what it is."""
    first, last = store._recorder.first_position(), store._recorder.last_position()
    found = []
    if first is not None and first < 1:
        found.append((first, "before the first"))
    if last > _FURTHEST:
        found.append((last, "beyond any"))
    return [
        (at, f"stands {where} that a store gives: it was added by hand ({at})")
        for at, where in found
    ]


def event_name(row: Sequence[Any]) -> str:
    """The event of a row (as Row), as a message names it."""
    if row[1] is None:
        return f"what stands at position {row[0]}, which cannot be read,"
    return f"{row[1]} version {row[2]} (position {row[0]}, event id {row[7]})"
