"""Connections to a SQLite file: a pool of ours, and one connection that appends.

They use the write-ahead log (WAL) with synchronous=FULL: a commit outlives a loss of power.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock, get_ident
from typing import Any, Literal, Protocol, cast
from weakref import ReferenceType, ref

from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    ConnectionUnavailableError,
    OperationalError,
)
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from casestore.errors import HistoryChanged, StoreUnavailable
from casestore.journal.answering import LockTimeout, closed, translated
from casestore.journal.sqlite_connect import Connected, close_before_forks, connect, identity
from casestore.system.line import Line, Place
from casestore.system.processes import check_process
from casestore.system.slots import Slot, Slots

LOCK_TIMEOUT = 30
"""Seconds to wait for the write lock, behind threads of this process and behind others together."""
_LENT = 25
"""Connections that may be lent at once: more threads that read wait for one another."""
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

    slot: Slot | None = None
    """That of the thread that it is lent to."""

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """A transaction; with `commit` it has the write lock from the beginning."""
        with _Transaction(self, commit=commit) as cursor, cursor:
            yield cursor

    def end_transaction(self) -> None:
        """Roll back what an exception at a bad moment may have left open."""
        if self._sqlite_conn.in_transaction:
            self._sqlite_conn.rollback()

    def is_cut_off(self) -> bool:
        """See `Connected`."""
        return cast(Connected, self._sqlite_conn).is_cut_off()

    def pragma(self, name: str) -> Any:
        """Ask or set a pragma, and give the first value of the answer.

        Raises PersistenceError.
        """
        try:
            return self._sqlite_conn.execute(f"PRAGMA {name}").fetchone()[0]
        except sqlite3.Error as error:
            raise translated(error) from error


class _Pool(SQLiteConnectionPool):
    """eventsourcing's pool, without its locks.

    It would connect while it has one of them. A fork has to wait until nobody connects, and needs
    the same lock, to close the idle connections. And a signal handler that raises an exception
    could leave one of them taken.
    """

    def __init__(self, path: Path, *, create: bool, lasting: bool) -> None:
        super().__init__(db_name=str(path), pool_size=5, max_overflow=20, pool_timeout=30)
        self._path = path
        self._mode: Literal["rwc", "rw"] = "rwc" if create else "rw"
        self._lasting = lasting
        self._slots = Slots(_LENT)

    def get_connection(
        self, timeout: float | None = None, *, is_writer: bool | None = None
    ) -> SQLiteConnection:
        """Lend a connection.

        Args:
            timeout: seconds to wait while too many are lent.
            is_writer: eventsourcing's; SQLite itself has one write at a time.

        Raises OperationalError, ConnectionPoolClosedError, and StoreUnavailable after a fork.
        """
        del is_writer
        slot = self._slots.take(self.pool_timeout if timeout is None else timeout)
        if slot is None:
            raise ConnectionUnavailableError(f"{_LENT} threads are reading already")
        try:
            connection = self._pool.pop()
        except IndexError:
            connection = self._create_connection()
        cast(Connection, connection).slot = slot
        return connection

    def _create_connection(self) -> SQLiteConnection:
        connection = self.connect()
        connection.row_factory = sqlite3.Row  # eventsourcing's own recorders need it
        return Connection(sqlite_conn=connection, max_age=self.max_age)

    def connect(self) -> Connected:
        """A connection with our settings.

        Raises OperationalError, ConnectionPoolClosedError, and StoreUnavailable after a fork.
        """
        if self._closed:
            raise ConnectionPoolClosedError
        # eventsourcing would connect with a cache of one prepared statement. Then SQLite would
        # compile every statement, with its triggers, each time it is run.
        try:
            connection = connect(
                self._path,
                self._mode,
                check_same_thread=False,
                isolation_level=None,
                timeout=LOCK_TIMEOUT,
            )
        except sqlite3.Error as error:
            raise OperationalError(error) from error
        try:
            _use_wal(connection)
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._lasting else 'NORMAL'}")
            # So a data key that is deleted leaves no copy in free pages: see casestore.keys.vault.
            connection.execute(f"PRAGMA secure_delete = {'ON' if self._lasting else 'OFF'}")
        except sqlite3.Error as error:
            connection.close()
            raise OperationalError(error) from error
        return connection

    def close_idle(self) -> None:
        """Close the connections that no thread is using."""
        with suppress(IndexError):
            while True:
                self._pool.pop().close()

    def close(self) -> None:
        """Close the idle connections. `put_connection` closes the others when they are given back,
        because the interpreter crashes if one is closed while another thread runs a statement."""
        self._closed = True
        self.close_idle()

    def put_connection(self, conn: SQLiteConnection) -> None:
        """Take a connection back, or close it if the pool was closed since, or has enough."""
        ours = cast(Connection, conn)
        ours.end_transaction()
        if len(self._pool) >= self.pool_size:
            conn.close()
        else:
            self._pool.append(conn)
        if self._closed:  # perhaps just now
            self.close_idle()
        ours.slot = None


def _use_wal(connection: Connected) -> None:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise  # else it is a backup, which is no WAL file, and may only be read


def _lock_timeout() -> LockTimeout:
    return LockTimeout(f"{LOCK_TIMEOUT:g} seconds")


def not_written(error: sqlite3.Error, writer: Connected) -> Exception:
    """What is raised where SQLite refuses a write."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_READONLY:
        return StoreUnavailable(
            f"{writer.path} can only be read: this user may not write it, or into its folder"
        )
    return _lock_timeout() if code == sqlite3.SQLITE_BUSY else translated(error)


class Turn(Protocol):
    """What the turn to write is taken for."""

    left: bool
    """Whether it has ended."""


class Datastore(SQLiteDatastore):
    """eventsourcing's datastore on a SQLite file.

    Args:
        path: of the file, which must exist unless `create`.
        create: make the file if it does not exist.
        lasting: False for data that can be made again, which is faster: a loss of power may undo
            the last commits (the file stays consistent), and deleted bytes are not overwritten.
    """

    def __init__(self, path: Path, *, create: bool = False, lasting: bool = True) -> None:
        self._pid = os.getpid()
        super().__init__(str(path), originator_id_type="text")
        self.pool.close()
        self.path = path
        self.pool = self._own = _Pool(path, create=create, lasting=lasting)
        self._file: tuple[int, int] | None = None
        self._is_replaced = False
        """Device and inode."""
        self._turn = RLock()
        """Of the thread that writes. Reentrant, so that a thread that was interrupted by a signal
        handler can give back what it may or may not have taken."""
        self.line: Line[Any, Any] = Line()
        """Of the threads that wait for the turn with something that another may write for them."""
        self._owner: tuple[int, int, ReferenceType[Turn]] | None = None
        """The thread that took the turn last, and what for: its id, and a reference to it."""
        self._waiting: dict[int, tuple[int, ReferenceType[Turn]]] = {}
        """What the threads wait for the turn for, or have just got it for: as `_owner`, by the id
        of the thread."""
        self._writer: Connected | None = None
        self.writers = 0
        """The number of connections that were opened to write, one after the other."""
        self._many = False
        close_before_forks(self)

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        """Lend a connection.

        Raises OperationalError, HistoryChanged where the file was deleted or replaced, and
        StoreUnavailable in another process.
        """
        self._check_usable()
        self._check_file()
        with super().get_connection(commit=commit) as connection:
            if cast(Connection, connection).is_cut_off():
                raise self._replaced()
            yield connection

    def take_writer(
        self, owner: Turn, place: Place[Any, Any] | None = None
    ) -> tuple[Connected, sqlite3.Cursor]:
        """The one connection that writes, for one thread at a time, with the write lock.

        It is not one of the pool's, for two reasons. A thread that waits in the pool for its turn
        to write also blocks the threads that want to read. And because only appends use this
        connection, its PRAGMA data_version tells whether another connection has written.

        Args:
            owner: what the turn is for. If it is gone without `give_writer_back`, because a signal
                handler raised an exception at a bad moment, its thread may take the turn again.
            place: what another thread may write, while this one waits in the line.

        Raises:
            Answered: another thread wrote it.
            LockTimeout: it waited longer than LOCK_TIMEOUT.
            OperationalError: the file cannot be opened; or this thread has the turn already, or
                waits for it.
            HistoryChanged: the file was deleted or replaced.
            StoreUnavailable: it can only be read; or this is another process.
        """
        self._check_usable()
        begun = time.monotonic()
        if self._has_turn():
            raise OperationalError("this thread is writing already; a signal handler must not")
        me = get_ident()
        try:
            self._waiting[me] = id(owner), ref(owner)
            self._wait_for_turn(place)
            self._owner = (me, id(owner), ref(owner))
            del self._waiting[me]
            self._check_file()
            writer = self._connected_writer()
            if writer.in_transaction:  # that of an owner that is gone
                writer.rollback()
            self._begin(writer, begun)
            return writer, writer.cursor()
        except BaseException:
            if place is not None:
                self.line.leave(place)
            self._end_turn()
            raise

    def _check_usable(self) -> None:
        check_process(self._pid)
        if self.pool.closed:
            raise closed()

    def _wait_for_turn(self, place: Place[Any, Any] | None) -> None:
        if place is not None:
            has = self.line.wait(place, self._turn, LOCK_TIMEOUT)
        else:
            has = self._turn.acquire(timeout=LOCK_TIMEOUT)
        if not has:
            raise _lock_timeout()

    def _check_file(self) -> None:
        """Check that the file is the one that was opened. Raises HistoryChanged.

        What is appended to a file that was deleted or replaced is lost when it is closed.
        """
        found = identity(self.path)
        if self._file is None:
            self._file = found
        elif found != self._file or self._is_replaced:
            raise self._replaced()

    def _replaced(self) -> HistoryChanged:
        # SQLite may give disk errors from now on, even to new connections of this process.
        self._is_replaced = True
        return HistoryChanged(
            f"{self.path} was deleted or replaced while it was open: look what happened to it, "
            "close the store, and open it again"
        )

    def _connected_writer(self) -> Connected:
        if self._writer is None:
            self._writer = self._own.connect()
            self._writer.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
            self.writers += 1
        if self._writer.is_cut_off():
            raise self._replaced()
        return self._writer

    @staticmethod
    def _begin(writer: Connected, begun: float) -> None:
        waited = time.monotonic() - begun > 1  # then what is left of LOCK_TIMEOUT is shorter
        try:
            if waited:
                left = max(0, begun + LOCK_TIMEOUT - time.monotonic())
                writer.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise not_written(error, writer) from error
        finally:
            if waited:
                writer.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000}")

    def _has_turn(self) -> bool:
        """Whether this thread has the turn, or waits for it, for something that has not ended."""
        taken = self._taken()
        owner = None if taken is None else taken[1]()
        return owner is not None and not owner.left

    def _taken(self) -> tuple[int, ReferenceType[Turn]] | None:
        """What this thread waits for the turn for, or took it for; that may have ended."""
        me, last = get_ident(), self._owner  # which another thread may replace meanwhile
        if (waits := self._waiting.get(me)) is not None:
            return waits
        return last[1:] if last is not None and last[0] == me else None

    def give_writer_back(self, owner: Turn) -> None:
        """End the turn that this thread took for `owner`, or was about to, and its transaction.

        It does nothing where that has ended. It may be called again, where a signal handler may
        have interrupted it.
        """
        taken = self._taken()
        if taken is not None and taken[0] == id(owner):
            self._end_turn()

    def _end_turn(self) -> None:
        if not self._turn.acquire(blocking=False):
            self._waiting.pop(get_ident(), None)
            return  # another thread has it
        try:
            if self._writer is not None and self._writer.in_transaction:
                self._end_transaction(self._writer)
        finally:
            with suppress(RuntimeError):  # "cannot release un-acquired lock": it is free
                while True:
                    self._turn.release()
            self._waiting.pop(get_ident(), None)
            self.line.ring()
        if self.pool.closed:
            self._close_writer()

    def _end_transaction(self, writer: Connected) -> None:
        try:
            writer.rollback()
        except sqlite3.Error:  # the disk fails; to close the connection ends it too
            self._writer = None
            writer.close()

    def expect_many(self) -> None:
        """Tell the writer that an import has begun: the WAL may then grow to MANY_PAGES."""
        if not self._many and self._writer is not None:
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {MANY_PAGES}")
            self._many = True

    def close(self) -> None:
        """Close the idle connections. The writer is closed when its thread gives it back."""
        if self._pid == os.getpid():  # in a forked child they are the parent's
            super().close()
            self._close_writer()

    def close_idle(self) -> None:
        """Close the idle connections. They are opened again when they are needed."""
        if self._pid == os.getpid():
            self._own.close_idle()
            self._close_writer()

    def _close_writer(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                if self._writer is not None and not self._has_turn():
                    self._writer.close()
                    self._writer = None
                    self._many = False
            finally:
                self._turn.release()
