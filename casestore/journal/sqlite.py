"""The journal in a SQLite file: its tables, and reading them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, cast

from eventsourcing.persistence import ApplicationRecorder, OperationalError
from eventsourcing.sqlite import SQLiteFactory
from eventsourcing.utils import Environment, EnvType

from casestore.errors import (
    CaseStoreError,
    StoreDamaged,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
)
from casestore.journal.listening import Changes
from casestore.journal.memory import Memory
from casestore.journal.recorder import JournalRecorder, Writing
from casestore.journal.rows import up_to_large
from casestore.journal.sqlite_connect import connect
from casestore.journal.sqlite_datastore import Connection, Datastore
from casestore.journal.sqlite_writing import SQLiteWriting
from casestore.journal.url import SQLiteUrl
from casestore.journal.usable import not_found
from casestore.system.line import Place

_SHORT = 200
"""Milliseconds to wait for readers when the WAL (write-ahead log) is emptied. Writers wait as long,
so it is short, and they get a turn before the next attempt."""
POLL = 0.02
"""Seconds between two queries of PRAGMA data_version while waiting for changes."""

_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
# no_replace: REPLACE INTO deletes the row that is in its way without firing the DELETE trigger, so
# UNIQUE alone does not keep the table append-only. In a BEFORE INSERT trigger, NEW.position is -1
# where the database has yet to give one.
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
CREATE INDEX IF NOT EXISTS stored_events_case_merges ON stored_events (topic)
    WHERE topic = 'CaseMerged';
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


def check_store(where: SQLiteUrl, shown: str) -> None:
    """Check that a file holds a store. It is opened read-only, as it may not be ours.

    Args:
        where: the file.
        shown: how a message names it where there is nothing.

    Raises:
        StoreNotFound: there is nothing; or something else, and then the message says so.
        StoreDamaged: it is empty, or no SQLite file.
        StoreUnavailable: it cannot be read.
    """
    path = where.path
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise not_found(shown) from None
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be reached: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise StoreNotFound(f"{path} is a folder; name the file of a store")
    if status.st_size == 0:
        raise StoreDamaged(
            f"{path} is empty: a store was begun there and never finished, or it was truncated; "
            "restore it from a backup, or remove it"
        )
    if not os.access(path, os.R_OK):
        raise StoreUnavailable(f"{path} cannot be read: permission denied; see who owns it")
    try:
        with closing(connect(path, "ro")) as connection:
            sql = "SELECT 1 FROM sqlite_master WHERE name = 'casestore_meta'"
            found = connection.execute(sql).fetchone()
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path} cannot be read: {error}") from None
    except sqlite3.Error as error:
        raise StoreDamaged(
            f"{path} is no SQLite file, or is damaged ({error}); restore it from a backup"
        ) from None
    if found is None:
        raise StoreNotFound(f"{path} is a SQLite file, but no store of casestore; name another one")


def holds_store(where: SQLiteUrl) -> bool:
    """Whether a file holds a store."""
    try:
        check_store(where, "")
    except CaseStoreError:
        return False
    return True


def make_place(where: SQLiteUrl, group: str | None = None) -> None:
    """Make the empty file for a new store: its owner's alone, or a group's too.

    Raises StoreExists, StoreNotFound, and StoreUnavailable where the file cannot be made so.
    """
    path = where.path
    if path.exists():
        present = "a store there" if holds_store(where) else "something else there"
        raise StoreExists(f"cannot create {path}: there is {present} already; use another place")
    if not path.parent.is_dir():
        raise StoreNotFound(f"cannot create {path}: the folder {path.parent} does not exist")
    try:
        path.touch(0o600)
        if group is not None:
            shutil.chown(path, group=group)
            path.chmod(0o660)
    except (OSError, LookupError) as error:
        path.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) else f"there is no group {group!r}"
        raise StoreUnavailable(f"cannot create {path}: {why}") from None


class _Changes(Changes):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._version = connection.pragma("data_version")

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while (version := self._connection.pragma("data_version")) == self._version:
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(POLL, timeout))
        self._version = version
        return True


class SQLiteJournal(JournalRecorder):
    """The journal's recorder on a SQLite file."""

    rows_alone = "stored_events NOT INDEXED"

    def __init__(self, datastore: Datastore) -> None:
        self.datastore = datastore
        self._memory = Memory()

    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the tables, indexes and triggers, and insert the metadata of a new store."""
        with self.datastore.transaction(commit=True) as cursor:
            for statement in _statements(_CREATE):
                cursor.execute(statement)
            insert = "INSERT INTO casestore_meta VALUES (?, ?)"
            cursor.executemany(insert, list((meta or {}).items()))

    def lacks(self) -> list[str]:
        """What a new store has beside its tables and this one has not, or has otherwise."""
        found = dict(self.fetch("SELECT name, sql FROM sqlite_master"))
        return [f"{kind} {name}" for kind, name, sql in _made() if found.get(name) != sql]

    def altered(self) -> list[tuple[str, str]]:
        """What of the tables is not as casestore makes it, and what was added to the file.

        SQLite keeps the statement that made a table, an index, a trigger or a view.
        """
        made = {(kind, name): sql for kind, name, sql in _made(tables=True)}
        sql = (
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        told = []
        for kind, name, text in self.fetch(f"{sql} ORDER BY rowid"):
            if (kind, name) not in made:
                told.append((f"{kind} {name}", "was added"))
            elif text != made[kind, name]:
                told.append((f"{kind} {name}", "is not as casestore makes it"))
        return told

    def upgrade(self) -> None:
        """Make what `lacks` tells, in one transaction. No row is touched."""
        with self.datastore.transaction(commit=True) as cursor:
            plain = cursor.sqlite_cursor
            plain.row_factory = None
            found = dict(plain.execute("SELECT name, sql FROM sqlite_master").fetchall())
            for kind, name, sql in _made():
                if found.get(name) != sql:
                    plain.execute(f"DROP {kind} IF EXISTS {name}")
                    plain.execute(sql)

    def meta(self) -> dict[str, str] | None:
        """The rows of casestore_meta; None where there is no store."""
        if not self.fetch("SELECT 1 FROM sqlite_master WHERE name = 'casestore_meta'"):
            return None  # another process is creating it now, or never finished
        return dict(self.fetch("SELECT name, value FROM casestore_meta"))

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query in a transaction of its own and give plain tuples."""
        with self.datastore.transaction(commit=False) as cursor:
            plain = cursor.sqlite_cursor
            plain.row_factory = None
            return plain.execute(sql, params).fetchall()

    def fetch_some(
        self,
        sql: str,
        params: Sequence[Any],
        order: str = "position",  # noqa: ARG002  (they come one by one, in the query's order)
    ) -> list[Any]:
        """As `fetch`, but no more rows than are needed to have LARGE bytes."""
        with self.datastore.transaction(commit=False) as cursor:
            plain = cursor.sqlite_cursor
            plain.row_factory = None
            return up_to_large(plain.execute(sql, params))

    def last_given_position(self) -> int:
        """The last position given to an event, even to one that is deleted."""
        answers = self._ask("SELECT seq FROM sqlite_sequence WHERE name = 'stored_events'")
        last = answers[0][0] or 0 if answers else 0
        if type(last) is not int:  # SQLite keeps whatever it is given
            raise StoreDamaged(
                "the counter of positions (sqlite_sequence) is no number: it was altered; restore "
                "the store from a backup, and keep this one for the inquiry"
            )
        return last

    def append_only_triggers(self) -> dict[str, bool]:
        """For each trigger that keeps the table append-only, whether it is there."""
        names = {name for (name,) in self.fetch(_TRIGGERS)}
        wanted = ("stored_events_no_update", "stored_events_no_delete", "stored_events_no_replace")
        return {trigger: trigger in names for trigger in wanted}

    def writing(
        self, *, optimistic: bool = False, place: Place[Any, Any] | None = None
    ) -> AbstractContextManager[Writing]:
        """Take the write lock. An optimistic write takes it too, and is spared some queries."""
        return SQLiteWriting(self.datastore, self._memory, optimistic=optimistic, place=place)

    def _scrub(self, patience: float) -> bool:
        """Empty the WAL. In the database file itself, secure_delete has overwritten the bytes."""
        deadline = time.monotonic() + patience
        with self.datastore.get_connection(commit=False) as connection:
            ours = cast(Connection, connection)
            timeout = ours.pragma("busy_timeout")
            ours.pragma(f"busy_timeout = {_SHORT}")
            try:
                while ours.pragma("wal_checkpoint(TRUNCATE)") != 0:
                    if time.monotonic() > deadline:
                        return False
                    time.sleep(POLL)
            except OperationalError:  # the disk is full
                return False
            finally:
                ours.pragma(f"busy_timeout = {timeout}")
        return True

    @contextmanager
    def _listen(self) -> Iterator[Changes]:
        """Watch for appends: PRAGMA data_version changes when another connection commits."""
        with self.datastore.get_connection(commit=False) as connection:
            yield _Changes(cast(Connection, connection))


def _made(*, tables: bool = False) -> list[tuple[str, str, str]]:
    """The indexes and triggers of a new store: kind, name, and the statement that makes it.

    With `tables`, its tables too.
    """
    which = "sql IS NOT NULL" if tables else "type <> 'table' AND sql IS NOT NULL"
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_CREATE)
        return fresh.execute(
            f"SELECT type, name, sql FROM sqlite_master WHERE {which} ORDER BY rowid"
        ).fetchall()


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class Factory(SQLiteFactory):
    """Makes our recorder where eventsourcing's factory would make its own."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self.datastore = Datastore(Path(self.env.get(self.SQLITE_DBNAME) or ""))

    def application_recorder(self) -> ApplicationRecorder:
        """The recorder of the journal. It creates no table: `CaseStore.create` does."""
        return SQLiteJournal(cast(Datastore, self.datastore))
