"""Connections to PostgreSQL: eventsourcing's pool on a libpq URL, and the one last appended on."""

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
"""Seconds to wait for another writer, unless the URL or the server says how long."""
# A second look under the lock must see what was committed since the first: a transaction that is
# isolated more does not. A writer that hangs with the lock shall not hang all others. And all our
# statements are looked up by index: planning them anew each time takes longer than running them.
_SESSION = f"""
SELECT set_config('default_transaction_isolation', 'read committed', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       CASE current_setting('lock_timeout') WHEN '0'
       THEN set_config('lock_timeout', '{LOCK_TIMEOUT}s', false) END
"""


class Datastore(PostgresDatastore):
    """eventsourcing's datastore on a libpq URL, with a pool that opens when first used."""

    def __init__(self, url: PostgresUrl) -> None:
        given = {k: v for k, v in conninfo_to_dict(url.conninfo).items() if v is not None}
        super().__init__(
            dbname=str(given.pop("dbname", "")),
            host=str(given.pop("host", "")),
            port=given.pop("port", ""),
            user=str(given.pop("user", "")),
            password=str(given.pop("password", "")),
            schema=url.schema,
            originator_id_type="text",
            pool_size=1,
            max_overflow=19,
            max_waiting=0,
            connect_timeout=30,
        )
        self._last: list[tuple[Connection[Any], Cursor[Any]]] = []
        # What libpq knows and eventsourcing does not ask for: sslmode, options, and the like.
        kwargs = cast("dict[str, Any]", self.pool.kwargs)
        kwargs.update(given)
        for name in ("dbname", "host", "port", "user", "password"):
            if not kwargs[name]:
                del kwargs[name]  # libpq's own default

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Set what we count on, whatever the server's defaults."""

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            connection.execute(_SESSION)

        return after_connect

    @contextmanager
    def get_connection(self) -> Iterator[Connection[Any]]:
        """Lend a connection. Where one proves dead, the others that are idle may be too."""
        try:
            with super().get_connection() as connection:
                yield connection
        except OperationalError:
            self.check()
            raise

    def take_writer(self) -> tuple[Connection[Any], Cursor[Any]]:
        """A connection to append on and its cursor: those that were used last, if nobody has them.

        Bare, and not from the pool each time: the nested contexts of eventsourcing and psycopg,
        the pool and a new cursor cost a tenth of an append.
        """
        try:
            return self._last.pop()
        except IndexError:
            self.pool.open()
            made = self.pool.getconn()
            return made, made.cursor(binary=True, row_factory=tuple_row)

    def give_writer_back(self, writer: tuple[Connection[Any], Cursor[Any]], *, sound: bool) -> None:
        """The append is done. A connection that may not be sound goes where it is looked at."""
        if sound and not self._last:
            self._last.append(writer)
            if self.pool.closed:  # meanwhile
                self._give_last_up()
        else:
            self.pool.putconn(writer[0])

    def check(self) -> None:
        """Let go of idle connections that are dead."""
        self._give_last_up()
        self.pool.check()

    def close(self) -> None:
        """Close what is idle, and the rest as it is given back."""
        self._give_last_up()
        super().close()

    def _give_last_up(self) -> None:
        with suppress(IndexError):
            while True:
                self.pool.putconn(self._last.pop()[0])
