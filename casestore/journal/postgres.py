"""The journal in a PostgreSQL schema: its tables, and reading them.

`casestore.journal.postgres_writing` appends.
"""

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
    InterfaceError,
    OperationalError,
)
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment, EnvType, strtobool
from psycopg import Connection
from psycopg.errors import Diagnostic
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier
from psycopg_pool import PoolTimeout

from casestore.errors import StoreExists, StoreUnavailable
from casestore.journal.answering import database_answers, translated
from casestore.journal.clocks import FAR_US, WENT_BACK
from casestore.journal.listening import Changes, Unheard
from casestore.journal.memory import Memory
from casestore.journal.postgres_datastore import SETTINGS, Datastore
from casestore.journal.postgres_durable import FLUSH, Durable
from casestore.journal.postgres_writing import AS_TEXT, PostgresWriting, statement
from casestore.journal.recorder import JournalRecorder, Writing
from casestore.journal.rows import only_up_to_large
from casestore.journal.url import PostgresUrl, parse_url
from casestore.journal.usable import not_found
from casestore.streams.history import from_microseconds
from casestore.system.line import Place

_SCHEMA = 'CREATE SCHEMA IF NOT EXISTS "{schema}";'
_TABLES = """
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
-- One round trip takes the lock, checks what was read before, inserts and notifies. Each statement
-- in here begins after the lock is taken, so it sees every earlier commit. told_streams, told_heads
-- and told_keys are what the decision rests on: stream heads, and ids of data keys that exist. If
-- one has changed, nothing is inserted. Where something was told, the decision was made without the
-- last event's time of recording, which is then heeded here: see casestore.journal.clocks.
-- Rows get their positions in the order of the arrays.
CREATE OR REPLACE FUNCTION {schema}.casestore_append(
    told_streams text[], told_heads bigint[], told_keys bytea[],
    key_customers text[], key_ids bytea[], key_wrapped bytea[],
    streams text[], versions bigint[], topics text[], states bytea[], personals bytea[],
    customers text[], event_ids uuid[], recorded bigint[], metadatas bytea[]
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    holds boolean := true;
    before bigint;
    back integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('casestore:{schema}', 4711));
    FOR n IN 1 .. cardinality(told_streams) LOOP
        holds := holds AND told_heads[n] = coalesce((
            SELECT originator_version FROM {schema}.stored_events
            WHERE originator_id = told_streams[n] ORDER BY originator_version DESC LIMIT 1), 0);
    END LOOP;
    FOR n IN 1 .. cardinality(told_keys) LOOP
        holds := holds AND EXISTS (
            SELECT FROM {schema}.customer_keys WHERE key_id = told_keys[n]);
    END LOOP;
    IF NOT holds THEN
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
    SELECT recorded_at INTO before FROM {schema}.stored_events ORDER BY position DESC LIMIT 1;
    FOR n IN 1 .. cardinality(recorded) LOOP
        IF recorded[n] >= before THEN
            NULL;
        ELSIF cardinality(told_streams) > 0 AND before <= recorded[n] + {far} THEN
            recorded[n] := before;
        ELSIF recorded[n] < before THEN
            back := n;
        END IF;
        before := recorded[n];
    END LOOP;
    PERFORM pg_notify(left('casestore_' || '{schema}', 63), '');
    RETURN QUERY
    INSERT INTO {schema}.stored_events (originator_id, originator_version, topic, state, personal,
        customer_id, event_id, recorded_at, metadata)
    SELECT a, b, c, d, e, f, g, h, i
    FROM unnest(streams, versions, topics, states, personals, customers, event_ids, recorded,
        metadatas) WITH ORDINALITY AS given (a, b, c, d, e, f, g, h, i, n)
    ORDER BY n
    RETURNING position;
    IF back IS NOT NULL THEN
        INSERT INTO {schema}.casestore_meta
        SELECT '{went_back}', position FROM {schema}.stored_events WHERE event_id = event_ids[back]
        ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    END IF;
END
$$;
-- The same, for a call outside of a transaction. The lock is let go before the flush, for which one
-- more commit waits: see casestore.journal.postgres_durable. Where a standby is to be waited for,
-- that is done under the lock, at the end of the call.
CREATE OR REPLACE PROCEDURE {schema}.casestore_append_then_flush(
    told_streams text[], told_heads bigint[], told_keys bytea[],
    key_customers text[], key_ids bytea[], key_wrapped bytea[],
    streams text[], versions bigint[], topics text[], states bytea[], personals bytea[],
    customers text[], event_ids uuid[], recorded bigint[], metadatas bytea[],
    INOUT positions bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
    positions := ARRAY(SELECT * FROM {schema}.casestore_append(
        told_streams, told_heads, told_keys, key_customers, key_ids, key_wrapped,
        streams, versions, topics, states, personals, customers, event_ids, recorded, metadatas));
    IF current_setting('synchronous_standby_names') = '' THEN
        PERFORM set_config('synchronous_commit', 'off', true);
        COMMIT;
        IF current_setting('server_version_num')::integer >= 170000 THEN
            PERFORM pg_logical_emit_message(false, 'casestore', '', true);
        ELSE
            PERFORM pg_logical_emit_message(true, 'casestore', '');
        END IF;
    END IF;
END
$$;
""".replace("{far}", str(FAR_US)).replace("{went_back}", WENT_BACK)
_LAST_GIVEN = """
SELECT coalesce(
    CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT')
    THEN pg_sequence_last_value(name::regclass) END,
    (SELECT position FROM {table} ORDER BY position DESC LIMIT 1),
    0
) FROM pg_get_serial_sequence(?, 'position') AS name
"""
_ATTEMPTS = 6
"""How often a query is tried, for 1.5 seconds in all if it fails at once."""
_BRIEFLY = "SET lock_timeout = '200ms'"
"""VACUUM FULL needs the table for itself, and all writers queue up behind it while it waits."""


def creation(schema: str) -> bytes:
    """The statements that make a schema, its tables, triggers and functions."""
    return statement(_SCHEMA + _TABLES, schema)


_INDEX_OR_TRIGGER = re.compile(r"CREATE (?:OR REPLACE )?(INDEX|TRIGGER) (?:IF NOT EXISTS )?(\w+)")
_FUNCTION = re.compile(
    r"CREATE OR REPLACE (FUNCTION|PROCEDURE) \S+\.(\w+)\(.*?\$\$(.*?)\$\$", re.DOTALL
)
_FOUND = """
SELECT relname::text, '' FROM pg_class WHERE relkind = 'i' AND relnamespace = to_regnamespace(?)
UNION ALL SELECT tgname::text, '' FROM pg_trigger WHERE tgrelid = to_regclass(?)
UNION ALL SELECT proname::text, prosrc FROM pg_proc WHERE pronamespace = to_regnamespace(?)
"""


def settle(connection: Connection[Any]) -> None:
    """Make our settings for the transaction of a connection that is not the datastore's."""
    connection.execute(cast(Any, SETTINGS))


def flush(where: PostgresUrl) -> None:
    """Wait until all that can be read by now is durable, on a connection of its own."""
    with psycopg.connect(where.direct, autocommit=True, prepare_threshold=None) as connection:
        connection.execute(FLUSH)


def holds_store(where: PostgresUrl) -> bool:
    """Whether a schema holds a store.

    A connection of its own is used, because it fails at once where the pool's would try again.
    Raises StoreUnavailable.
    """
    try:
        with psycopg.connect(where.conninfo) as connection:
            name = f'"{where.schema}".casestore_meta'
            (table,) = connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() or (None,)
            return table is not None
    except psycopg.Error as error:
        brief = str(error).strip().partition("\n")[0]
        raise StoreUnavailable(f"PostgreSQL does not answer: {brief}") from None


def check_store(where: PostgresUrl, shown: str) -> None:
    """Check that a schema holds a store; `shown` is how a message names it.

    Raises StoreNotFound, StoreUnavailable.
    """
    if not holds_store(where):
        raise not_found(shown)


def make_place(where: PostgresUrl, group: str | None = None) -> None:
    """Check that a new store can be made in a schema. Raises StoreExists, StoreUnavailable."""
    if group is not None:
        raise StoreUnavailable("a group is of a file; on PostgreSQL, GRANT says who may do what")
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

    has_text = "position(?::bytea in state) > 0"

    def __init__(self, datastore: Datastore) -> None:
        self.datastore = datastore
        self.schema = datastore.schema
        self.table = self.rows_alone = f'"{self.schema}".stored_events'
        self.columns = AS_TEXT
        self.keys_table = f'"{self.schema}".customer_keys'
        self.meta_table = f'"{self.schema}".casestore_meta'
        self._memory = Memory()

    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the schema with its tables, and insert the metadata of a new store."""
        insert = statement("INSERT INTO {schema}.casestore_meta VALUES (%s, %s)", self.schema)
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(4711)"
            )  # IF NOT EXISTS fails where two create at once
            cursor.execute(creation(self.schema))
            cursor.executemany(insert, list((meta or {}).items()))

    def lacks(self) -> list[str]:
        """What a new store has beside its tables and this one has not; and functions that it has
        otherwise."""
        schema = f'"{self.schema}"'
        found = dict(self.fetch(_FOUND, [schema, self.table, schema]))
        script = creation(self.schema).decode()
        made = [(kind, name, "") for kind, name in _INDEX_OR_TRIGGER.findall(script)]
        return [
            f"{kind.lower()} {name}"
            for kind, name, body in (*made, *_FUNCTION.findall(script))
            if found.get(name) != body
        ]

    def altered(self) -> list[tuple[str, str]]:
        """What of the tables is not as casestore makes it, and what was added to them."""
        from casestore.journal import postgres_schema  # noqa: PLC0415  (only the doctor asks)

        found = self.fetch(postgres_schema.CATALOG, [self.schema, self.schema])
        return postgres_schema.altered(found, self.schema)

    def upgrade(self) -> None:
        """Make what `lacks` tells, in one transaction. No row is touched."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(4711)")
            # Without the schema, which only who may make new ones can ask for.
            cursor.execute(statement(_TABLES, self.schema))

    def meta(self) -> dict[str, str] | None:
        """The rows of casestore_meta; None where there is no store."""
        if self.fetch("SELECT to_regclass(?)", [self.meta_table])[0][0] is None:
            return None
        return dict(self.fetch(f"SELECT name, value FROM {self.meta_table}"))

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query in a transaction of its own and give plain tuples, once they are durable.

        Where the server does not answer, say because it was restarted, it is asked again.
        """
        wait = 0.05
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._fetch(sql, params)
            except (OperationalError, InterfaceError) as error:
                if isinstance(error.__cause__, PoolTimeout):  # it has tried for long already
                    raise
            time.sleep(wait)
            wait *= 2
        return self._fetch(sql, params)

    def fetch_some(self, sql: str, params: Sequence[Any], order: str = "position") -> list[Any]:
        """As `fetch`, but no more rows than are needed to have LARGE bytes."""
        return self.fetch(only_up_to_large(sql, self.columns, order), params)

    def _among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        # Of hundreds of parameters, the server would take longer to read them than to answer.
        return "= ANY(?)", [list(values)]

    def _fetch(self, sql: str, params: Sequence[Any]) -> list[Any]:
        with self.datastore.get_connection() as connection:
            durable = self.datastore.durable
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            if not self.datastore.where.pooled:
                rows = cursor.execute(cast(Any, sql.replace("?", "%s")), params).fetchall()
                durable.wait(cursor, self.table, sql, rows)
                return rows
            # A pooler may go over to another server between two transactions, and says nothing. So
            # nothing is known from before, and what was read is flushed where it was read.
            self.datastore.begin(connection)
            try:
                rows = cursor.execute(cast(Any, sql.replace("?", "%s")), params).fetchall()
                Durable().wait(cursor, self.table, sql, rows)
                connection.commit()
                return rows
            finally:
                connection.rollback()

    def check_clock(self) -> None:
        """Check this machine's clock against the server's.

        The server is asked only if it seems to be wrong: see `Datastore.server_us`.

        Raises StoreUnavailable where they are more than five minutes apart.
        """
        now_us = time.time_ns() // 1000
        server_us = self.datastore.server_us()
        if server_us is not None and abs(server_us - now_us) <= FAR_US:
            return
        with database_answers("the server's clock"):
            server_us = self.datastore.ask_server_us()
        if abs(server_us - now_us) > FAR_US:
            ours, servers = (
                f"{from_microseconds(us):%Y-%m-%dT%H:%M:%SZ}" for us in (now_us, server_us)
            )
            raise StoreUnavailable(
                f"this machine's clock says {ours}, and the database server's {servers}: more than "
                "five minutes apart, so nothing was recorded; set the clock that is wrong, best by "
                "NTP, and try again with the same key"
            )

    def last_given_position(self) -> int:
        """The last position given to an event, even to one that was not committed or is deleted.

        To a role that may not see the sequence, that of the last event there is.
        """
        return int(self._ask(_LAST_GIVEN.format(table=self.table), [self.table])[0][0])

    def append_only_triggers(self) -> dict[str, bool]:
        """For each trigger that keeps the table append-only, whether it is there and enabled."""
        sql = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass(?) "
        names = {name for (name,) in self.fetch(f"{sql}AND tgenabled IN ('O', 'A')", [self.table])}
        wanted = ("stored_events_no_change", "stored_events_no_truncate")
        return {trigger: trigger in names for trigger in wanted}

    def writing(
        self, *, optimistic: bool = False, place: Place[Any, Any] | None = None
    ) -> AbstractContextManager[Writing]:
        """Begin a write: under the lock, or optimistic, which takes the lock only to insert."""
        del place  # each thread writes for itself
        return PostgresWriting(self.datastore, self._memory, optimistic=optimistic)

    def _scrub(self, patience: float) -> bool:
        """Rewrite the key table: after a plain VACUUM its free space still holds the old bytes."""
        deadline, pause = time.monotonic() + patience, 0.05
        while not self._rewrite_keys():
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause *= 2
        return True

    def _rewrite_keys(self) -> bool:
        """Rewrite the table with VACUUM FULL; whether no deleted row is left in its file.

        A deleted row that an open snapshot can still see is copied, and the table of another owner
        is skipped. Neither is an error: only the notices of VERBOSE tell how many rows were copied.
        """
        copied: list[str] = []

        def read_notice(notice: Diagnostic) -> None:
            # "0 dead row versions cannot be removed yet", in the language of the server.
            if notice.message_detail:
                copied.extend(re.findall(r"\d+", notice.message_detail)[:1])

        where = self.datastore.where
        if where.pooled and where.listen_url is None:
            return False  # it needs a session: VACUUM runs in no transaction
        with (
            suppress(psycopg.OperationalError, psycopg.ProgrammingError),
            psycopg.connect(where.direct, autocommit=True) as connection,
        ):
            connection.add_notice_handler(read_notice)
            connection.execute(_BRIEFLY)
            table = Identifier(self.schema, "customer_keys")
            connection.execute(SQL("VACUUM (FULL, VERBOSE) {}").format(table))
        return bool(copied) and set(copied) == {"0"}

    @contextmanager
    def _listen(self) -> Iterator[Changes]:
        """Watch for appends with LISTEN. A transaction pooler passes no notices on."""
        where = self.datastore.where
        if where.pooled and where.listen_url is None:
            yield Unheard()
            return
        # Not one of the pool's, which are for those who append and read.
        try:
            with psycopg.connect(where.direct, autocommit=True) as connection:
                channel = Identifier(_channel(self.schema))
                connection.execute(SQL("LISTEN {}").format(channel))
                yield _Changes(connection)
        except psycopg.Error as error:
            raise translated(error) from error


class Factory(PostgresFactory):
    """Makes our recorder where eventsourcing's factory would make its own."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        InfrastructureFactory.__init__(self, env)
        # With this setting eventsourcing inserts without our lock. Positions would then become
        # visible out of order, and a reader would never see those that it has gone past.
        if strtobool(self.env.get("POSTGRES_ENABLE_DB_FUNCTIONS", "n") or "n"):
            raise StoreUnavailable(
                "POSTGRES_ENABLE_DB_FUNCTIONS is set; with it readers lose events: unset it"
            )
        url = parse_url(self.env.get("CASESTORE_URL"))
        self.datastore = Datastore(cast(PostgresUrl, url))

    def application_recorder(self) -> ApplicationRecorder:
        """The recorder of the journal. It creates no table: `CaseStore.create` does."""
        return PostgresJournal(cast(Datastore, self.datastore))
