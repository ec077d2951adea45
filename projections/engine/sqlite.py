"""The tables of the projections in a SQLite file beside the store, or for one report alone."""

# ruff: noqa: D102  (the docstrings are those of Tables and Cursor)

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

    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        with closing(self._cursor.connection.cursor()) as cursor:
            cursor.row_factory = None
            yield from cursor.execute(sql, params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql, params)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


class _Tables(Tables):
    def has(self, cursor: Cursor, name: str) -> bool:
        return bool(cursor.all("SELECT 1 FROM sqlite_master WHERE name = ?", [name]))


class SQLiteTables(_Tables):
    """Tables in a file, which is beside the store's file or where the reader wants it.

    Args:
        path: the file.
        model: the store's file. The new file gets its mode and group, so that the same users may
            use both.
    """

    def __init__(self, path: Path, model: Path | None = None) -> None:
        self._path = path
        self._model = model
        if not path.exists():
            self._make()
        self._datastore = Datastore(path, lasting=False)

    def _make(self) -> None:
        """Make the file under another name, and rename it when it is ready.

        If several processes made it at its place, some of them would find it locked.
        """
        new = self._path.with_name(f"{self._path.name}-new")
        with self.building():
            if self._path.exists():
                return
            for each in (f"{new}", f"{new}-wal", f"{self._path}-wal", f"{self._path}-shm"):
                Path(each).unlink(missing_ok=True)  # left by a deleted file, or a broken-off try
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
            # SQLite's own waiting looks less and less often. A process that writes batch after
            # batch would then keep all others out.
            cursor.execute("PRAGMA busy_timeout = 0")
            try:
                _take(cursor, "BEGIN IMMEDIATE", every=0.002, patience=LOCK_TIMEOUT)
                yield _SQLiteCursor(cursor)
                connection.commit()
            finally:
                connection.rollback()  # drops what was not committed
                cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000}")

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        with self._datastore.transaction(commit=False) as cursor:
            yield _SQLiteCursor(cursor.sqlite_cursor)

    @contextmanager
    def building(self) -> Iterator[None]:
        # The lock is the write lock of another small database: on every system it ends with the
        # process that holds it.
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
    """Begin a transaction as soon as its lock is free.

    Args:
        cursor: of the connection.
        begin: the statement that begins it.
        every: seconds between two tries.
        patience: seconds after which the last error is raised.
    """
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


class ScratchTables(_Tables):
    """Tables for one report, in memory. SQLite moves them to a temporary file if they grow.

    Args:
        path: a file to keep them in instead.
        filled: whether the file has them already, and is only read.
    """

    shared = False

    def __init__(self, path: Path | None = None, *, filled: bool = False) -> None:
        if path is None:
            where = ""
        else:
            # What is lost with the power can be made anew, so nothing waits for the disk.
            where = f"{path.absolute().as_uri()}?mode={'ro&immutable=1' if filled else 'rwc'}"
        self._connection = sqlite3.connect(where, isolation_level=None, uri=path is not None)
        if not filled:
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute("PRAGMA journal_mode = MEMORY")
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
