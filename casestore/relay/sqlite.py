"""The checkpoints of relays in a small SQLite file beside the store: `<db>.relays`."""

# ruff: noqa: D102  (the docstrings are those of Checkpoints)

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from casestore.errors import StoreUnavailable
from casestore.journal.sqlite_connect import connect
from casestore.journal.url import SQLiteUrl
from casestore.relay.checkpoints import Checkpoints, tables
from casestore.system.files import share_like
from casestore.system.locking import try_lock


class SQLiteCheckpoints(Checkpoints):
    """Checkpoints in a file.

    It is opened for each statement, so that nothing is open at a fork. A relay's lease is the lock
    on another file, as that ends with the process however it ends.

    Args:
        store: the store's file, whose mode and group the files get.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self.path = store.with_name(f"{store.name}.relays")

    def run(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        if not self.path.exists():
            return []
        with self._answers(), closing(connect(self.path, isolation_level=None, timeout=30)) as db:
            return db.execute(sql, params).fetchall()

    def make(self) -> None:
        os.close(self._shared(self.path))
        with self._answers(), closing(connect(self.path, isolation_level=None, timeout=30)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            for statement in tables():
                db.execute(statement)

    def _shared(self, path: Path) -> int:
        """Open a file that whoever may use the store may use too, and make it if it is not there.

        Gives its descriptor.
        """
        try:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
                share_like(path, self._store)
            return os.open(path, os.O_RDWR)
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be written: {error.strerror}") from None

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: the database does not answer: {error}") from error

    @contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        descriptor = self._shared(self.path.with_name(f"{self.path.name}.{name}.lock"))
        try:
            yield try_lock(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        pass


def made(where: SQLiteUrl) -> SQLiteCheckpoints:
    """The checkpoints of the store in a file."""
    return SQLiteCheckpoints(where.path)
