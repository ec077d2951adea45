"""Connections to PostgreSQL: eventsourcing's pool, on a libpq URL, and one kept for appending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from eventsourcing.persistence import OperationalError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from casestore.journal.url import PostgresUrl

LOCK_TIMEOUT = 30
"""Seconds to wait for another writer, unless the URL or the server sets its own lock_timeout."""
# Isolation: the check under the lock must see what was committed since the first read; a stricter
# level than "read committed" would still show the first read's snapshot.
# Plans: all our statements find rows by an index, and to plan them each time takes longer than to
# run them.
# Timeout: a writer that hangs while it holds the lock must not block all others for ever.
_SESSION = f"""
SELECT set_config('default_transaction_isolation', 'read committed', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       CASE current_setting('lock_timeout') WHEN '0'
       THEN set_config('lock_timeout', '{LOCK_TIMEOUT}s', false) END
"""


class Datastore(PostgresDatastore):
    """eventsourcing's datastore on a libpq URL. Its pool opens when it is first used."""

    def __init__(self, url: PostgresUrl) -> None:
        options = {k: v for k, v in conninfo_to_dict(url.conninfo).items() if v is not None}
        super().__init__(
            dbname=str(options.pop("dbname", "")),
            host=str(options.pop("host", "")),
            port=options.pop("port", ""),
            user=str(options.pop("user", "")),
            password=str(options.pop("password", "")),
            schema=url.schema,
            originator_id_type="text",
            pool_size=1,
            max_overflow=19,
            max_waiting=0,
            connect_timeout=30,
        )
        self._kept: list[tuple[Connection[Any], Cursor[Any]]] = []
        """At most one, which no thread is using."""
        # libpq knows more options than eventsourcing takes: sslmode, options, and others.
        kwargs = cast("dict[str, Any]", self.pool.kwargs)
        kwargs.update(options)
        for name in ("dbname", "host", "port", "user", "password"):
            if not kwargs[name]:
                del kwargs[name]  # then libpq uses its own default

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """The function that sets a new connection's parameters, whatever the server's defaults."""

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            connection.execute(_SESSION)

        return after_connect

    @contextmanager
    def get_connection(self) -> Iterator[Connection[Any]]:
        """Lend a connection.

        Raises eventsourcing's OperationalError. Then the idle connections are checked too: a
        server that was restarted has closed all of them.
        """
        try:
            with super().get_connection() as connection:
                yield connection
        except OperationalError:
            self.check()
            raise

    def take_writer(self) -> tuple[Connection[Any], Cursor[Any]]:
        """A connection to append on, and its cursor: the last ones used, if no thread has them.

        They are kept out of the pool because the pool, a new cursor, and the nested contexts of
        eventsourcing and psycopg cost a tenth of an append.
        """
        try:
            return self._kept.pop()
        except IndexError:
            self.pool.open()
            connection = self.pool.getconn()
            return connection, connection.cursor(binary=True, row_factory=tuple_row)

    def give_writer_back(self, writer: tuple[Connection[Any], Cursor[Any]], *, sound: bool) -> None:
        """Take back what `take_writer` gave.

        Args:
            writer: the connection and its cursor.
            sound: False where the append failed: then the connection may be broken, and goes to
                the pool, which checks it.
        """
        if sound and not self._kept:
            self._kept.append(writer)
            if self.pool.closed:  # by another thread, during the append
                self._give_up_kept()
        else:
            self.pool.putconn(writer[0])

    def check(self) -> None:
        """Close the idle connections that are dead."""
        self._give_up_kept()
        self.pool.check()

    def close(self) -> None:
        """Close the idle connections now, and each of the others when it is given back."""
        self._give_up_kept()
        super().close()

    def _give_up_kept(self) -> None:
        with suppress(IndexError):
            while True:
                self.pool.putconn(self._kept.pop()[0])
