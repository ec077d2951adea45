"""Connections to a SQLite file: WAL, synchronous=FULL, a pool of ours, and one that appends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from eventsourcing.persistence import ConnectionPoolClosedError, OperationalError
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

LOCK_TIMEOUT = 30
"""Seconds to wait for another process's write lock."""
CACHE = 8_192
"""KiB of pages that a connection may keep. The upper levels of a large store's indexes are more
than SQLite's own 2,000, and without them one history of a million events takes a fifth longer."""
WRITERS_CACHE = 65_536
"""The same of the writer: ids are random, and so are the places of their indexes."""
MANY_PAGES = 8_000
"""Pages that an import lets the WAL hold before it is copied into the file: what several commits
change is copied once."""


class _Transaction(SQLiteTransaction):
    """A write takes the lock at once: a deferred one that reads first fails with "locked"."""

    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error
        return cursor


class Connection(SQLiteConnection):
    """eventsourcing's connection, with our transactions."""

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """A transaction; with `commit` it has the write lock from the beginning."""
        with _Transaction(self, commit=commit) as cursor, cursor:
            yield cursor

    def pragma(self, name: str) -> Any:
        """Ask or set a pragma, and give the first value of the answer."""
        return self._sqlite_conn.execute(f"PRAGMA {name}").fetchone()[0]


class _Pool(SQLiteConnectionPool):
    lasting = True

    def _create_connection(self) -> SQLiteConnection:
        made = self.connect()
        made.row_factory = sqlite3.Row  # what eventsourcing's own recorders count on
        return Connection(sqlite_conn=made, max_age=self.max_age)

    def connect(self) -> sqlite3.Connection:
        """A connection with our settings. Raises OperationalError, ConnectionPoolClosedError."""
        if self._closed:
            raise ConnectionPoolClosedError
        # Not the library's own: it keeps one prepared statement a connection, so that every
        # statement, triggers and all, would be compiled anew each time.
        try:
            made = sqlite3.connect(
                self.db_name,
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                timeout=self.lock_timeout or LOCK_TIMEOUT,
            )
        except sqlite3.Error as error:
            raise OperationalError(error) from error
        try:
            made.execute("PRAGMA journal_mode = WAL")
            made.execute(f"PRAGMA cache_size = -{CACHE}")
            made.execute(f"PRAGMA synchronous = {'FULL' if self.lasting else 'NORMAL'}")
            # A data key that is deleted leaves no copy in free pages; see casestore.keys.vault.
            made.execute(f"PRAGMA secure_delete = {'ON' if self.lasting else 'OFF'}")
        except sqlite3.Error as error:
            made.close()
            raise OperationalError(error) from error
        return made

    def close(self) -> None:
        """Close what is idle. What is lent is closed by its borrower: to close a connection while
        another thread runs a statement on it crashes the interpreter."""
        with self._put_condition:  # in one go: nobody borrows in between
            self._closed = True
            while self._pool:
                self._pool.popleft().close()

    def put_connection(self, conn: SQLiteConnection) -> None:
        """Take a connection back, or close it where the pool was closed meanwhile."""
        try:
            super().put_connection(conn)
        except ConnectionPoolClosedError:
            conn.close()


class Datastore(SQLiteDatastore):
    """eventsourcing's datastore on a file that must be there, unless `create`.

    Args:
        path: of the file.
        create: make it if it is not there.
        lasting: False where all that it holds can be made anew: then a loss of power may take the
            last commits with it, though the file stays whole, and what is deleted is not
            overwritten.
    """

    def __init__(self, path: Path, *, create: bool = False, lasting: bool = True) -> None:
        uri = f"file:{quote(str(path))}?mode={'rwc' if create else 'rw'}"
        super().__init__(uri, originator_id_type="text")
        self.pool.close()
        self.pool = self._own = _Pool(
            db_name=uri, lock_timeout=LOCK_TIMEOUT, pool_size=5, max_overflow=20, pool_timeout=30
        )
        self._own.lasting = lasting
        self._turn = Lock()
        self._writer: sqlite3.Connection | None = None
        self._many = False

    def take_writer(self) -> tuple[sqlite3.Connection, sqlite3.Cursor]:
        """The one connection that appends, for one thread at a time, and a cursor on it.

        It is kept, not lent by the pool: who waits there for a turn to write holds up everybody
        who wants a connection, and a connection that nobody else uses can tell by its
        data_version whether anybody else has written.
        """
        if not self._turn.acquire(timeout=LOCK_TIMEOUT):
            raise OperationalError("database is locked")
        try:
            if self._writer is None:
                self._writer = self._own.connect()
                self._writer.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
            return self._writer, self._writer.cursor()
        except BaseException:
            self._turn.release()
            raise

    def expect_many(self) -> None:
        """Let the writer get ready for an import."""
        if not self._many and self._writer is not None:
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {MANY_PAGES}")
            self._many = True

    def give_writer_back(self) -> None:
        """The thread's turn is over."""
        self._turn.release()
        if self.pool.closed:
            self._close_writer()

    def close(self) -> None:
        """Close what is idle; a thread that is writing closes its connection when it is done."""
        super().close()
        self._close_writer()

    def _close_writer(self) -> None:
        if self._turn.acquire(blocking=False):
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._turn.release()
