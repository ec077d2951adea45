"""The tables of the projections in a PostgreSQL schema beside the store's."""

# ruff: noqa: D102  (the docstrings are those of Tables and Cursor)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from typing import Any
from uuid import uuid4

from casestore.journal.answering import translated
from projections.engine.tables import Cursor, Tables


class _PostgresCursor(Cursor):
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        found: list[Any] = self._cursor.execute(sql.replace("?", "%s"), params).fetchall()
        return found

    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Any]:
        own = self._cursor.connection.cursor(uuid4().hex, row_factory=self._cursor.row_factory)
        with own as cursor:  # it has a name, so the server keeps the rows, and gives some at a time
            cursor.itersize = 2000
            yield from cursor.execute(sql.replace("?", "%s"), params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql.replace("?", "%s"), params)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            with self._cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


_CAN_WRITE = """
SELECT current_setting('transaction_read_only') = 'off' AND CASE
    WHEN to_regnamespace(%s) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
    ELSE has_schema_privilege(%s, 'CREATE') END AS can
"""


class PostgresTables(Tables):
    """Tables in a schema beside the store's, through the store's own connections."""

    text = 'TEXT COLLATE "C"'

    def __init__(self, datastore: Any, conninfo: str) -> None:
        self._datastore = datastore
        self._conninfo = conninfo
        self.schema = _schema_beside(datastore.schema)
        with self.reading() as cursor:
            found = self.has(cursor, "parked")
        if not found:
            with self.writing() as cursor:
                cursor.all("SELECT pg_advisory_xact_lock(4711)")  # IF NOT EXISTS can race
                cursor.run(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
                self.prepare(cursor)

    @staticmethod
    def are_there(datastore: Any) -> bool:
        """Whether the tables were made."""
        table = f'"{_schema_beside(datastore.schema)}"."parked"'
        with datastore.get_connection() as connection:
            row = connection.execute("SELECT to_regclass(%s) AS found", [table]).fetchone()
        return row["found"] is not None

    @staticmethod
    def can_be_written(datastore: Any) -> bool:
        """Whether the tables can be made or changed. They cannot on a hot standby, nor by a user
        who may only read."""
        schema = _schema_beside(datastore.schema)
        with datastore.get_connection() as connection:
            row = connection.execute(_CAN_WRITE, [f'"{schema}"', schema]).fetchone()
        return bool(row["can"])

    def at(self, name: str) -> str:
        return f'"{self.schema}"."{name}"'

    def has(self, cursor: Cursor, name: str) -> bool:
        ((found,),) = cursor.all("SELECT to_regclass(?)", [self.at(name)])
        return found is not None

    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        # Of hundreds of parameters, the server would take longer to read them than to answer.
        return "= ANY(?)", [list(values)]

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Cursor]:
        from psycopg.rows import tuple_row  # noqa: PLC0415  (only where there is PostgreSQL)

        slot = self._datastore.of_tables.take()
        try:
            with (
                self._datastore.get_connection() as connection,
                connection.transaction(),
                connection.cursor(row_factory=tuple_row) as cursor,
            ):
                cursor.execute(begin)
                yield _PostgresCursor(cursor)
        finally:
            del slot  # even where a traceback keeps this frame

    def writing(self) -> AbstractContextManager[Cursor]:
        # Nothing waits for the disk: what a crash takes is made anew from the events. It takes the
        # last commits, whole, so what is left is right at the position that it tells.
        return self._transaction(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off"
        )

    def reading(self) -> AbstractContextManager[Cursor]:
        return self._transaction("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def lock(self, cursor: Cursor) -> None:
        cursor.run(f"LOCK TABLE {self.at('tracking')} IN SHARE ROW EXCLUSIVE MODE")

    def drop(self, cursor: Cursor, table: str) -> None:
        cursor.run("SET LOCAL lock_timeout = '1s'")  # a report may still read it for a long time
        super().drop(cursor, table)

    @contextmanager
    def building(self) -> Iterator[None]:
        import psycopg  # noqa: PLC0415  (only where there is PostgreSQL)

        key = f"hashtextextended('casestore build {self.schema}', 4711)"
        # The lock has a connection of its own, so that waiting for another process's build takes
        # none of the store's connections. It is a lock of a transaction, because behind a pooler a
        # lock of the session would pass to another client.
        try:
            with psycopg.connect(self._conninfo, prepare_threshold=None) as lock:
                for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
                    lock.execute(f"SET LOCAL {name} = 0")  # a build may take its time
                lock.execute(f"SELECT pg_advisory_xact_lock({key})")
                yield
        except psycopg.Error as error:
            raise translated(error) from error


def _schema_beside(schema: str) -> str:
    """The name of the schema for the tables of a store. PostgreSQL allows 63 bytes."""
    if len(schema) <= 63 - len("_projections"):
        return f"{schema}_projections"
    return f"{schema[:42]}_{sha256(schema.encode()).hexdigest()[:8]}_projections"
