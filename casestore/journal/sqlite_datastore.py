"""Connections to a SQLite file: a pool of ours, and one connection that appends.

They use the write-ahead log (WAL) with synchronous=FULL: a commit outlives a loss of power.
"""

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
"""KiB of pages that a connection caches. SQLite's default of 2,000 is less than the upper levels of
a large store's indexes: with it, to read one history out of a million events takes a fifth longer.
"""
WRITERS_CACHE = 65_536
"""KiB of pages that the writer caches: more, as ids are random, and so are the index pages that an
append changes."""
MANY_PAGES = 8_000
"""Pages that the WAL may hold during an import before SQLite copies them into the file: a page that
several commits change is then copied once."""


class _Transaction(SQLiteTransaction):
    """A transaction that takes the write lock when it begins, if it is to write.

    One that reads first and takes the lock later fails with "database is locked" if another
    process has written in between.
    """

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
        connection = self.connect()
        connection.row_factory = sqlite3.Row  # eventsourcing's own recorders need it
        return Connection(sqlite_conn=connection, max_age=self.max_age)

    def connect(self) -> sqlite3.Connection:
        """A connection with our settings. Raises OperationalError, ConnectionPoolClosedError."""
        if self._closed:
            raise ConnectionPoolClosedError
        # eventsourcing would connect with a cache of one prepared statement. Then SQLite would
        # compile every statement, with its triggers, each time it is run.
        try:
            connection = sqlite3.connect(
                self.db_name,
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                timeout=self.lock_timeout or LOCK_TIMEOUT,
            )
        except sqlite3.Error as error:
            raise OperationalError(error) from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self.lasting else 'NORMAL'}")
            # So a data key that is deleted leaves no copy in free pages: see casestore.keys.vault.
            connection.execute(f"PRAGMA secure_delete = {'ON' if self.lasting else 'OFF'}")
        except sqlite3.Error as error:
            connection.close()
            raise OperationalError(error) from error
        return connection

    def close(self) -> None:
        """Close the idle connections. `put_connection` closes the others when they are given back,
        because the interpreter crashes if one is closed while another thread runs a statement."""
        with self._put_condition:  # so that no thread takes a connection in between
            self._closed = True
            while self._pool:
                self._pool.popleft().close()

    def put_connection(self, conn: SQLiteConnection) -> None:
        """Take a connection back, or close it if the pool was closed since it was lent."""
        try:
            super().put_connection(conn)
        except ConnectionPoolClosedError:
            conn.close()


class Datastore(SQLiteDatastore):
    """eventsourcing's datastore on a SQLite file.

    Args:
        path: of the file, which must exist unless `create`.
        create: make the file if it does not exist.
        lasting: False for data that can be made again, which is faster: a loss of power may undo
            the last commits (the file stays consistent), and deleted bytes are not overwritten.
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
        """The one connection that appends, for one thread at a time, and a new cursor on it.

        It is not one of the pool's, for two reasons. A thread that waits in the pool for its turn
        to write also blocks the threads that want to read. And because only appends use this
        connection, its PRAGMA data_version tells whether another connection has written.

        Raises eventsourcing's OperationalError where it waited longer than LOCK_TIMEOUT.
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
        """Tell the writer that an import has begun: the WAL may then grow to MANY_PAGES."""
        if not self._many and self._writer is not None:
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {MANY_PAGES}")
            self._many = True

    def give_writer_back(self) -> None:
        """End this thread's turn to write."""
        self._turn.release()
        if self.pool.closed:
            self._close_writer()

    def close(self) -> None:
        """Close the idle connections. The writer is closed when its thread gives it back."""
        super().close()
        self._close_writer()

    def _close_writer(self) -> None:
        if self._turn.acquire(blocking=False):
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._turn.release()
