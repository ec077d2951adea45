"""The journal in a PostgreSQL schema: its tables, and reading them. See postgres_writing for the
lock that makes commit order position order."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, cast

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    InfrastructureFactory,
    OperationalError,
    ProgrammingError,
)
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment, EnvType, strtobool
from psycopg import Connection
from psycopg.errors import Diagnostic
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal

from casestore.errors import StoreExists, StoreUnavailable
from casestore.journal.memory import Memory
from casestore.journal.postgres_datastore import Datastore
from casestore.journal.postgres_writing import AS_TEXT, PostgresWriting, statement
from casestore.journal.recorder import Changes, JournalRecorder, Writing
from casestore.journal.url import PostgresUrl

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
CREATE INDEX IF NOT EXISTS stored_events_case_merges ON {schema}.stored_events (position)
    WHERE topic = 'CaseMerged';
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
_BRIEFLY = "SET lock_timeout = '200ms'"
"""Writers queue up behind who waits for a table that they need."""


def creation(schema: str) -> bytes:
    """The statements that make a schema and all that stands in it."""
    return statement(_CREATE, schema)


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


def _channel(schema: str) -> str:
    return f"casestore_{schema}"[:63]


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
        self.columns = AS_TEXT
        self.keys_table = f'"{self.schema}".customer_keys'
        self._memory = Memory()

    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the schema and all in it, and say what a new store says of itself."""
        insert = statement("INSERT INTO {schema}.casestore_meta VALUES (%s, %s)", self.schema)
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(4711)")  # IF NOT EXISTS can race
            cursor.execute(creation(self.schema))
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

    def last_given_position(self) -> int:
        """The last position that was given, also to what was never committed, or is gone."""
        sql = "SELECT pg_sequence_last_value(pg_get_serial_sequence(?, 'position')::regclass)"
        return int(self._ask(sql, [self.table])[0][0] or 0)

    def append_only_triggers(self) -> dict[str, bool]:
        """The triggers that keep the table append-only, by name; whether each is in force."""
        sql = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass(?) "
        names = {name for (name,) in self.fetch(f"{sql}AND tgenabled <> 'D'", [self.table])}
        wanted = ("no_change", "no_truncate")
        return {each: each in names for each in (f"stored_events_{name}" for name in wanted)}

    def writing(self, *, optimistic: bool = False) -> AbstractContextManager[Writing]:
        """Take the write lock, or hope to need it only at the end."""
        return PostgresWriting(self.datastore, self._memory, optimistic=optimistic)

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
