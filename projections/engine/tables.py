"""The tables of the projections. They stand apart from the events, so no rebuild blocks an append.

On SQLite that is the file `<db>.projections`, on PostgreSQL the schema `<schema>_projections`.
`tracking` says for each table which projection it holds, in which version, up to which position,
and whether it is the live one; `parked` names the streams whose rows could not be made; `sums` has
for each table a count and a checksum of its rows. Everything here can be made anew from the events.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from eventsourcing.persistence import PersistenceError

from casestore.errors import StoreUnavailable
from casestore.journal.answering import brief
from projections.engine.fold import Made
from projections.engine.maker import CHUNK
from projections.engine.sums import Sum, sum_of_made
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
SUMS = """
CREATE TABLE IF NOT EXISTS {sums} (
    table_name TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    checksum TEXT NOT NULL
)"""
"""A table of its own, so that releases from before it may go on writing `tracking`. What they move
is then at another position than its sum, which counts no more."""


class Tracked(NamedTuple):
    """A row of `tracking`: what is known of a table."""

    table: str
    projection: str
    version: int
    store_id: str
    live: bool
    position: int
    """The position of the last event that is in its rows."""
    mark: str
    """The mark of that event. It shows whether the store still has the same event there: not if an
    older copy of the store was put back and went on differently."""


class Cursor(ABC):
    """Reads and writes in one transaction. `?` stands for a parameter."""

    @abstractmethod
    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query and return plain tuples."""

    @abstractmethod
    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        """Run a query whose result is too long to be held at once. Close the iterator."""

    @abstractmethod
    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement."""

    @abstractmethod
    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, each with all the columns of a table."""


class Tables(ABC):
    """The tables of one store's projections."""

    text = "TEXT"
    """The database's type for text that is sorted by its bytes."""
    shared = True
    """Whether other processes can open the same tables."""

    def at(self, name: str) -> str:
        """A table's name as SQL needs it."""
        return f'"{name}"'

    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """The condition that what is before it is one of some values, and its parameters."""
        return f"IN ({', '.join('?' * len(values))})", values

    @abstractmethod
    def writing(self) -> AbstractContextManager[Cursor]:
        """A transaction that writes."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Cursor]:
        """A transaction that reads one snapshot, whatever others write meanwhile."""

    @abstractmethod
    def building(self) -> AbstractContextManager[None]:
        """The lock of builds: waits until no other process builds."""

    @abstractmethod
    def has(self, cursor: Cursor, name: str) -> bool:
        """Whether there is a table with this name."""

    def lock(self, cursor: Cursor) -> None:  # noqa: B027  (on SQLite a writer has the lock already)
        """Let nobody else move a table until the end of this transaction.

        Take it before anything is read or written, so that what is read holds until the end.
        """

    def close(self) -> None:  # noqa: B027  (PostgreSQL: the connections belong to the store)
        """Close the connections."""

    def prepare(self, cursor: Cursor) -> None:
        """Create `tracking`, `parked` and `sums`, if they are not there."""
        names = {name: self.at(name) for name in ("tracking", "parked", "sums")}
        for statement in (TRACKING, PARKED, SUMS):
            cursor.run(statement.format(**names).replace(" TEXT", f" {self.text}"))

    def create(self, cursor: Cursor, table: str, projection: Projection) -> None:
        """Create a projection's table, without indexes, as it is filled faster so."""
        form = shape(projection.row)
        columns = [f'"{name}" {kind}' for name, kind in zip(form.columns, form.types, strict=True)]
        listed = ", ".join(["stream TEXT NOT NULL", *columns]).replace("TEXT", self.text)
        cursor.run(f"CREATE TABLE {self.at(table)} ({listed})")

    def index(self, cursor: Cursor, table: str, projection: Projection) -> None:
        """Create a table's indexes, and its statistics for the query planner."""
        for n, columns in enumerate(("stream", *projection.indexes)):
            listed = ", ".join(f'"{column}"' for column in columns.split())
            cursor.run(f'CREATE INDEX "{table}_{n}" ON {self.at(table)} ({listed})')
        cursor.run(f"ANALYZE {self.at(table)}")

    def drop(self, cursor: Cursor, table: str) -> None:
        """Drop a table."""
        cursor.run(f"DROP TABLE IF EXISTS {self.at(table)}")

    # --- the table `tracking` --------------------------------------------------------------

    def tracked(self, cursor: Cursor) -> list[Tracked]:
        """All rows of `tracking`, in the order of the tables' names."""
        columns = ", ".join("table_name" if name == "table" else name for name in Tracked._fields)
        found = cursor.all(f"SELECT {columns} FROM {self.at('tracking')} ORDER BY table_name")
        return [Tracked._make(row)._replace(live=bool(row[4])) for row in found]

    def move(self, cursor: Cursor, table: Tracked, end: int, mark: str) -> None:
        """Set a table's position and mark."""
        cursor.run(
            f"UPDATE {self.at('tracking')} SET position = ?, mark = ? WHERE table_name = ?",
            [end, mark, table.table],
        )

    def forget(self, cursor: Cursor, table: Tracked) -> None:
        """Delete what is known of a table."""
        for name in ("tracking", "parked", "sums"):
            if name != "sums" or self.has(cursor, name):
                cursor.run(f"DELETE FROM {self.at(name)} WHERE table_name = ?", [table.table])

    # --- rows, and their sums ---------------------------------------------------------------

    def noted(self, cursor: Cursor) -> dict[str, Sum]:
        """The sums that are kept of tables, by the table's name.

        A table has none if a release without sums made it or moved it since.
        """
        if not self.has(cursor, "sums"):
            return {}
        found = cursor.all(
            f"SELECT s.table_name, s.counted, s.checksum FROM {self.at('sums')} s "
            f"JOIN {self.at('tracking')} t "
            "ON t.table_name = s.table_name AND t.position = s.position"
        )
        return {table: Sum.read(*rest) for table, *rest in found}

    def note_change(self, cursor: Cursor, table: Tracked, end: int, after: Sum) -> None:
        """Keep the sum that a table has at a new position."""
        cursor.run(
            f"UPDATE {self.at('sums')} SET position = ?, counted = ?, checksum = ? "
            "WHERE table_name = ?",
            [end, after.rows, after.text, table.table],
        )

    def note(self, cursor: Cursor, table: Tracked, made: Sum) -> None:
        """Keep the sum of a new table."""
        values = (table.table, table.position, made.rows, made.text)
        cursor.insert(self.at("sums"), [values])

    def replace(self, cursor: Cursor, table: Tracked, made: Made) -> Sum:
        """Replace the rows that a table has of the streams that were asked for.

        Gives what the sum of the table changes by: what was there is taken off as it was.
        """
        change = Sum()
        for start in range(0, len(made.streams), CHUNK):
            among, some = self.among(made.streams[start : start + CHUNK])
            for where, params in (
                (f"{self.at(table.table)} WHERE stream {among}", some),
                (
                    f"{self.at('parked')} WHERE table_name = ? AND stream {among}",
                    [table.table, *some],
                ),
            ):
                taken = cursor.all(f"DELETE FROM {where} RETURNING *", params)
                change = change.minus(Sum.of(taken))
        self.insert(cursor, table, made)
        return change.plus(sum_of_made(made, table.table, table.projection))

    def insert(self, cursor: Cursor, table: Tracked, made: Made) -> None:
        """Insert rows into a table, and parked streams into `parked`."""
        cursor.insert(self.at(table.table), made.rows[table.projection])
        parked = made.parked[table.projection]
        cursor.insert(self.at("parked"), [(table.table, *stream) for stream in parked])


@contextmanager
def unavailable() -> Iterator[None]:
    """Raise StoreUnavailable for errors of the tables' database."""
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(
            f"the projections cannot be read or written: {brief(error)}; if this stays while the "
            "database answers, delete them: a report makes them anew from the events"
        ) from error
