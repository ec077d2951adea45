"""Connections to PostgreSQL: eventsourcing's pool, on a libpq URL, and one kept for appending."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from eventsourcing.persistence import OperationalError
from eventsourcing.postgres import ConnectionPool, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from casestore.journal.answering import LockTimeout, WaitedLong, closed
from casestore.journal.postgres_durable import Durable
from casestore.journal.url import PostgresUrl
from casestore.system.processes import check_process
from casestore.system.slots import Slot, Slots

LOCK_TIMEOUT = 30
"""Seconds to wait for another writer, unless the URL or the server sets its own lock_timeout."""

_RECONNECT = 3.0
"""Seconds for which the pool goes on trying to connect by itself, and then nobody does until
somebody asks it for a connection."""
_WRITERS = 10
"""How many threads may append at once: half of the connections, so that those who wait for another
writer leave the others to who reads."""
_OF_TABLES = 8
"""How many threads may use the tables of the projections at once. Each of them holds one of twenty
connections for the tables, and needs a second one to read events. Without this limit, threads could
hold all connections and wait for one another."""

# What we count on, whatever a server's, database's or role's defaults are.
# Isolation: the check under the lock must see what was committed since the first read; a stricter
# level than "read committed" would still show the first read's snapshot.
# Commits: what is acknowledged has reached the disk, and a standby that is to be waited for.
# Policies: a row that a policy would hide is an error, and not left out in silence.
# Arrays: NULL in them is a value that is missing, and not a text.
# Strings: psycopg writes bytes into a COPY as this setting tells it to, which only a string needs.
# Plans: all our statements find rows by an index, and to plan them each time takes longer than to
# run them.
# Timeout: a writer that hangs while it holds the lock must not block all others for ever.
# What is right already is set too, so that no reload of the server's settings can change it.
# The last columns are no settings: they tell the timeout, and what the server's clock says.
_SETTINGS = f"""
SELECT set_config('default_transaction_isolation', 'read committed', {{local}}),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
       WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, {{local}}),
       set_config('row_security', 'off', {{local}}),
       set_config('array_nulls', 'on', {{local}}),
       set_config('standard_conforming_strings', 'on', {{local}}),
       set_config('plan_cache_mode', 'force_generic_plan', {{local}}),
       set_config('lock_timeout', CASE current_setting('lock_timeout')
       WHEN '0' THEN '{LOCK_TIMEOUT}s' ELSE current_setting('lock_timeout') END, {{local}}),
       (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
       extract(epoch FROM current_setting('lock_timeout')::interval)::float8,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""
_SESSION = _SETTINGS.replace("{local}", "false")
SETTINGS = _SETTINGS.replace("{local}", "true")
"""Makes our settings for the transaction that it is run in."""
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class _Pool(ConnectionPool[Connection[Any]]):
    """eventsourcing's pool. Who waits for a connection asks for it again and again, so that the
    pool goes on trying to connect for as long as somebody waits."""

    def getconn(self, timeout: float | None = None) -> Connection[Any]:
        """Lend a connection.

        Args:
            timeout: seconds to wait; if left out, the pool's own.

        Raises PoolTimeout.
        """
        patience = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + patience
        while True:
            left = deadline - time.monotonic()
            try:
                return super().getconn(min(left, self.reconnect_timeout))
            except PoolTimeout:
                if left <= self.reconnect_timeout:
                    why = f"couldn't get a connection after {patience:.2f} sec"
                    raise PoolTimeout(why) from None


class Datastore(PostgresDatastore):
    """eventsourcing's datastore on a libpq URL. Its pool opens when it is first used."""

    def __init__(self, url: PostgresUrl) -> None:
        self.where = url
        self._pid = os.getpid()
        self._closed = False
        self._kept: list[tuple[Connection[Any], Cursor[Any]]] = []
        """At most one, which no thread is using."""
        self._writers = Slots(_WRITERS)
        self._patience = float(LOCK_TIMEOUT)
        """Seconds of lock_timeout."""
        self.of_tables = Slots(_OF_TABLES)
        """For those who use the tables of the projections."""
        self.durable = Durable()
        """Of the server that we last connected to."""
        self._server_started: int | None = None
        """When it was started, in microseconds since 1970: no two servers have the same."""
        self.has_procedure = True
        """Whether the store has casestore_append_then_flush, and we may call it, as far as we know.
        One of an earlier version has it once it was upgraded."""
        self._server_offset_us: int | None = None
        """The server's clock less our monotonic one; None where it was not asked yet."""
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
        theirs = self.pool
        # The pool would try ever less often, and who comes after an outage would wait for minutes.
        # Once it has given up, whoever wants a connection makes it try again.
        self.pool = _Pool(
            kwargs=theirs.kwargs,
            min_size=theirs.min_size,
            max_size=theirs.max_size,
            open=False,
            configure=self.after_connect_func(),
            timeout=theirs.timeout,
            max_lifetime=theirs.max_lifetime,
            reconnect_timeout=_RECONNECT,
        )
        # libpq knows more options than eventsourcing takes: sslmode, options, and others.
        kwargs = cast("dict[str, Any]", self.pool.kwargs)
        kwargs.update({"client_encoding": "UTF8", **options})
        if url.pooled:
            kwargs["prepare_threshold"] = None
        for name in ("dbname", "host", "port", "user", "password"):
            if not kwargs[name]:
                del kwargs[name]  # then libpq uses its own default

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """The function that sets a new connection's parameters, whatever the server's defaults."""

        pooled = self.where.pooled

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            if pooled:
                self.durable = Durable()
            else:  # there it would set that of any other client's session
                self._set(connection, _SESSION)

        return after_connect

    @contextmanager
    def get_connection(self) -> Iterator[Connection[Any]]:
        """Lend a connection.

        Raises eventsourcing's OperationalError, and StoreUnavailable where it was closed or this is
        another process. Then the idle connections are checked too: a
        server that was restarted has closed all of them.
        """
        self._check_usable()
        try:
            with super().get_connection() as connection:
                yield connection
        except OperationalError:
            self.check()
            raise

    def begin(self, connection: Connection[Any], patience: float | None = None) -> None:
        """Begin a transaction. Behind a pooler, no session has our settings: then it gets them.

        Args:
            connection: to begin it on.
            patience: seconds to wait for a lock, where it is not all of lock_timeout.
        """
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        if self.where.pooled:
            self._set(connection, SETTINGS)
        if patience is not None:
            left = max(1, int(patience * 1000))
            connection.execute(cast(Any, f"SET LOCAL lock_timeout = {left}"))

    def _set(self, connection: Connection[Any], settings: str) -> None:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(cast(Any, settings)).fetchone()
        *others, server_us = cast(Any, row)
        self._server_offset_us = server_us - _monotonic_us()
        if others:
            *_, started, self._patience = others
            if started != self._server_started:
                self._server_started, self.durable = started, Durable()

    def server_us(self) -> int | None:
        """What the server's clock says, in microseconds since 1970; None where nothing was asked.

        Nothing is asked for it: the server told it when we last connected, and how long ago that
        was is measured. The measure stands still while the machine sleeps.
        """
        offset = self._server_offset_us
        return None if offset is None else offset + _monotonic_us()

    def ask_server_us(self) -> int:
        """What the server's clock says, asked now."""
        with self.get_connection() as connection:
            self._set(connection, _CLOCK)
        return cast(int, self.server_us())

    def _check_usable(self) -> None:
        check_process(self._pid)
        if self._closed:
            raise closed()

    def wait_to_write(self) -> tuple[Slot, float | None]:
        """Wait until few enough threads append: a slot among them.

        With it come the seconds of lock_timeout that are left, or None where it took no time.

        Raises LockTimeout after all of lock_timeout, and StoreUnavailable as `get_connection`.
        """
        self._check_usable()
        begun = time.monotonic()
        slot = self._writers.take(self._patience)
        if slot is None:
            raise LockTimeout("all of lock_timeout")
        waited = time.monotonic() - begun
        return slot, None if waited < 1 else self._patience - waited

    def take_writer(self) -> tuple[Connection[Any], Cursor[Any]]:
        """A connection to append on, and its cursor: the last ones used, if no thread has them.

        They are kept out of the pool because the pool, a new cursor, and the nested contexts of
        eventsourcing and psycopg cost a tenth of an append.
        """
        self._check_usable()
        try:
            return self._kept.pop()
        except IndexError:
            self.pool.open()
            try:
                connection = self.pool.getconn()
            except PoolTimeout as error:
                raise WaitedLong(str(error)) from error
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
        if self._pid != os.getpid():
            return  # they are the parent's, and to close one would end the parent's session
        self._closed = True
        self._give_up_kept()
        super().close()

    def _give_up_kept(self) -> None:
        with suppress(IndexError):
            while True:
                self.pool.putconn(self._kept.pop()[0])
