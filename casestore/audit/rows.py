"""The rows of a store as sealing and verifying read them: all of them, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from casestore.audit.leaf import origin_of
from casestore.errors import StoreUnavailable
from casestore.store import CaseStore

_CHUNK = 500


BEFORE_ALL = -(1 << 63)
"""Before any position that a database can hold, also by hand."""


Progress = Callable[[int], None]


def log_id(store: CaseStore) -> str:
    """What names a store's log in every leaf, wherever the store is moved."""
    return store.meta["store_id"]


def origin(store: CaseStore) -> str:
    """What names a store's log in checkpoints, and its first key."""
    return origin_of(log_id(store))


def chunks(store: CaseStore, after: int, until: int, size: int = _CHUNK) -> Iterator[list[Any]]:
    """All rows after a position up to another, wherever somebody put them."""
    while rows := rows_after(store, after, until, size):
        yield rows
        after = rows[-1][0]


def rows_after(store: CaseStore, after: int, until: int, size: int) -> list[Any]:
    """Some rows after a position, up to another."""
    recorder = store.recorder
    try:
        return recorder.rows(after, size, stop=until)
    except StoreUnavailable as error:
        if "decode" not in str(error).lower():
            raise
        if size > 1:
            return rows_after(store, after, until, 1)
        # Text that is none: SQLite keeps it, and gives it to nobody.
        return [(recorder.first_position(after), *[None] * 9)]


def named(row: Sequence[Any]) -> str:
    """An event as findings name it."""
    if row[1] is None:
        return f"what stands at position {row[0]}, which cannot be read,"
    return f"{row[1]} version {row[2]} (position {row[0]}, event id {row[7]})"
