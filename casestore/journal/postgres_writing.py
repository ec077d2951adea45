"""Appending to PostgreSQL, under one transaction advisory lock.

The lock is taken in a statement of its own, before anything is read: a snapshot taken with it
would predate it. It is let go when the commit is visible, so commit order is position order and a
reader that has seen a position never sees a smaller one appear.
"""

# ruff: noqa: D102  (what each does, the protocol Writing says)

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from secrets import token_hex
from typing import Any, Self

import psycopg
from psycopg import Connection, Cursor

from casestore.journal.memory import Memory
from casestore.journal.postgres_datastore import Datastore
from casestore.journal.recorder import UNSCRUBBED, Survey, Writing, translated
from casestore.journal.rows import COLUMNS, KeyRow, Row

AS_TEXT = COLUMNS.replace("event_id", "event_id::text")
"""The columns of a Row as PostgreSQL is asked for them."""
_CHUNK = 1000
"""Rows to insert in one statement."""


class PostgresWriting(Writing):
    """A write transaction: one round trip where memory serves, two where it does not."""

    def __init__(self, datastore: Datastore, memory: Memory, *, optimistic: bool) -> None:
        self._datastore = datastore
        self._schema = datastore.schema
        self._memory = memory
        self._optimistic = optimistic
        self._told: dict[str, int] = {}
        self._told_keys: dict[str, KeyRow] = {}
        self._begun = False

    def __enter__(self) -> Self:
        try:
            self._connection, self._cursor = self._datastore.take_writer()
            if not self._optimistic:
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
        return self._cursor.execute(statement(text, self._schema), params)

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        told = self._remembered(streams, customers) if self._optimistic else None
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

    def merges_of_cases(self, after: int) -> tuple[list[Row], int]:
        rows = [Row._make(row) for row in self._execute(_CASE_MERGES, (after,)).fetchall()]
        merges = [row for row in rows if row.topic]
        (last,) = (row.position for row in rows if not row.topic)
        return merges, last

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        positions: list[int] = []
        told: list[Any] = [[], [], []]
        if self._optimistic:
            # Also of streams to which we add: that versions are unique tells whether one moved on,
            # but not whether it moved back, as where a server fails over to one that lags behind.
            key_ids = [key.key_id for key in self._told_keys.values()]
            told = [list(self._told), list(self._told.values()), key_ids]
        new_keys = _columns(keys) or [[], [], []]
        size = len(rows) if self._optimistic else _CHUNK
        for start in range(0, len(rows), size or 1):
            events = _columns(rows[start : start + size])[1:]
            asked = self._execute(*_append_call([*told, *new_keys, *events]))
            positions += [position for (position,) in asked.fetchall()]
            new_keys = [[], [], []]
        if not self._optimistic:
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
SELECT 'event', {AS_TEXT} FROM {{schema}}.stored_events WHERE event_id = ANY (%s::uuid[])
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
    f"SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE originator_id = %s "
    "AND originator_version > %s ORDER BY originator_version"
)
_GESTURES = (
    f"SELECT {AS_TEXT} FROM {{schema}}.stored_events WHERE customer_id = ANY (%b::text[]) "
    "AND topic = 'GestureGiven'"
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
    *("text", "bigint", "bytea"),  # what was told: streams, heads, key ids
    *("text", "bytea", "bytea"),  # new keys: customers, key ids, wrapped keys
    *("text", "bigint", "text", "bytea", "bytea", "text", "uuid", "bigint", "bytea"),  # rows
)
_SPREAD = 4
"""Columns up to this length are spread into single parameters: psycopg takes longer to send a list
of one than the server takes to build it."""


@cache
def _appendstatement(lengths: tuple[int, ...]) -> str:
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
    return _appendstatement(lengths), params


@cache
def statement(text: str, schema: str) -> bytes:
    """A statement with the schema's name in it, which parse_url has checked."""
    return text.replace("{schema}", schema).encode()
