"""Appending to PostgreSQL, under one transaction advisory lock.

The lock is taken in a statement of its own, before anything is read: a statement that took the lock
and also read would read with a snapshot from before the lock. PostgreSQL releases the lock when the
commit is visible. So commits become visible in the order of positions: a reader that has seen a
position never sees a smaller one appear. The commit is flushed after that; until then nobody is
told of it, nor of what was decided with what another had committed: see `postgres_durable`.
"""

# ruff: noqa: D102  (the protocol Writing documents these methods)

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from secrets import token_hex
from typing import Any, Self, cast

import psycopg
from eventsourcing.persistence import ProgrammingError
from psycopg import Connection, Cursor

from casestore.journal.answering import LockTimeout, translated
from casestore.journal.memory import Memory
from casestore.journal.postgres_datastore import Datastore
from casestore.journal.postgres_durable import FLUSH, WITHOUT_WAITING
from casestore.journal.recorder import UNSCRUBBED, Survey, Writing
from casestore.journal.rows import COLUMNS, KeyRow, Row
from casestore.system.slots import Slot
from casestore.telemetry.spans import waiting

AS_TEXT = COLUMNS.replace("event_id", "event_id::text")
"""The columns of a Row as PostgreSQL is asked for them."""
_CHUNK = 1000
"""Rows to insert in one statement."""


class PostgresWriting(Writing):
    """A write transaction.

    An optimistic one needs one round trip to commit, and another before it where the cache lacks
    what the decision needs.
    """

    def __init__(self, datastore: Datastore, memory: Memory, *, optimistic: bool) -> None:
        self._datastore = datastore
        self._schema = datastore.schema
        self._memory = memory
        self._optimistic = optimistic
        self._surveyed: dict[str, int] = {}
        self._surveyed_keys: dict[str, KeyRow] = {}
        self._writer: tuple[Connection[Any], Cursor[Any]] | None = None
        self._slot: Slot | None = None
        self._begun = False
        self._looked = optimistic
        """Whether something was read, here or into the memory, that may not be durable yet."""
        self._at_once = False
        """Whether the commit is to be durable before the lock is let go."""
        self._complete = False
        """Whether everything was committed, and the memory knows it."""

    def __enter__(self) -> Self:
        try:
            self._slot, left = self._datastore.wait_to_write()
            self._writer = self._datastore.take_writer()
            self._durable = self._datastore.durable
            if not self._optimistic or self._datastore.where.pooled or left is not None:
                self._begun = True
                self._datastore.begin(self._writer[0], left)
            if not self._optimistic:
                with waiting("postgresql"):
                    self._execute(_LOCK)
                self._looked = False
        except BaseException as error:
            self._leave()
            self._translate(error)
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            # A refusal and a conflict tell of what was read as well. An optimistic failure tells
            # nobody: it is decided again.
            tells = isinstance(error, Exception) and not self._optimistic
            if self._looked and (tells or error is None):
                self._end("ROLLBACK;")
        except psycopg.Error as lost:
            error = lost
        finally:
            self._leave()
        self._translate(error)

    def __del__(self) -> None:
        # A signal handler may raise an exception where __exit__ has not begun.
        if self._writer is not None:
            self._leave()

    @property
    def _cursor(self) -> Cursor[Any]:
        assert self._writer is not None  # noqa: S101  (set where the context begins)
        return self._writer[1]

    def _leave(self) -> None:
        if not self._complete:
            self._memory.forget(self._surveyed, self._surveyed_keys)
        if self._writer is None:
            self._slot = None
            return
        connection = self._writer[0]
        if self._begun and not connection.closed:
            with suppress(psycopg.Error):  # a dead connection; the pool replaces it
                connection.rollback()
        writer, self._writer = self._writer, None
        self._datastore.give_writer_back(writer, sound=self._complete)
        self._slot = None

    def _translate(self, error: BaseException | None) -> None:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            raise LockTimeout("all of lock_timeout") from error
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            raise ProgrammingError(
                "this server can only be read: it is a hot standby, or set to read only"
            ) from error
        if isinstance(error, psycopg.Error):
            if isinstance(error, psycopg.OperationalError):
                self._datastore.check()  # the idle connections may be dead too
            raise translated(error) from error

    def _end(self, how: str) -> None:
        """End the transaction if there is one, and wait until what was read in it is durable."""
        # The end and the flush are one message: a pooler sends them to the same server.
        text = how + FLUSH if self._begun else FLUSH
        self._cursor.connection.execute(text.encode(), prepare=False)
        self._begun = self._looked = False

    def _execute(self, text: str, params: Sequence[Any] = ()) -> Cursor[Any]:
        self._looked = True
        return self._cursor.execute(statement(text, self._schema), params)

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        survey = self._remembered(streams, customers) if self._optimistic else None
        if survey is None:
            survey = self._ask(streams, event_ids, customers)
            self._memory.learn(survey.heads, survey.keys)
        self._surveyed |= {stream: survey.heads.get(stream, 0) for stream in streams}
        self._surveyed_keys |= survey.keys
        return survey

    def _remembered(self, streams: Sequence[str], customers: Sequence[str]) -> Survey | None:
        """The answer from the cache; None where the cache lacks a part of it."""
        heads, keys = self._memory.heads, self._memory.keys
        try:
            return Survey(
                0,
                {stream: heads[stream] for stream in streams},
                {},
                {customer_id: keys[customer_id] for customer_id in customers},
            )
        except KeyError:
            return None

    def _ask(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        last_us, heads, rows, keys = 0, {}, {}, {}
        cursor = self._execute(*_survey([list(event_ids), list(streams), list(customers)]))
        for kind, *row in cursor.fetchall():
            match kind:
                case "event":
                    rows[row[7]] = Row._make(row)
                case "head":
                    heads[row[1]] = row[2]
                case "key":
                    keys[row[1]] = KeyRow(row[1], row[4], row[5])
                case _:
                    last_us = row[8]
        return Survey(last_us, heads, rows, keys)

    def rows(self, stream: str, after_version: int) -> list[Row]:
        return [Row._make(row) for row in self._execute(_ROWS, (stream, after_version)).fetchall()]

    def gestures_to(self, customers: Sequence[str]) -> list[Row]:
        return [Row._make(row) for row in self._execute(_GESTURES, (list(customers),)).fetchall()]

    def openings_of(self, customers: Sequence[str]) -> list[Row]:
        return [Row._make(row) for row in self._execute(_OPENINGS, (list(customers),)).fetchall()]

    def merges_of_customers(self) -> list[Row]:
        return [Row._make(row) for row in self._execute(_MERGES).fetchall()]

    def merges_of_cases(self, after: int) -> tuple[list[Row], int]:
        rows = [Row._make(row) for row in self._execute(_CASE_MERGES, (after,)).fetchall()]
        merges = [row for row in rows if row.topic]
        (last,) = (row.position for row in rows if not row.topic)
        return merges, min(last, self._durable.position)  # a crash may take the later ones away

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        positions: list[int] = []
        expected: list[Any] = [[], [], []]
        if self._optimistic:
            # The streams that we append to are compared too. The unique versions would show that a
            # head moved forward, but not that it moved back, as it does where the server fails
            # over to a replica that lags behind.
            key_ids = [key.key_id for key in self._surveyed_keys.values()]
            expected = [list(self._surveyed), list(self._surveyed.values()), key_ids]
        new_keys = _columns(keys) or [[], [], []]
        size = len(rows) if self._optimistic else _CHUNK
        for start in range(0, len(rows) or len(keys[:1]), size or 1):
            events = _columns(rows[start : start + size])[1:] or [[]] * len(Row._fields[1:])
            positions += self._insert([*expected, *new_keys, *events])
            new_keys = [[], [], []]
        if self._looked:
            waits = self._at_once or not rows
            self._end("COMMIT;" if waits else f"{WITHOUT_WAITING} COMMIT;")
        self._durable.learn(max(positions, default=0))
        heads = {row.stream: row.version for row in rows}
        self._memory.learn(heads, {key.customer_id: key for key in keys})
        self._complete = True
        return positions

    def _insert(self, columns: list[list[Any]]) -> list[int]:
        """Append, and give the positions; if no transaction has begun, durably."""
        if not self._begun and self._datastore.has_procedure:
            try:
                row = self._execute(*_append_call(columns, flush=True)).fetchone()
                self._looked = False
                return cast("tuple[list[int]]", row)[0]
            except (psycopg.errors.UndefinedFunction, psycopg.errors.InsufficientPrivilege):
                # A store of an earlier version, or grants of one.
                self._datastore.has_procedure = False
        cursor = self._execute(*_append_call(columns, flush=False))
        self._looked = self._begun  # else it was committed under the lock
        return [position for (position,) in cursor.fetchall()]

    def delete_key(self, customer_id: str) -> None:
        self._at_once = True
        self._execute("DELETE FROM {schema}.customer_keys WHERE customer_id = %s", (customer_id,))
        self._execute(_DELETED, (UNSCRUBBED, token_hex(8)))
        self._memory.forget((), [customer_id])

    def rewrap(self, kek_id: str, keys: Sequence[KeyRow]) -> None:
        self._at_once = True
        meta = "UPDATE {schema}.casestore_meta SET value = %s WHERE name = 'kek_id'"
        self._execute(meta, (kek_id,))
        if keys:
            _, key_ids, wrapped = _columns(keys)
            self._execute(_REWRAP, (key_ids, wrapped))

    def scrubbed(self, deletions: str) -> None:
        self._at_once = True
        meta = "DELETE FROM {schema}.casestore_meta WHERE name = %s AND value = %s"
        self._execute(meta, (UNSCRUBBED, deletions))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


# casestore_append takes it too: a transaction that holds the lock takes it again at no cost.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('casestore:{schema}', 4711))"
# One statement reads everything: psycopg's pipelines cost more than the round trips that they save.
# Each part gives its kind, and then the columns of a Row, filled as far as the kind needs them.
_SURVEY = f"""
SELECT 'event', {AS_TEXT} FROM {{schema}}.stored_events WHERE event_id = ANY ({{event_ids}})
UNION ALL
SELECT * FROM (
    SELECT 'head', 0, given, (
        SELECT originator_version FROM {{schema}}.stored_events WHERE originator_id = given
        ORDER BY originator_version DESC LIMIT 1) AS head,
        '', NULL::bytea, NULL::bytea, NULL, NULL, 0, NULL::bytea
    FROM unnest({{streams}}) AS given) AS heads
WHERE head IS NOT NULL
UNION ALL
SELECT 'key', 0, customer_id, 0, '', key_id, wrapped, NULL, NULL, 0, NULL
FROM {{schema}}.customer_keys WHERE customer_id = ANY ({{customers}})
UNION ALL (
    SELECT 'last', position, '', 0, '', NULL, NULL, NULL, NULL, recorded_at, NULL
    FROM {{schema}}.stored_events ORDER BY position DESC LIMIT 1)
"""
_SURVEYED = ("{event_ids}", "{streams}", "{customers}")
_SURVEYED_TYPES = ("uuid", "text", "text")
_ROWS = (
    f"SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE originator_id = %s "
    "AND originator_version > %s ORDER BY originator_version"
)
_GESTURES = (
    f"SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE customer_id = ANY (%b::text[]) "
    "AND topic = 'GestureGiven'"
)
_OPENINGS = (
    f"SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE customer_id = ANY (%b::text[]) "
    "AND topic = 'CaseOpened' ORDER BY position"
)
_MERGES = f"SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE topic = 'CustomerMerged'"
_CASE_MERGES = f"""
SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE topic = 'CaseMerged' AND position > %s
UNION ALL
SELECT coalesce(max(position), 0), '', 0, '', '', NULL, NULL, NULL, 0, ''
FROM {{schema}}.stored_events
"""
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
    *("text", "bigint", "bytea"),  # what was surveyed: streams, heads, key ids
    *("text", "bytea", "bytea"),  # new keys: customers, key ids, wrapped keys
    *("text", "bigint", "text", "bytea", "bytea", "text", "uuid", "bigint", "bytea"),  # rows
)
_SPREAD = 4
"""A column of up to this many values is sent as single parameters: psycopg takes longer to send a
list of one value than the server takes to build an array of it."""


@cache
def _arrays(kinds: tuple[str, ...], lengths: tuple[int, ...]) -> tuple[str, ...]:
    """Columns of these types and lengths, each at most _SPREAD + 1, as arrays in SQL."""
    return tuple(
        f"{'%s' if kind == 'uuid' else '%b'}::{kind}[]"
        if length > _SPREAD
        else f"ARRAY[{', '.join([f'%s::{kind}'] * length)}]::{kind}[]"
        for kind, length in zip(kinds, lengths, strict=True)
    )


def _spread(columns: Sequence[list[Any]]) -> tuple[tuple[int, ...], list[Any]]:
    """The lengths for `_arrays`, and the parameters."""
    lengths = tuple([len(column) if len(column) <= _SPREAD else _SPREAD + 1 for column in columns])
    params: list[Any] = []
    for column in columns:
        if len(column) > _SPREAD:
            params.append(column)
        else:
            params += column
    return lengths, params


@cache
def _append_statement(lengths: tuple[int, ...], flush: bool) -> str:
    given = ", ".join(_arrays(_APPEND_TYPES, lengths))
    if flush:
        return f"CALL {{schema}}.casestore_append_then_flush({given}, NULL)"
    return f"SELECT * FROM {{schema}}.casestore_append({given})"


def _append_call(columns: Sequence[list[Any]], *, flush: bool) -> tuple[str, list[Any]]:
    lengths, params = _spread(columns)
    return _append_statement(lengths, flush), params


@cache
def _survey_statement(lengths: tuple[int, ...]) -> str:
    text = _SURVEY
    for name, array in zip(_SURVEYED, _arrays(_SURVEYED_TYPES, lengths), strict=True):
        text = text.replace(name, array)
    return text


def _survey(columns: Sequence[list[Any]]) -> tuple[str, list[Any]]:
    lengths, params = _spread(columns)
    return _survey_statement(lengths), params


@cache
def statement(text: str, schema: str) -> bytes:
    """A statement with the schema's name put in: quoted, as it may be a word of SQL's own.

    parse_url has checked the name.
    """
    return text.replace("{schema}.", f'"{schema}".').replace("{schema}", schema).encode()
