"""Reading all that a store holds in one snapshot, and writing it into a new place.

To restore a backup and to copy a store is the same work: the rows, the wrapped data keys and the
metadata are written, byte for byte, into new tables that the recorder makes. RESTORED is added.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    IntegrityError,
    PersistenceError,
)

from casestore.audit.rows import BEFORE_ALL
from casestore.errors import StoreDamaged, StoreExists, StoreUnavailable
from casestore.journal.answering import brief, translated
from casestore.journal.place import backend, shown_as
from casestore.journal.recorder import RESTORED, UNSCRUBBED
from casestore.journal.rows import COLUMNS, only_up_to_large, up_to_large
from casestore.journal.sqlite import SQLiteJournal
from casestore.journal.sqlite_connect import connect
from casestore.journal.sqlite_datastore import MANY_PAGES, WRITERS_CACHE, Datastore
from casestore.journal.url import PostgresUrl, SQLiteUrl
from casestore.journal.usable import known_meta
from casestore.system.files import part_of

CHUNK = 1000
"""Rows to read or write at a time, so that memory is constant."""
Take = Callable[[Sequence[Any]], None]
"""Called with each chunk of rows before it is written."""


class Contents(NamedTuple):
    """All that a store holds. The iterators can be read once: first the keys, then the rows."""

    meta: dict[str, str]
    """The rows of casestore_meta, by name."""
    keys: Iterator[Sequence[Any]]
    """The data keys, as KeyRow."""
    rows: Iterator[Sequence[Any]]
    """The events, as Row. Those of a dump are in any order."""


class Snapshot(ABC):
    """The tables of a store, on one connection and in one transaction."""

    columns = COLUMNS

    def __init__(self, connection: Any, shown: str) -> None:
        self.connection = connection
        self.shown = shown
        """The place as a message may name it."""

    @abstractmethod
    def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]: ...

    def _some(self, sql: str) -> str:
        """A query of rows that gives not all of them, where they are large."""
        return sql

    @abstractmethod
    def _insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query and give plain tuples. `?` stands for a parameter.

        Raises StoreUnavailable, StoreDamaged.
        """
        with database_errors(self.shown):
            return self._fetch(sql, params)

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, whose values are in the order of `columns`.

        Raises StoreUnavailable, StoreDamaged.
        """
        with database_errors(self.shown):
            self._insert(table, columns, rows)

    def at(self, table: str) -> str:
        """A table's name as it is written in a statement, with its schema if it has one."""
        return table

    def contents(self) -> Contents:
        """All that the store holds."""
        meta = dict(self.fetch(f"SELECT name, value FROM {self.at('casestore_meta')}"))
        return Contents(meta, self._keys(), self.rows())

    def rows(self) -> Iterator[Sequence[Any]]:
        """All events in the order of their positions, as Row."""
        sql = f"SELECT {self.columns} FROM {self.at('stored_events')}"
        sql = self._some(f"{sql} WHERE position > ? ORDER BY position LIMIT ?")
        return self._after(sql, BEFORE_ALL)

    def _keys(self) -> Iterator[Sequence[Any]]:
        sql = f"SELECT customer_id, key_id, wrapped FROM {self.at('customer_keys')}"
        return self._after(f"{sql} WHERE customer_id > ? ORDER BY customer_id LIMIT ?", "")

    def _after(self, sql: str, after: Any) -> Iterator[Sequence[Any]]:
        while rows := self.fetch(sql, [after, CHUNK]):
            yield from rows
            after = rows[-1][0]

    def fill(self, contents: Contents, take: Take) -> None:
        """Write all that another place holds; `take` is called with each chunk of rows before it is
        written."""
        # The keys are written before the metadata, which names the key-encryption key. During a
        # rotation some data keys are still wrapped by the old one, and the table refuses these once
        # the new one is named.
        for keys in chunked(contents.keys):
            self.insert("customer_keys", "customer_id, key_id, wrapped", keys)
        events = 0
        for rows in chunked(contents.rows):
            take(rows)
            events += len(rows)
            self.insert("stored_events", COLUMNS, rows)
        # The new place never had the bytes of deleted keys, so it has none to scrub.
        meta = {name: value for name, value in contents.meta.items() if name != UNSCRUBBED}
        if events:
            meta[RESTORED] = str(events)
        self.insert("casestore_meta", "name, value", list(meta.items()))


def chunked(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """The rows in lists of CHUNK rows, or fewer where they are large."""
    iterator = iter(rows)
    while chunk := up_to_large(islice(iterator, CHUNK)):
        yield chunk


class _SQLite(Snapshot):
    def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        return up_to_large(self.connection.execute(sql, params))

    def _insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" * (columns.count(",") + 1))
        self.connection.execute("BEGIN")
        self.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        self.connection.execute("COMMIT")


class _Postgres(Snapshot):
    columns = COLUMNS.replace("event_id", "event_id::text")

    def __init__(self, connection: Any, where: PostgresUrl) -> None:
        super().__init__(connection, f"the schema {where.schema!r}")
        self._schema = where.schema

    def at(self, table: str) -> str:
        return f'"{self._schema}".{table}'

    def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        cursor = self.connection.execute(sql.replace("?", "%s"), params, binary=True)
        rows: list[Any] = cursor.fetchall()
        return rows

    def _some(self, sql: str) -> str:
        return only_up_to_large(sql, self.columns)

    def _insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        # COPY keeps our positions, as INSERT does only with OVERRIDING SYSTEM VALUE.
        statement = f"COPY {self.at(table)} ({columns}) FROM STDIN"
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


# --- reading a place -----------------------------------------------------------------------


@contextmanager
def reading(where: SQLiteUrl | PostgresUrl) -> Iterator[Snapshot]:
    """The tables of a store as they are at one moment, whatever is written meanwhile.

    Raises StoreNotFound, StoreUnavailable, StoreDamaged.
    """
    shown = shown_as(None, where)
    backend(where).check_store(where, shown)
    if isinstance(where, SQLiteUrl):
        with database_errors(shown), closing(read_only(where.path)) as connection:
            yield _known(_SQLite(connection, shown))
        return
    with database_errors(shown), connected(where) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        backend(where).settle(connection)
        backend(where).flush(where)  # after the snapshot was taken, and before anything is read
        yield _known(_Postgres(connection, where))


def _known(place: Snapshot) -> Snapshot:
    """The same, if this version of casestore knows its tables. Raises StoreUnavailable."""
    known_meta(place.contents().meta or None, place.shown)
    return place


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that sees a SQLite file as it is at one moment, and cannot change it."""
    connection = connect(path, isolation_level=None, timeout=30)
    try:
        # Not opened with mode=ro: such a connection would leave its -wal and -shm files behind.
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # the snapshot begins here
    except BaseException:
        connection.close()
        raise
    return connection


def connected(where: PostgresUrl) -> Any:
    """A new connection. Its first statement begins a transaction, which ends when it is closed."""
    # No statement is prepared: a transaction pooler would give its name to another session.
    return backend(where).psycopg.connect(where.direct, prepare_threshold=None)


_UNREADABLE = (DatabaseError, DataError, IntegrityError)
"""The errors of values that are read or written, and that are not as casestore writes them."""


@contextmanager
def database_errors(name: str) -> Iterator[None]:
    """Turn a database's errors into StoreDamaged or StoreUnavailable while the context lasts.

    Args:
        name: of what is read or written, for the message.

    Raises:
        StoreDamaged: a value, or the file, is not as casestore writes it.
        StoreUnavailable: any other error of a database.
    """
    try:
        yield
    except Exception as error:
        known = error if isinstance(error, PersistenceError) else translated(error)
        if type(known) is PersistenceError:
            raise  # not an error of a database
        if type(known) in _UNREADABLE or "decode" in str(known):
            raise StoreDamaged(f"{name}: {brief(error)}") from error
        raise StoreUnavailable(f"{name}: {brief(error)}") from error


# --- making a place ------------------------------------------------------------------------


@contextmanager
def new_place(where: SQLiteUrl | PostgresUrl) -> Iterator[Snapshot]:
    """Give the empty tables of a new store. If the context raises, nothing is left of them.

    Raises StoreExists, StoreNotFound, StoreUnavailable, StoreDamaged.
    """
    shown = shown_as(None, where)
    new = _new_file(where) if isinstance(where, SQLiteUrl) else _new_schema(where)
    with database_errors(shown), new as place:
        yield place


@contextmanager
def _new_file(where: SQLiteUrl) -> Iterator[Snapshot]:
    for path in (where.path, *companions(where.path)):
        if path.exists():
            present = (
                "something" if path == where.path else f"{path.name}, left of an earlier store,"
            )
            raise StoreExists(
                f"cannot write {where.path}: {present} is there already; use another "
                "place, or move it away"
            )
    with part_of(where.path, 0o600) as part, without_companions(part):
        datastore = Datastore(part)
        SQLiteJournal(datastore).create_table()
        datastore.close()
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # part_of syncs the complete file
            connection.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {MANY_PAGES}")
            yield _SQLite(connection, shown_as(None, where))


@contextmanager
def without_companions(path: Path) -> Iterator[None]:
    """Remove the files that SQLite keeps beside a file in use, when the context ends."""
    try:
        yield
    finally:
        for file in companions(path):
            file.unlink(missing_ok=True)


def companions(path: Path) -> list[Path]:
    """The files that SQLite keeps beside a file in use.

    None may be left where a new file is made: SQLite would read them as parts of it.
    """
    return [path.with_name(f"{path.name}-{suffix}") for suffix in ("wal", "shm", "journal")]


@contextmanager
def _new_schema(where: PostgresUrl) -> Iterator[Snapshot]:
    postgres = backend(where)
    with connected(where) as connection:  # one transaction: the schema is there only at its end
        postgres.settle(connection)
        taken = "SELECT to_regnamespace(%s) IS NOT NULL"
        if connection.execute(taken, [where.schema]).fetchone()[0]:
            present = "a store" if postgres.holds_store(where) else "something else"
            raise StoreExists(
                f"cannot make the schema {where.schema!r}: there is {present} already; use another"
            )
        connection.execute(postgres.creation(where.schema))
        place = _Postgres(connection, where)
        yield place
        # The sequence goes on after the last position.
        last = f"max(position)) FROM {place.at('stored_events')} HAVING count(*) > 0"
        sequence = "pg_get_serial_sequence(%s, 'position')"
        connection.execute(f"SELECT setval({sequence}, {last}", [place.at("stored_events")])
