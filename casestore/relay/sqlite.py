"""The checkpoints of relays in a small SQLite file beside the store: `<db>.relays`."""

# ruff: noqa: D102  (the docstrings are those of Checkpoints)

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from casestore.errors import StoreUnavailable
from casestore.journal.sqlite_connect import Connected, close_before_forks, connect
from casestore.journal.url import SQLiteUrl
from casestore.relay.checkpoints import Checkpoints, tables
from casestore.system.files import share_like
from casestore.system.locking import try_lock


class SQLiteCheckpoints(Checkpoints):
    """Checkpoints in a file.

    A relay's lease is the lock on another file, as that ends with the process however it ends.

    Args:
        store: the store's file, whose mode and group the files get.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self.path = store.with_name(f"{store.name}.relays")
        self._kept: Connected | None = None
        close_before_forks(self)

    def run(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        if not self.path.exists():
            self.close()
            return []
        with self._answers():
            try:
                return self._connected().execute(sql, params).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):  # another process is making it
                    return []
                raise

    def _connected(self) -> Connected:
        if self._kept is not None and self._kept.is_cut_off():  # the file is another one now
            self.close()
        if self._kept is None:
            self._kept = connect(
                self.path, isolation_level=None, timeout=30, check_same_thread=False
            )
        return self._kept

    def make(self) -> None:
        os.close(self._shared(self.path))
        with self._answers():
            self._connected().execute("PRAGMA journal_mode = WAL")
            for statement in tables():
                self._connected().execute(statement)

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
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def close_idle(self) -> None:
        """Close the connection before a fork. It is opened again when it is needed."""
        self.close()


def made(where: SQLiteUrl) -> SQLiteCheckpoints:
    """The checkpoints of the store in a file."""
    return SQLiteCheckpoints(where.path)
