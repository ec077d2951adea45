"""The checkpoints of relays in a PostgreSQL schema, beside the table of events."""

# ruff: noqa: D102  (the docstrings are those of Checkpoints)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from casestore.errors import StoreUnavailable
from casestore.journal.answering import database_answers, translated
from casestore.journal.place import backend, shown_as
from casestore.journal.url import PostgresUrl
from casestore.relay.checkpoints import Checkpoints, tables

_NOTICE_LOSS = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
)
"""A machine that is lost says no goodbye: the server ends its session, and with it the lease, after
a minute, instead of the two hours that are usual."""


class PostgresCheckpoints(Checkpoints):
    """Checkpoints in a store's schema, on a connection of their own.

    A relay's lease is an advisory lock of that connection. What a relay keeps goes through the same
    connection: where the session ended, and another relay may have the lease, nothing is written.
    """

    def __init__(self, where: PostgresUrl) -> None:
        self._where = where
        self._shown = shown_as(None, where)
        self._postgres = backend(where)
        self._psycopg = self._postgres.psycopg
        self._connection: Any = None
        self._has_lease = False

    def at(self, table: str) -> str:
        return f'"{self._where.schema}"."{table}"'

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._psycopg.connect(
                self._where.direct, autocommit=True, prepare_threshold=None, connect_timeout=30
            )
        return self._connection

    @contextmanager
    def _answers(self) -> Iterator[None]:
        with database_answers(self._shown):
            try:
                yield
            except self._psycopg.Error as error:
                if self._connection is not None and self._connection.broken:
                    self.close()
                raise translated(error) from error

    def run(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        if self._has_lease and self._connection is None:
            raise StoreUnavailable(f"{self._shown}: the session with the lease has ended")
        with self._answers():
            connection = self._connected()
            try:
                with connection.transaction():
                    self._postgres.settle(connection)
                    cursor = connection.execute(sql.replace("?", "%s"), params)
                    return list(cursor.fetchall()) if cursor.description else []
            except self._psycopg.errors.UndefinedTable:
                return []

    def make(self) -> None:
        with self._answers(), self._connected().transaction():
            # IF NOT EXISTS can race.
            self._connected().execute("SELECT pg_advisory_xact_lock(4711)")
            for statement in tables(f'"{self._where.schema}".{{}}', "bigint", 'text COLLATE "C"'):
                self._connected().execute(statement)

    @contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        if self._where.pooled and self._where.listen_url is None:
            raise StoreUnavailable(
                "a relay needs a session of its own, which a transaction pooler does not give: "
                "name the server itself in listen_url"
            )
        key = f"casestore relay {self._where.schema} {name}"
        self.close()
        with self._answers():
            self._connected().execute(_NOTICE_LOSS)
            row = self._connected().execute(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 4711))", [key]
            )
            (self._has_lease,) = row.fetchone()
        try:
            yield self._has_lease
        finally:
            self._has_lease = False
            self._let_go()
            self.close()

    def _let_go(self) -> None:
        """Give the lease back at once: the server ends a session a moment after it was closed."""
        if self._connection is not None:
            with suppress(self._psycopg.Error):  # the session has ended, and the lease with it
                self._connection.execute("SELECT pg_advisory_unlock_all()")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def made(where: PostgresUrl) -> PostgresCheckpoints:
    """The checkpoints of the store in a schema."""
    return PostgresCheckpoints(where)
