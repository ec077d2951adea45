"""The tables of the projections, in a place apart from the events: a rebuild blocks no appender.

On SQLite that is the file `<db>.projections`, on PostgreSQL the schema `<schema>_projections`.
`tracking` says for each table which projection it holds, in which version, up to which position,
and whether it is the live one; `parked` names the streams whose rows could not be made. Everything
here can be made anew from the events.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from eventsourcing.persistence import PersistenceError

from casestore.errors import StoreUnavailable
from casestore.journal.answering import brief
from projections.engine.maker import CHUNK, Made
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
    shared = True
    """Whether other processes can open them too."""

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

    # --- keeping track ---------------------------------------------------------------------

    def tracked(self, cursor: Cursor) -> list[Tracked]:
        """What is kept track of, in the order of the tables' names."""
        columns = ", ".join("table_name" if name == "table" else name for name in Tracked._fields)
        found = cursor.all(f"SELECT {columns} FROM {self.at('tracking')} ORDER BY table_name")
        return [Tracked._make(row)._replace(live=bool(row[4])) for row in found]

    def move(self, cursor: Cursor, table: Tracked, end: int, mark: str) -> None:
        """Move a table's position on."""
        cursor.run(
            f"UPDATE {self.at('tracking')} SET position = ?, mark = ? WHERE table_name = ?",
            [end, mark, table.table],
        )

    def replace(self, cursor: Cursor, table: Tracked, made: Made) -> None:
        """Put rows in the place of those that a table holds of their streams."""
        for start in range(0, len(made.streams), CHUNK):
            some = made.streams[start : start + CHUNK]
            marks = ", ".join("?" * len(some))
            cursor.run(f"DELETE FROM {self.at(table.table)} WHERE stream IN ({marks})", some)
            cursor.run(
                f"DELETE FROM {self.at('parked')} WHERE table_name = ? AND stream IN ({marks})",
                [table.table, *some],
            )
        self.insert(cursor, table, made)

    def insert(self, cursor: Cursor, table: Tracked, made: Made) -> None:
        """Insert rows, and the streams whose rows could not be made."""
        cursor.insert(self.at(table.table), made.rows[table.projection])
        parked = made.parked[table.projection]
        cursor.insert(self.at("parked"), [(table.table, *stream) for stream in parked])


@contextmanager
def unavailable() -> Iterator[None]:
    """What the tables' database cannot do in here is StoreUnavailable."""
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(
            f"the projections cannot be read or written: {brief(error)}; if this stays while the "
            "database answers, delete them: a report makes them anew from the events"
        ) from error
