"""The store that a server reads, also if it is replaced, restored or removed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock

from casestore import CaseStore
from casestore.errors import HistoryChanged, StoreNotFound, StoreUnavailable
from casestore.journal.answering import database_answers
from casestore.journal.url import SQLiteUrl, parse_url
from projections.query.asking import asking
from projections.query.selection import Selection
from projections.serve.library import Head

_LOOK_AGAIN = 60.0
"""Seconds after which it is looked anew when the first case was opened."""


class Opened:
    """A store that is opened again when it is another one at the same place.

    Args:
        store: the store; it is closed with this.
    """

    def __init__(self, store: CaseStore) -> None:
        self._store, self._file = store, _file(store.url)
        self.url = store.url
        self._lock = Lock()
        self._begin: tuple[str, datetime, float] | None = None

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @contextmanager
    def reading(self) -> Iterator[CaseStore]:
        """The store. Raises StoreUnavailable, also where there is none any more."""
        try:
            yield self._current()
        except (StoreNotFound, HistoryChanged) as error:
            raise StoreUnavailable(f"there is no store any more: {error}") from error

    def _current(self) -> CaseStore:
        with self._lock:
            file = _file(self.url)
            with database_answers("the store"):
                meta = self._store._recorder.meta() if file == self._file else None
            if meta is None or meta.get("store_id") != self._store.meta["store_id"]:
                new = CaseStore.open(self.url)
                self._store.close()
                self._store, self._file = new, file
            return self._store

    def head(self, store: CaseStore) -> Head:
        """The newest that the store has. Raises StoreUnavailable."""
        recorder = store._recorder
        position = recorder.last_position()
        return Head(store.meta["store_id"], position, recorder.mark(position))

    def begin(self, store: CaseStore) -> datetime:
        """When the first case was opened, or what is on record began. Raises StoreUnavailable."""
        store_id, known = store.meta["store_id"], self._begin
        if known is None or known[0] != store_id or time.monotonic() > known[2]:
            with asking(store, Selection()) as ask:
                begin = ask.begin or datetime.now(UTC)
            known = store_id, begin, time.monotonic() + _LOOK_AGAIN
            self._begin = known
        return known[1]


def _file(url: str) -> tuple[int, int] | None:
    """What tells a store's file from another one at the same place; None on PostgreSQL.

    Raises StoreUnavailable if there is none.
    """
    where = parse_url(url)
    if not isinstance(where, SQLiteUrl):
        return None
    try:
        found = where.path.stat()
    except OSError:
        raise StoreUnavailable("the store's file is not there any more") from None
    return found.st_dev, found.st_ino
