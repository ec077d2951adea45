"""What a store holds, read in one snapshot of wherever it stands, and written into a new place.

Moving a store, and putting a backup back, are the same: its rows, its wrapped keys and what it says
of itself are written, byte for byte, into tables that the recorder makes, past its own triggers.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    IntegrityError,
    PersistenceError,
)

from casestore.audit.rows import BEFORE_ALL
from casestore.errors import StoreDamaged, StoreExists, StoreUnavailable
from casestore.journal.answering import brief
from casestore.journal.place import backend, known_meta, not_found, shown_as
from casestore.journal.recorder import UNSCRUBBED, translated
from casestore.journal.rows import COLUMNS
from casestore.journal.sqlite import SQLiteJournal
from casestore.journal.sqlite_datastore import MANY_PAGES, WRITERS_CACHE, Datastore
from casestore.journal.url import PostgresUrl, SQLiteUrl
from casestore.system.files import part_of

CHUNK = 1000
"""Rows at a time: memory is flat, whatever the size of the store."""
Take = Callable[[Sequence[Any]], None]


class Contents(NamedTuple):
    """What a store holds, to be read once and in this order."""

    meta: dict[str, str]
    keys: Iterator[Sequence[Any]]
    """As KeyRow."""
    rows: Iterator[Sequence[Any]]
    """As Row, in any order."""


class Snapshot(ABC):
    """The tables of a store, on one connection and in one transaction."""

    columns = COLUMNS

    def __init__(self, connection: Any, shown: str) -> None:
        self.connection = connection
        self.shown = shown
        """The place as it may be named in a message."""

    @abstractmethod
    def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]: ...

    @abstractmethod
    def _insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query and give plain tuples. `?` stands for a parameter."""
        with saying(self.shown):
            return self._fetch(sql, params)

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows."""
        with saying(self.shown):
            self._insert(table, columns, rows)

    def at(self, table: str) -> str:
        """A table's name as statements write it."""
        return table

    def contents(self) -> Contents:
        """What the store in here holds."""
        meta = dict(self.fetch(f"SELECT name, value FROM {self.at('casestore_meta')}"))
        return Contents(meta, self._keys(), self.rows())

    def rows(self) -> Iterator[Sequence[Any]]:
        """All events in order of position."""
        sql = f"SELECT {self.columns} FROM {self.at('stored_events')}"
        return self._after(f"{sql} WHERE position > ? ORDER BY position LIMIT ?", BEFORE_ALL)

    def _keys(self) -> Iterator[Sequence[Any]]:
        sql = f"SELECT customer_id, key_id, wrapped FROM {self.at('customer_keys')}"
        return self._after(f"{sql} WHERE customer_id > ? ORDER BY customer_id LIMIT ?", "")

    def _after(self, sql: str, after: Any) -> Iterator[Sequence[Any]]:
        while found := self.fetch(sql, [after, CHUNK]):
            yield from found
            after = found[-1][0]

    def fill(self, contents: Contents, take: Take) -> None:
        """Write what another place holds; `take` is given each chunk of rows before."""
        # Keys before the name of the key-encryption key: in the middle of a rotation some are
        # wrapped by the one before it, and once that name is there, these are refused.
        for keys in chunked(contents.keys):
            self.insert("customer_keys", "customer_id, key_id, wrapped", keys)
        for rows in chunked(contents.rows):
            take(rows)
            self.insert("stored_events", COLUMNS, rows)
        # The bytes of deleted keys never were in these files.
        meta = [each for each in contents.meta.items() if each[0] != UNSCRUBBED]
        self.insert("casestore_meta", "name, value", meta)


def chunked(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """The same, so many at a time."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


class _SQLite(Snapshot):
    def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        found: list[Any] = self.connection.execute(sql, params).fetchall()
        return found

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
        asked = self.connection.execute(sql.replace("?", "%s"), params, binary=True)
        found: list[Any] = asked.fetchall()
        return found

    def _insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        # COPY keeps the positions that it is given, as OVERRIDING SYSTEM VALUE does.
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
    if not backend(where).holds_store(where):
        raise not_found(shown)
    if isinstance(where, SQLiteUrl):
        with saying(shown), closing(read_only(where.path)) as connection:
            yield _known(_SQLite(connection, shown))
        return
    with saying(shown), connected(where) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield _known(_Postgres(connection, where))


def _known(place: Snapshot) -> Snapshot:
    known_meta(place.contents().meta or None, place.shown)
    return place


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that sees one moment of a SQLite file, and changes nothing."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None, timeout=30
    )
    try:
        # One that is opened to be read only would leave files beside it behind.
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # the moment is now
    except BaseException:
        connection.close()
        raise
    return connection


def connected(where: PostgresUrl) -> Any:
    """A connection of its own, in a transaction that ends with it."""
    return backend(where).psycopg.connect(where.conninfo)


_UNREADABLE = (DatabaseError, DataError, IntegrityError)
"""What is read, or is to be written, is not as casestore writes it."""


@contextmanager
def saying(what: str) -> Iterator[None]:
    """What a database cannot do in here is StoreUnavailable; what it cannot read, StoreDamaged."""
    try:
        yield
    except Exception as error:
        known = error if isinstance(error, PersistenceError) else translated(error)
        if type(known) is PersistenceError:
            raise  # not a database's
        if type(known) in _UNREADABLE or "decode" in str(known):
            raise StoreDamaged(f"{what}: {brief(error)}") from error
        raise StoreUnavailable(f"{what}: {brief(error)}") from error


# --- making a place ------------------------------------------------------------------------


@contextmanager
def new_place(where: SQLiteUrl | PostgresUrl) -> Iterator[Snapshot]:
    """An empty store where nothing is yet: there when the context ends, whole, or not at all.

    Raises StoreExists, StoreNotFound, StoreUnavailable.
    """
    shown = shown_as(None, where)
    making = _new_file(where) if isinstance(where, SQLiteUrl) else _new_schema(where)
    with saying(shown), making as place:
        yield place


@contextmanager
def _new_file(where: SQLiteUrl) -> Iterator[Snapshot]:
    for each in (where.path, *companions(where.path)):
        if each.exists():
            what = "" if each == where.path else f"{each.name}, left of an earlier store, "
            raise StoreExists(
                f"cannot write {where.path}: {what or 'something '}is there already; use another "
                "place, or move it away"
            )
    with part_of(where.path) as part, without_companions(part):
        datastore = Datastore(part)
        SQLiteJournal(datastore).create_table()
        datastore.close()
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # it is synced before it is used
            connection.execute(f"PRAGMA cache_size = -{WRITERS_CACHE}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {MANY_PAGES}")
            yield _SQLite(connection, shown_as(None, where))


@contextmanager
def without_companions(path: Path) -> Iterator[None]:
    """Leave none of the files that SQLite keeps beside one in use."""
    try:
        yield
    finally:
        for file in companions(path):
            file.unlink(missing_ok=True)


def companions(path: Path) -> list[Path]:
    """The files that SQLite keeps beside a file in use. It would take old ones for a new file's."""
    return [path.with_name(f"{path.name}-{each}") for each in ("wal", "shm", "journal")]


@contextmanager
def _new_schema(where: PostgresUrl) -> Iterator[Snapshot]:
    pg = backend(where)
    with connected(where) as connection:  # all of it is one transaction
        taken = "SELECT to_regnamespace(%s) IS NOT NULL"
        if connection.execute(taken, [where.schema]).fetchone()[0]:
            what = "a store" if pg.holds_store(where) else "something else"
            raise StoreExists(
                f"cannot make the schema {where.schema!r}: there is {what} already; use another"
            )
        connection.execute(pg.creation(where.schema))
        place = _Postgres(connection, where)
        yield place
        last = f"max(position)) FROM {place.at('stored_events')} HAVING count(*) > 0"
        sequence = "pg_get_serial_sequence(%s, 'position')"
        connection.execute(f"SELECT setval({sequence}, {last}", [place.at("stored_events")])
