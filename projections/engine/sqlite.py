"""The tables of the projections in a SQLite file beside the store, or for one report alone."""

# ruff: noqa: D102  (what each does, Tables and Cursor say)

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path
from typing import Any

from casestore.journal.answering import translated
from casestore.journal.sqlite_datastore import LOCK_TIMEOUT, Datastore
from casestore.system.files import share_like
from projections.engine.tables import Cursor, Tables


class _SQLiteCursor(Cursor):
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        cursor.row_factory = None

    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        return self._cursor.execute(sql, params).fetchall()

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql, params)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


class SQLiteTables(Tables):
    """Tables in a file, which is beside the store's or in a place of the reader's.

    Args:
        path: of the file.
        model: the store's file, whose mode and group it gets, so that whoever may use the one may
            use the other.
    """

    def __init__(self, path: Path, model: Path | None = None) -> None:
        self._path = path
        self._model = model
        if not path.exists():
            self._make()
        self._datastore = Datastore(path, lasting=False)

    def _make(self) -> None:
        """Put a file there that is ready: of several processes that make one ready where all see
        it, some would find it locked."""
        new = self._path.with_name(f"{self._path.name}-new")
        with self.building():
            if self._path.exists():
                return
            for each in (f"{new}", f"{new}-wal", f"{self._path}-wal", f"{self._path}-shm"):
                Path(each).unlink(missing_ok=True)  # of one that somebody deleted, or broke off
            with closing(sqlite3.connect(new, isolation_level=None)) as made:
                made.execute("PRAGMA journal_mode = WAL")
                self.prepare(_SQLiteCursor(made.cursor()))
            if self._model is not None:
                share_like(new, self._model)
            new.rename(self._path)

    @contextmanager
    def writing(self) -> Iterator[Cursor]:
        with _translating(), self._datastore.get_connection(commit=True) as connection:
            cursor = connection.cursor().sqlite_cursor
            # SQLite itself looks ever more seldom, and who writes batch after batch would shut
            # everybody else out.
            cursor.execute("PRAGMA busy_timeout = 0")
            try:
                _take(cursor, "BEGIN IMMEDIATE", every=0.002, patience=LOCK_TIMEOUT)
                yield _SQLiteCursor(cursor)
                connection.commit()
            finally:
                connection.rollback()  # what was not committed
                cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000}")

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        with self._datastore.transaction(commit=False) as cursor:
            yield _SQLiteCursor(cursor.sqlite_cursor)

    @contextmanager
    def building(self) -> Iterator[None]:
        # A lock that goes with its process, on any system: that of another small database.
        with _translating():
            file = self._path.with_name(f"{self._path.name}-build")
            with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as lock:
                if self._model is not None:
                    share_like(file, self._model)
                _take(lock.cursor(), "BEGIN EXCLUSIVE", every=0.05, patience=inf)
                yield

    def close(self) -> None:
        self._datastore.close()


def _take(cursor: sqlite3.Cursor, begin: str, *, every: float, patience: float) -> None:
    """Begin a transaction as soon as its lock is free, looking every so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute(begin)
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(every)
        else:
            return


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from error


class ScratchTables(Tables):
    """Tables for one report, gone with it. They spill to a temporary file where they grow."""

    shared = False

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self.prepare(_SQLiteCursor(self._connection.cursor()))

    @contextmanager
    def writing(self) -> Iterator[Cursor]:
        self._connection.execute("BEGIN")
        yield _SQLiteCursor(self._connection.cursor())
        self._connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        yield _SQLiteCursor(self._connection.cursor())

    @contextmanager
    def building(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        self._connection.close()
