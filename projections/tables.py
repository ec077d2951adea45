"""The tables of the projections, in a place apart from the events: a rebuild blocks no appender.

On SQLite that is the file `<db>.projections`, on PostgreSQL the schema `<schema>_projections`.
`tracking` says for each table which projection it holds, in which version, up to which position,
and whether it is the live one; `parked` names the streams whose rows could not be made. Everything
here can be made anew from the events.
"""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from hashlib import sha256
from math import inf
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, NamedTuple, cast

from casestore import CaseStore
from casestore.journal.recorder import translated
from casestore.journal.sqlite_datastore import LOCK_TIMEOUT, Datastore
from casestore.journal.url import SQLiteUrl, parse_url
from projections.projection import Projection, shape

TRACKING = """
CREATE TABLE IF NOT EXISTS {tracking} (
    table_name TEXT PRIMARY KEY,
    projection TEXT NOT NULL,
    version BIGINT NOT NULL,
    store_id TEXT NOT NULL,
    live BIGINT NOT NULL,
    position BIGINT NOT NULL,
    mark TEXT NOT NULL
)"""
PARKED = """
CREATE TABLE IF NOT EXISTS {parked} (
    table_name TEXT NOT NULL,
    stream TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (table_name, stream)
)"""


class Cursor(ABC):
    """Reads and writes in one transaction. `?` stands for a parameter."""

    @abstractmethod
    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query and give plain tuples."""

    @abstractmethod
    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement."""

    @abstractmethod
    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, each with all the columns of a table."""


class Tables(ABC):
    """The tables of one store's projections."""

    text = "TEXT"
    """The type of text that is ordered by its bytes."""

    def at(self, name: str) -> str:
        """A table's name as statements write it."""
        return f'"{name}"'

    @abstractmethod
    def writing(self) -> AbstractContextManager[Cursor]:
        """Write in one transaction."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Cursor]:
        """Read as of one moment, whatever is written meanwhile."""

    @abstractmethod
    def building(self) -> AbstractContextManager[None]:
        """One build at a time: wait until no other process builds."""

    def lock(self, cursor: Cursor) -> None:  # noqa: B027  (to write is to lock, on SQLite)
        """From here to the end of its transaction nobody else moves a table.

        To be taken before anything is read or written: what is read then still holds at the end.
        """

    def close(self) -> None:  # noqa: B027  (what belongs to the store is not ours to close)
        """Give the connections back."""

    def prepare(self, cursor: Cursor) -> None:
        """Create what keeps track, unless it is there."""
        names = {"tracking": self.at("tracking"), "parked": self.at("parked")}
        for statement in (TRACKING, PARKED):
            cursor.run(statement.format(**names).replace(" TEXT", f" {self.text}"))

    def create(self, cursor: Cursor, table: str, projection: Projection) -> None:
        """Create a projection's table, still without indexes: it is filled faster so."""
        form = shape(projection.row)
        columns = [f'"{name}" {kind}' for name, kind in zip(form.columns, form.types, strict=True)]
        listed = ", ".join(["stream TEXT NOT NULL", *columns]).replace("TEXT", self.text)
        cursor.run(f"CREATE TABLE {self.at(table)} ({listed})")

    def index(self, cursor: Cursor, table: str, projection: Projection) -> None:
        """Create a table's indexes and measure it, for whoever plans queries."""
        for n, column in enumerate(("stream", *projection.indexes)):
            cursor.run(f'CREATE INDEX "{table}_{n}" ON {self.at(table)} ("{column}")')
        cursor.run(f"ANALYZE {self.at(table)}")

    def drop(self, cursor: Cursor, table: str) -> None:
        """Drop a table."""
        cursor.run(f"DROP TABLE IF EXISTS {self.at(table)}")


# --- SQLite ----------------------------------------------------------------------------------


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


class _SQLiteTables(Tables):
    """Tables in a file beside the store's."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
            lock = sqlite3.connect(f"{self._path}-build", isolation_level=None, timeout=0)
            with closing(lock):
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


class _ScratchTables(Tables):
    """Tables for one report, gone with it. They spill to a temporary file where they grow."""

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


# --- PostgreSQL ------------------------------------------------------------------------------


class _PostgresCursor(Cursor):
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        found: list[Any] = self._cursor.execute(sql.replace("?", "%s"), params).fetchall()
        return found

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql.replace("?", "%s"), params)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            with self._cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


_AT_ONCE = BoundedSemaphore(8)
"""Who holds one of the store's twenty connections for the tables needs another to read events: were
all of them held by threads that wait for another, none would go on."""


class _PostgresTables(Tables):
    """Tables in a schema beside the store's, through the store's own connections."""

    text = 'TEXT COLLATE "C"'

    def __init__(self, datastore: Any, conninfo: str) -> None:
        self._datastore = datastore
        self._conninfo = conninfo
        self.schema = _schema_beside(datastore.schema)
        with self.reading() as cursor:
            ((found,),) = cursor.all("SELECT to_regclass(?)", [self.at("parked")])
        if found is None:
            with self.writing() as cursor:
                cursor.all("SELECT pg_advisory_xact_lock(4711)")  # IF NOT EXISTS can race
                cursor.run(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
                self.prepare(cursor)

    def at(self, name: str) -> str:
        return f'"{self.schema}"."{name}"'

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Cursor]:
        from psycopg.rows import tuple_row  # noqa: PLC0415  (only where there is PostgreSQL)

        with (
            _AT_ONCE,
            self._datastore.get_connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            cursor.execute(begin)
            yield _PostgresCursor(cursor)

    def writing(self) -> AbstractContextManager[Cursor]:
        return self._transaction("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def reading(self) -> AbstractContextManager[Cursor]:
        return self._transaction("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def lock(self, cursor: Cursor) -> None:
        cursor.run(f"LOCK TABLE {self.at('tracking')} IN SHARE ROW EXCLUSIVE MODE")

    def drop(self, cursor: Cursor, table: str) -> None:
        cursor.run("SET LOCAL lock_timeout = '1s'")  # a report may read it for long still
        super().drop(cursor, table)

    @contextmanager
    def building(self) -> Iterator[None]:
        import psycopg  # noqa: PLC0415  (only where there is PostgreSQL)

        key = f"hashtextextended('casestore build {self.schema}', 4711)"
        try:  # a connection of its own: who waits for another's build keeps none from others
            with psycopg.connect(self._conninfo, autocommit=True) as lock:
                lock.execute("SET lock_timeout = 0")  # a build may take its time
                lock.execute(f"SELECT pg_advisory_lock({key})")
                yield
        except psycopg.Error as error:
            raise translated(error) from error


def _schema_beside(schema: str) -> str:
    """The schema for the tables of the store in a schema. A name may have 63 letters."""
    if len(schema) <= 63 - len("_projections"):
        return f"{schema}_projections"
    return f"{schema[:42]}_{sha256(schema.encode()).hexdigest()[:8]}_projections"


def beside(store: CaseStore) -> Tables:
    """The tables of a store's projections, made if they are not there."""
    where = parse_url(store.url)
    if isinstance(where, SQLiteUrl):
        return _SQLiteTables(where.path.with_name(f"{where.path.name}.projections"))
    return _PostgresTables(cast(Any, store.recorder).datastore, where.conninfo)


def scratch() -> Tables:
    """Tables for one report, gone when they are closed."""
    return _ScratchTables()


# --- keeping track ---------------------------------------------------------------------------


class Tracked(NamedTuple):
    """What `tracking` says of a table."""

    table: str
    projection: str
    version: int
    store_id: str
    live: bool
    position: int
    """Of the last event that is in its rows."""
    mark: str
    """What tells that event from any other, so that another history at the same positions is
    noticed, as where an older copy of a store was put back."""
