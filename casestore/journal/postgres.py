"""The journal in a PostgreSQL schema, written under one transaction advisory lock.

The lock is taken in a statement of its own, before anything is read: a snapshot taken with it
would predate it. It is let go when the commit is visible, so commit order is position order and a
reader that has seen a position never sees a smaller one appear.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from secrets import token_hex
from typing import Any, Self, cast

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    OperationalError,
    ProgrammingError,
)
from eventsourcing.postgres import PostgresDatastore, PostgresFactory
from eventsourcing.utils import Environment, EnvType, strtobool
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Diagnostic
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal

from casestore.errors import StoreExists, StoreUnavailable
from casestore.journal.memory import Memory
from casestore.journal.recorder import (
    COLUMNS,
    UNSCRUBBED,
    Changes,
    JournalRecorder,
    KeyRow,
    Row,
    Survey,
    Writing,
    translated,
)
from casestore.journal.url import PostgresUrl

_COLUMNS = COLUMNS.replace("event_id", "event_id::text")

_CREATE = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.stored_events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    personal bytea,
    customer_id text COLLATE "C",
    event_id uuid NOT NULL UNIQUE,
    recorded_at bigint NOT NULL,
    metadata bytea NOT NULL,
    UNIQUE (originator_id, originator_version)
);
CREATE INDEX IF NOT EXISTS stored_events_customer ON {schema}.stored_events (customer_id);
CREATE INDEX IF NOT EXISTS stored_events_merges ON {schema}.stored_events (topic)
    WHERE topic = 'CustomerMerged';
CREATE OR REPLACE FUNCTION {schema}.stored_events_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stored_events is append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE OR REPLACE TRIGGER stored_events_no_change BEFORE UPDATE OR DELETE
    ON {schema}.stored_events FOR EACH ROW
    EXECUTE FUNCTION {schema}.stored_events_append_only();
CREATE OR REPLACE TRIGGER stored_events_no_truncate BEFORE TRUNCATE
    ON {schema}.stored_events FOR EACH STATEMENT
    EXECUTE FUNCTION {schema}.stored_events_append_only();
CREATE TABLE IF NOT EXISTS {schema}.customer_keys (
    customer_id text COLLATE "C" PRIMARY KEY,
    key_id bytea NOT NULL UNIQUE,
    wrapped bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS {schema}.casestore_meta (
    name text PRIMARY KEY,
    value text NOT NULL
);
-- One round trip for lock, second look, insert and notice. Each statement in here sees what was
-- committed before the lock was ours: what was told is looked at again, and recorded_at is never
-- less than the last. The order of the arrays is the order of the positions.
CREATE OR REPLACE FUNCTION {schema}.casestore_append(
    told_streams text[], told_heads bigint[], told_keys bytea[],
    key_customers text[], key_ids bytea[], key_wrapped bytea[],
    streams text[], versions bigint[], topics text[], states bytea[], personals bytea[],
    customers text[], event_ids uuid[], recorded bigint[], metadatas bytea[]
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('casestore:{schema}', 4711));
    IF EXISTS (
        SELECT FROM unnest(told_streams, told_heads) AS told (stream, head)
        WHERE head <> coalesce((
            SELECT originator_version FROM {schema}.stored_events WHERE originator_id = stream
            ORDER BY originator_version DESC LIMIT 1), 0)
    ) OR EXISTS (
        SELECT FROM unnest(told_keys) AS told (key)
        WHERE NOT EXISTS (SELECT FROM {schema}.customer_keys WHERE key_id = key)
    ) THEN
        RAISE EXCEPTION 'a stream moved on, or a key was destroyed'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF cardinality(key_ids) > 0 THEN
        IF EXISTS (
            SELECT FROM unnest(key_wrapped) AS given (wrapped)
            WHERE encode(substr(wrapped, 1, 32), 'hex') <> (
                SELECT value FROM {schema}.casestore_meta WHERE name = 'kek_id')
        ) THEN
            RAISE EXCEPTION 'the key-encryption key was rotated'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        INSERT INTO {schema}.customer_keys
        SELECT * FROM unnest(key_customers, key_ids, key_wrapped);
    END IF;
    PERFORM pg_notify(left('casestore_' || '{schema}', 63), '');
    RETURN QUERY
    INSERT INTO {schema}.stored_events (originator_id, originator_version, topic, state, personal,
        customer_id, event_id, recorded_at, metadata)
    SELECT a, b, c, d, e, f, g, greatest(h, (
        SELECT recorded_at FROM {schema}.stored_events ORDER BY position DESC LIMIT 1)), i
    FROM unnest(streams, versions, topics, states, personals, customers, event_ids, recorded,
        metadatas) WITH ORDINALITY AS given (a, b, c, d, e, f, g, h, i, n)
    ORDER BY n
    RETURNING position;
END
$$;
"""
LOCK_TIMEOUT = 30
"""Seconds to wait for another writer, unless the URL or the server says how long."""
_CHUNK = 1000
"""Rows to insert in one statement."""
_BRIEFLY = "SET lock_timeout = '200ms'"
"""Writers queue up behind who waits for a table that they need."""


def holds_store(where: PostgresUrl) -> bool:
    """Whether a schema is a store's. Asked on a connection of its own, which fails at once.

    Raises StoreUnavailable.
    """
    try:
        with psycopg.connect(where.conninfo) as looking:
            name = f'"{where.schema}".casestore_meta'
            (found,) = looking.execute("SELECT to_regclass(%s)", (name,)).fetchone() or (None,)
            return found is not None
    except psycopg.Error as error:
        brief = str(error).strip().partition("\n")[0]
        raise StoreUnavailable(f"PostgreSQL does not answer: {brief}") from None


def make_place(where: PostgresUrl) -> None:
    """See that a new store can be there. Raises StoreExists, StoreUnavailable."""
    if holds_store(where):
        raise StoreExists(f"there is a store in schema {where.schema!r} already; use another one")


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


# A second look under the lock must see what was committed since the first: a transaction that is
# isolated more does not. A writer that hangs with the lock shall not hang all others. And all our
# statements are looked up by index: planning them anew each time takes longer than running them.
_SESSION = f"""
SELECT set_config('default_transaction_isolation', 'read committed', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       CASE current_setting('lock_timeout') WHEN '0'
       THEN set_config('lock_timeout', '{LOCK_TIMEOUT}s', false) END
"""


class _Writing(Writing):
    """A write transaction: one round trip where memory serves, two where it does not."""

    def __init__(self, datastore: Datastore, memory: Memory, *, hopeful: bool) -> None:
        self._datastore = datastore
        self._schema = datastore.schema
        self._memory = memory
        self._hopeful = hopeful
        self._told: dict[str, int] = {}
        self._told_keys: dict[str, KeyRow] = {}
        self._begun = False

    def __enter__(self) -> Self:
        try:
            self._connection, self._cursor = self._datastore.take_writer()
            if not self._hopeful:
                self._begun = True
                self._execute("BEGIN")
                self._execute(_LOCK)
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        if error is not None:
            self._memory.forget(self._told, self._told_keys)
        connection: Connection[Any] | None = getattr(self, "_connection", None)
        if connection is not None:
            if self._begun and not connection.closed:
                with suppress(psycopg.Error):  # it is dead: the pool will see to it
                    connection.rollback()  # what was not committed
            writer = (connection, self._cursor)
            self._datastore.give_writer_back(writer, sound=error is None)
        if isinstance(error, psycopg.Error):
            if isinstance(error, psycopg.OperationalError):
                self._datastore.check()  # the others that are idle may be dead too
            raise translated(error) from error

    def _execute(self, text: str, params: Sequence[Any] = ()) -> Cursor[Any]:
        return self._cursor.execute(_statement(text, self._schema), params)

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        told = self._remembered(streams, customers) if self._hopeful else None
        if told is None:
            told = self._ask(streams, event_ids, customers)
            self._memory.learn(told.heads, told.keys)
        self._told |= {stream: told.heads.get(stream, 0) for stream in streams}
        self._told_keys |= told.keys
        return told

    def _remembered(self, streams: Sequence[str], customers: Sequence[str]) -> Survey | None:
        """An answer from memory, where it holds all that is asked."""
        heads, keys = self._memory.heads, self._memory.keys
        try:
            return Survey(
                0,
                {each: heads[each] for each in streams},
                {},
                {each: keys[each] for each in customers},
            )
        except KeyError:
            return None

    def _ask(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        last, heads, found, keys = 0, {}, {}, {}
        asked = self._execute(_SURVEY, (list(event_ids), list(streams), list(customers)))
        for kind, *row in asked.fetchall():
            match kind:
                case "event":
                    found[row[7]] = Row._make(row)
                case "head":
                    heads[row[1]] = row[2]
                case "key":
                    keys[row[1]] = KeyRow(row[1], row[4], row[5])
                case _:
                    last = row[8]
        return Survey(last, heads, found, keys)

    def rows(self, stream: str, after_version: int) -> list[Row]:
        return [Row._make(row) for row in self._execute(_ROWS, (stream, after_version)).fetchall()]

    def gestures_to(self, customers: Sequence[str]) -> list[Row]:
        return [Row._make(row) for row in self._execute(_GESTURES, (list(customers),)).fetchall()]

    def merges_of_customers(self) -> list[Row]:
        return [Row._make(row) for row in self._execute(_MERGES).fetchall()]

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        positions: list[int] = []
        told: list[Any] = [[], [], []]
        if self._hopeful:
            # Also of streams to which we add: that versions are unique tells whether one moved on,
            # but not whether it moved back, as where a server fails over to one that lags behind.
            key_ids = [key.key_id for key in self._told_keys.values()]
            told = [list(self._told), list(self._told.values()), key_ids]
        new_keys = _columns(keys) or [[], [], []]
        size = len(rows) if self._hopeful else _CHUNK
        for start in range(0, len(rows), size or 1):
            events = _columns(rows[start : start + size])[1:]
            asked = self._execute(*_append_call([*told, *new_keys, *events]))
            positions += [position for (position,) in asked.fetchall()]
            new_keys = [[], [], []]
        if not self._hopeful:
            self._execute("COMMIT")
            self._begun = False
        heads = {row.stream: row.version for row in rows}
        self._memory.learn(heads, {key.customer_id: key for key in keys})
        return positions

    def delete_key(self, customer_id: str) -> None:
        self._execute("DELETE FROM {schema}.customer_keys WHERE customer_id = %s", (customer_id,))
        self._execute(_DELETED, (UNSCRUBBED, token_hex(8)))
        self._memory.forget((), [customer_id])

    def rewrap(self, kek_id: str, keys: Sequence[KeyRow]) -> None:
        meta = "UPDATE {schema}.casestore_meta SET value = %s WHERE name = 'kek_id'"
        self._execute(meta, (kek_id,))
        if keys:
            _, key_ids, wrapped = _columns(keys)
            self._execute(_REWRAP, (key_ids, wrapped))

    def scrubbed(self, deletions: str) -> None:
        meta = "DELETE FROM {schema}.casestore_meta WHERE name = %s AND value = %s"
        self._execute(meta, (UNSCRUBBED, deletions))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


# Also taken by casestore_append: a transaction that holds it takes it again at no cost.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('casestore:{schema}', 4711))"
# Everything in one statement: psycopg's pipelines cost more than the round trips that they save.
_SURVEY = f"""
SELECT 'event', {_COLUMNS} FROM {{schema}}.stored_events WHERE event_id = ANY (%s::uuid[])
UNION ALL
SELECT * FROM (
    SELECT 'head', 0, given, (
        SELECT originator_version FROM {{schema}}.stored_events WHERE originator_id = given
        ORDER BY originator_version DESC LIMIT 1) AS head,
        '', NULL::bytea, NULL::bytea, NULL, NULL, 0, NULL::bytea
    FROM unnest(%b::text[]) AS given) AS heads
WHERE head IS NOT NULL
UNION ALL
SELECT 'key', 0, customer_id, 0, '', key_id, wrapped, NULL, NULL, 0, NULL
FROM {{schema}}.customer_keys WHERE customer_id = ANY (%b::text[])
UNION ALL (
    SELECT 'last', position, '', 0, '', NULL, NULL, NULL, NULL, recorded_at, NULL
    FROM {{schema}}.stored_events ORDER BY position DESC LIMIT 1)
"""
_ROWS = (
    f"SELECT {_COLUMNS} FROM {{schema}}.stored_events WHERE originator_id = %s "
    "AND originator_version > %s ORDER BY originator_version"
)
_GESTURES = (
    f"SELECT {_COLUMNS} FROM {{schema}}.stored_events WHERE customer_id = ANY (%b::text[]) "
    "AND topic = 'GestureGiven'"
)
_MERGES = f"SELECT {_COLUMNS} FROM {{schema}}.stored_events WHERE topic = 'CustomerMerged'"
_DELETED = (
    "INSERT INTO {schema}.casestore_meta VALUES (%s, %s) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_REWRAP = (
    "UPDATE {schema}.customer_keys AS k SET wrapped = given.wrapped "
    "FROM unnest(%b::bytea[], %b::bytea[]) AS given (key_id, wrapped) "
    "WHERE k.key_id = given.key_id"
)
_APPEND_TYPES = (
    *("text", "bigint", "bytea"),  # what was told: streams, heads, key ids
    *("text", "bytea", "bytea"),  # new keys: customers, key ids, wrapped keys
    *("text", "bigint", "text", "bytea", "bytea", "text", "uuid", "bigint", "bytea"),  # rows
)
_SPREAD = 4
"""Columns up to this length are spread into single parameters: psycopg takes longer to send a list
of one than the server takes to build it."""


@cache
def _append_statement(lengths: tuple[int, ...]) -> str:
    """The call of casestore_append for columns of these lengths, each at most _SPREAD + 1."""
    columns = []
    for kind, length in zip(_APPEND_TYPES, lengths, strict=True):
        if length > _SPREAD:
            columns.append(f"{'%s' if kind == 'uuid' else '%b'}::{kind}[]")
        else:
            columns.append(f"ARRAY[{', '.join([f'%s::{kind}'] * length)}]::{kind}[]")
    return f"SELECT * FROM {{schema}}.casestore_append({', '.join(columns)})"


def _append_call(columns: Sequence[list[Any]]) -> tuple[str, list[Any]]:
    lengths = tuple([len(column) if len(column) <= _SPREAD else _SPREAD + 1 for column in columns])
    params: list[Any] = []
    for column in columns:
        if len(column) > _SPREAD:
            params.append(column)
        else:
            params += column
    return _append_statement(lengths), params


def _channel(schema: str) -> str:
    return f"casestore_{schema}"[:63]


@cache
def _statement(text: str, schema: str) -> bytes:
    """A statement with the schema's name in it, which parse_url has checked."""
    return text.replace("{schema}", schema).encode()


class _Changes(Changes):
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def wait(self, timeout: float) -> bool:
        return any(True for _ in self._connection.notifies(timeout=timeout, stop_after=1))


class PostgresJournal(JournalRecorder):
    """The journal's recorder in a PostgreSQL schema."""

    def __init__(self, datastore: Datastore) -> None:
        self.datastore = datastore
        self.schema = datastore.schema
        self.table = f'"{self.schema}".stored_events'
        self.columns = _COLUMNS
        self.keys_table = f'"{self.schema}".customer_keys'
        self._memory = Memory()

    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the schema and all in it, and say what a new store says of itself."""
        insert = _statement("INSERT INTO {schema}.casestore_meta VALUES (%s, %s)", self.schema)
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(4711)")  # IF NOT EXISTS can race
            cursor.execute(_statement(_CREATE, self.schema))
            cursor.executemany(insert, list((meta or {}).items()))

    def meta(self) -> dict[str, str] | None:
        """What the store says of itself; None where there is no store."""
        name = f'"{self.schema}".casestore_meta'
        if self.fetch("SELECT to_regclass(?)", [name])[0][0] is None:
            return None
        return dict(self.fetch(f"SELECT name, value FROM {name}"))

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query on its own and give plain tuples."""
        with self.datastore.get_connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            cursor.execute(cast(Any, sql.replace("?", "%s")), params)
            return cursor.fetchall()

    def writing(self, *, hopeful: bool = False) -> AbstractContextManager[Writing]:
        """Take the write lock, or hope to need it only at the end."""
        return _Writing(self.datastore, self._memory, hopeful=hopeful)

    def _scrub(self, patience: float) -> bool:
        """Write the key table anew. A plain VACUUM leaves the bytes in the holes of its pages."""
        deadline, pause = time.monotonic() + patience, 0.05
        while not self._rewrite_keys():
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause *= 2
        return True

    def _rewrite_keys(self) -> bool:
        """Whether no row that was deleted is left in the table's file.

        One that somebody's snapshot can still see is copied, and where the table is not ours
        nothing is done; neither is an error. What was done is said in notices.
        """
        kept: list[str] = []

        def hear(notice: Diagnostic) -> None:
            if notice.message_detail:  # "0 dead row versions cannot be removed yet", in any tongue
                kept.extend(re.findall(r"\d+", notice.message_detail)[:1])

        with suppress(OperationalError, ProgrammingError), self.datastore.get_connection() as made:
            cursor = made.cursor(row_factory=tuple_row)
            (waits,) = cursor.execute("SHOW lock_timeout").fetchone() or ("0",)
            made.add_notice_handler(hear)
            cursor.execute(_BRIEFLY)
            try:
                table = Identifier(self.schema, "customer_keys")
                cursor.execute(SQL("VACUUM (FULL, VERBOSE) {}").format(table))
            finally:
                made.remove_notice_handler(hear)
                cursor.execute(SQL("SET lock_timeout = {}").format(Literal(waits)))
        return bool(kept) and set(kept) == {"0"}

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Watch for appends with LISTEN."""
        channel = Identifier(_channel(self.schema))
        with self.datastore.get_connection() as connection:
            connection.execute(SQL("LISTEN {}").format(channel))
            try:
                yield _Changes(connection)
            finally:
                if not connection.closed:
                    connection.execute(SQL("UNLISTEN {}").format(channel))


class Factory(PostgresFactory):
    """eventsourcing's factory, giving our recorder."""

    CONNINFO = "CASESTORE_POSTGRES_CONNINFO"
    SCHEMA = "CASESTORE_POSTGRES_SCHEMA"

    def __init__(self, env: Environment | EnvType | None) -> None:
        InfrastructureFactory.__init__(self, env)
        # That setting inserts without any lock: readers would skip events for ever.
        if strtobool(self.env.get("POSTGRES_ENABLE_DB_FUNCTIONS", "n") or "n"):
            raise StoreUnavailable(
                "POSTGRES_ENABLE_DB_FUNCTIONS is set; with it readers lose events: unset it"
            )
        url = PostgresUrl(self.env.get(self.CONNINFO) or "", self.env.get(self.SCHEMA) or "")
        self.datastore = Datastore(url)

    def application_recorder(self) -> ApplicationRecorder:
        """The recorder of the journal. It creates nothing: `CaseStore.create` does."""
        return PostgresJournal(cast(Datastore, self.datastore))
