"""The journal in a SQLite file: WAL, synchronous=FULL, and BEGIN IMMEDIATE to write."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any, Self, cast
from urllib.parse import quote

from eventsourcing.persistence import (
    ApplicationRecorder,
    ConnectionPoolClosedError,
    IntegrityError,
    OperationalError,
)
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteFactory,
    SQLiteTransaction,
)
from eventsourcing.utils import Environment, EnvType

from casestore.errors import StoreExists, StoreNotFound
from casestore.journal.memory import Memory
from casestore.journal.recorder import (
    COLUMNS,
    UNSCRUBBED,
    Changes,
    JournalRecorder,
    KeyRow,
    Row,
    Survey,
    Writing,
    translated,
)
from casestore.journal.url import SQLiteUrl

LOCK_TIMEOUT = 30
"""Seconds to wait for another process's write lock."""
_SHORT = 200
"""Milliseconds to wait for readers before the WAL can be emptied; then writers have a turn."""
CACHE = 8_192
"""KiB of pages that a connection may keep. The upper levels of a large store's indexes are more
than SQLite's own 2,000, and without them one history of a million events takes a fifth longer."""
WRITERS_CACHE = 65_536
"""The same of the writer: ids are random, and so are the places of their indexes."""
_MANY = 100
"""Events in one commit that make it an import's."""
MANY_PAGES = 8_000
"""Pages that an import lets the WAL hold before it is copied into the file: what several commits
change is copied once."""
POLL = 0.02
"""Seconds between looks at PRAGMA data_version while waiting for changes."""

# A plain UNIQUE would let REPLACE INTO pass: it deletes the old row without a DELETE trigger.
# To a trigger before the insert, a position that is yet to be given is -1.
_CREATE = """
CREATE TABLE IF NOT EXISTS stored_events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    personal BLOB,
    customer_id TEXT,
    event_id TEXT NOT NULL UNIQUE,
    recorded_at INTEGER NOT NULL,
    metadata BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
);
CREATE INDEX IF NOT EXISTS stored_events_customer ON stored_events (customer_id);
CREATE INDEX IF NOT EXISTS stored_events_merges ON stored_events (topic)
    WHERE topic = 'CustomerMerged';
CREATE TRIGGER IF NOT EXISTS stored_events_no_update BEFORE UPDATE ON stored_events
BEGIN SELECT RAISE(ABORT, 'stored_events is append-only'); END;
CREATE TRIGGER IF NOT EXISTS stored_events_no_delete BEFORE DELETE ON stored_events
BEGIN SELECT RAISE(ABORT, 'stored_events is append-only'); END;
CREATE TRIGGER IF NOT EXISTS stored_events_no_replace BEFORE INSERT ON stored_events
WHEN (NEW.position <> -1 AND EXISTS (SELECT 1 FROM stored_events WHERE position = NEW.position))
  OR EXISTS (SELECT 1 FROM stored_events WHERE event_id = NEW.event_id)
  OR EXISTS (SELECT 1 FROM stored_events WHERE originator_id = NEW.originator_id
             AND originator_version = NEW.originator_version)
BEGIN SELECT RAISE(ABORT, 'stored_events is append-only: it holds such an event already'); END;
CREATE TABLE IF NOT EXISTS customer_keys (
    customer_id TEXT PRIMARY KEY,
    key_id BLOB NOT NULL UNIQUE,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS casestore_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS customer_keys_current BEFORE INSERT ON customer_keys
WHEN lower(hex(substr(NEW.wrapped, 1, 32)))
  <> (SELECT value FROM casestore_meta WHERE name = 'kek_id')
BEGIN SELECT RAISE(ABORT, 'the key-encryption key was rotated'); END;
"""
_INSERT = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state, personal, "
    "customer_id, event_id, recorded_at, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_HEAD = (
    "SELECT originator_version FROM stored_events WHERE originator_id = ? "
    "ORDER BY originator_version DESC LIMIT 1"
)
_KEY = "SELECT customer_id, key_id, wrapped FROM customer_keys WHERE customer_id = ?"


class _Transaction(SQLiteTransaction):
    """A write takes the lock at once: a deferred one that reads first fails with "locked"."""

    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error
        return cursor


class _Connection(SQLiteConnection):
    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        with _Transaction(self, commit=commit) as cursor, cursor:
            yield cursor

    def pragma(self, name: str) -> Any:
        return self._sqlite_conn.execute(f"PRAGMA {name}").fetchone()[0]


class _Pool(SQLiteConnectionPool):
    lasting = True

    def _create_connection(self) -> SQLiteConnection:
        made = self.connect()
        made.row_factory = sqlite3.Row  # what eventsourcing's own recorders count on
        return _Connection(sqlite_conn=made, max_age=self.max_age)

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
            # A data key that is deleted leaves no copy in free pages; see casestore.vault.
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


def holds_store(where: SQLiteUrl) -> bool:
    """Whether a file is a store's: looked at without changing it, as it may be anybody's."""
    try:
        name = f"file:{quote(str(where.path))}?mode=ro"
        with closing(sqlite3.connect(name, uri=True)) as looking:
            found = looking.execute("SELECT 1 FROM sqlite_master WHERE name = 'casestore_meta'")
            return found.fetchone() is not None
    except sqlite3.Error:
        return False


def make_place(where: SQLiteUrl) -> None:
    """Make the file that a new store is to be in. Raises StoreExists, StoreNotFound."""
    path = where.path
    if path.exists():
        what = "a store there" if holds_store(where) else "something else there"
        raise StoreExists(f"cannot create {path}: there is {what} already; use another place")
    if not path.parent.is_dir():
        raise StoreNotFound(f"cannot create {path}: the folder {path.parent} does not exist")
    path.touch()


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


class _Writing(Writing):
    """A write transaction. A plain class: nested generators would cost as much as the insert."""

    def __init__(self, datastore: Datastore, memory: Memory, *, hopeful: bool) -> None:
        self._datastore = datastore
        self._memory = memory
        self._hopeful = hopeful

    def __enter__(self) -> Self:
        self._connection, self._cursor = self._datastore.take_writer()
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._datastore.give_writer_back()
            raise translated(error) from error
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.rollback()  # what was not committed
            if error is not None:  # it may come from a commit that was made nevertheless
                self._memory.clear()
            if isinstance(error, sqlite3.Error):
                raise translated(error) from error
        finally:
            self._datastore.give_writer_back()

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        # Holding the lock, what this process saw still holds unless another one has committed.
        memory, one = self._memory, self._one
        memory.as_of(one("PRAGMA data_version")[0])
        last_us, heads, keys = memory.last_us, memory.heads, memory.keys
        if last_us is None:
            last = one("SELECT recorded_at FROM stored_events ORDER BY position DESC LIMIT 1")
            last_us = memory.last_us = last[0] if last else 0
        for each in streams:
            if each not in heads and (found := one(_HEAD, each)):
                heads[each] = found[0]
        for each in customers:
            if each not in keys and (found := one(_KEY, each)):
                keys[each] = KeyRow._make(found)
        return Survey(
            last_us,
            {each: heads[each] for each in streams if each in heads},
            # An id that is there already makes the insert fail, and then nobody hopes any more.
            {} if self._hopeful else {row[7]: Row._make(row) for row in self._by_id(event_ids)},
            {each: keys[each] for each in customers if each in keys},
        )

    def _by_id(self, event_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(event_ids), 500):
            some = event_ids[start : start + 500]
            marks = ", ".join("?" * len(some))
            yield from self._cursor.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE event_id IN ({marks})", some
            )

    def _one(self, sql: str, *params: Any) -> Any:
        return self._cursor.execute(sql, params).fetchone()

    def rows(self, stream: str, after_version: int) -> list[Row]:
        if self._hopeful and after_version == 0:
            raise IntegrityError("a whole stream is better read before anybody has to wait for it")
        found = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE originator_id = ? "
            "AND originator_version > ? ORDER BY originator_version",
            (stream, after_version),
        )
        return [Row._make(row) for row in found]

    def gestures_to(self, customers: Sequence[str]) -> list[Row]:
        marks = ", ".join("?" * len(customers))
        found = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE customer_id IN ({marks}) "
            "AND topic = 'GestureGiven'",
            customers,
        )
        return [Row._make(row) for row in found]

    def merges_of_customers(self) -> list[Row]:
        found = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE topic = 'CustomerMerged'"
        )
        return [Row._make(row) for row in found]

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        if keys:
            self._cursor.executemany("INSERT INTO customer_keys VALUES (?, ?, ?)", keys)
        last = 0
        if len(rows) > _MANY:
            self._datastore.expect_many()
        if len(rows) > 1:
            self._cursor.executemany(_INSERT, [row[1:] for row in rows[:-1]])
        if rows:
            last = self._cursor.execute(_INSERT, rows[-1][1:]).lastrowid or 0
        self._connection.commit()
        if rows:
            heads = {row.stream: row.version for row in rows}
            self._memory.learn(heads, {key.customer_id: key for key in keys})
            self._memory.last_us = rows[-1].recorded_us
        # One writer at a time and no gaps inside a transaction: the last position tells them all.
        return list(range(last - len(rows) + 1, last + 1))

    def delete_key(self, customer_id: str) -> None:
        self._memory.forget((), [customer_id])
        self._cursor.execute("DELETE FROM customer_keys WHERE customer_id = ?", (customer_id,))
        self._cursor.execute(
            "INSERT OR REPLACE INTO casestore_meta VALUES (?, ?)", (UNSCRUBBED, token_hex(8))
        )

    def rewrap(self, kek_id: str, keys: Sequence[KeyRow]) -> None:
        self._memory.clear()
        self._cursor.execute("UPDATE casestore_meta SET value = ? WHERE name = 'kek_id'", (kek_id,))
        self._cursor.executemany(
            "UPDATE customer_keys SET wrapped = ? WHERE key_id = ?",
            [(key.wrapped, key.key_id) for key in keys],
        )

    def scrubbed(self, deletions: str) -> None:
        self._cursor.execute(
            "DELETE FROM casestore_meta WHERE name = ? AND value = ?", (UNSCRUBBED, deletions)
        )


class _Changes(Changes):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._seen = connection.pragma("data_version")

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while (now := self._connection.pragma("data_version")) == self._seen:
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(POLL, timeout))
        self._seen = now
        return True


class SQLiteJournal(JournalRecorder):
    """The journal's recorder on a SQLite file."""

    def __init__(self, datastore: Datastore) -> None:
        self.datastore = datastore
        self._memory = Memory()

    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the tables, indexes and triggers, and say what a new store says of itself."""
        with self.datastore.transaction(commit=True) as cursor:
            for statement in _statements(_CREATE):
                cursor.execute(statement)
            insert = "INSERT INTO casestore_meta VALUES (?, ?)"
            cursor.executemany(insert, list((meta or {}).items()))

    def meta(self) -> dict[str, str] | None:
        """What the store says of itself; None where there is no store."""
        if not self.fetch("SELECT 1 FROM sqlite_master WHERE name = 'casestore_meta'"):
            return None  # being created just now, or never finished
        return dict(self.fetch("SELECT name, value FROM casestore_meta"))

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query on its own and give plain tuples."""
        with self.datastore.transaction(commit=False) as cursor:
            plain = cursor.sqlite_cursor
            plain.row_factory = None
            return plain.execute(sql, params).fetchall()

    def writing(self, *, hopeful: bool = False) -> AbstractContextManager[Writing]:
        """Take the write lock."""
        return _Writing(self.datastore, self._memory, hopeful=hopeful)

    def _scrub(self, patience: float) -> bool:
        """Empty the WAL: in the file itself, secure_delete has overwritten them."""
        deadline = time.monotonic() + patience
        with self.datastore.get_connection(commit=False) as connection:
            ours = cast(_Connection, connection)
            waits = ours.pragma("busy_timeout")
            ours.pragma(f"busy_timeout = {_SHORT}")  # who waits here keeps all writers waiting
            try:
                while ours.pragma("wal_checkpoint(TRUNCATE)") != 0:
                    if time.monotonic() > deadline:
                        return False
                    time.sleep(POLL)
            finally:
                ours.pragma(f"busy_timeout = {waits}")
        return True

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Watch for appends: data_version moves when another connection commits."""
        with self.datastore.get_connection(commit=False) as connection:
            yield _Changes(cast(_Connection, connection))


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class Factory(SQLiteFactory):
    """eventsourcing's factory, giving our recorder."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self.datastore = Datastore(Path(self.env.get(self.SQLITE_DBNAME) or ""))

    def application_recorder(self) -> ApplicationRecorder:
        """The recorder of the journal. It creates nothing: `CaseStore.create` does."""
        return SQLiteJournal(cast(Datastore, self.datastore))
