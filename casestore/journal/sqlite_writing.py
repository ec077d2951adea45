"""Appending to a SQLite file, under the write lock that BEGIN IMMEDIATE takes."""

# ruff: noqa: D102  (the protocol Writing documents these methods)

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from operator import itemgetter
from secrets import token_hex
from typing import Any, Self

from casestore.errors import StoreDamaged
from casestore.journal.clocks import WENT_BACK, went_back
from casestore.journal.memory import Memory
from casestore.journal.recorder import UNSCRUBBED, DecideAgain, Survey, Writing
from casestore.journal.rows import COLUMNS, KeyRow, Row, key_row
from casestore.journal.sqlite_datastore import Datastore, not_written
from casestore.system.line import Place
from casestore.telemetry.spans import waiting

_MANY = 100
"""A commit of more events than this is an import's."""
_LAST = 2**63 - 1
_INSERT = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state, personal, "
    "customer_id, event_id, recorded_at, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_WITHOUT_POSITION = itemgetter(slice(1, None))
_HEAD = (
    "SELECT originator_version FROM stored_events WHERE originator_id = ? "
    "ORDER BY originator_version DESC LIMIT 1"
)
_KEY = "SELECT customer_id, key_id, wrapped FROM customer_keys WHERE customer_id = ?"


class SQLiteWriting(Writing):
    """A write transaction.

    A plain class, because nested @contextmanager generators would take as long as the insert.
    """

    def __init__(
        self,
        datastore: Datastore,
        memory: Memory,
        *,
        optimistic: bool,
        place: Place[Any, Any] | None = None,
    ) -> None:
        self._datastore = datastore
        self._memory = memory
        self._optimistic = optimistic
        self._place = place
        self._complete = True
        """Whether the memory knows of everything that was committed."""
        self.left = False

    def __enter__(self) -> Self:
        with waiting("sqlite"):
            self._connection, self._cursor = self._datastore.take_writer(self, self._place)
        self._complete = False
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._leave()
        if isinstance(error, sqlite3.Error):
            raise not_written(error, self._connection) from error

    def __del__(self) -> None:
        # A signal handler may raise an exception where __exit__ has not begun.
        if not self.left:
            self._leave()

    def _leave(self) -> None:
        if not self._complete:  # the commit may have been made, even if it raised
            self._memory.clear()
        self._datastore.give_writer_back(self)
        self.left = True

    def next_in_line(self) -> Place[Any, Any] | None:
        if self._place is None or (place := self._datastore.line.next()) is None:
            return None
        self._optimistic = False  # what fails at the insert would fail for all
        return place

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        # We hold the lock: the cache is right unless another connection has committed.
        memory, one = self._memory, self._one
        memory.as_of((self._datastore.writers, one("PRAGMA data_version")[0]))
        last_us, heads, keys = memory.last_us, memory.heads, memory.keys
        if last_us is None:
            last = one("SELECT recorded_at FROM stored_events ORDER BY position DESC LIMIT 1")
            last_us = memory.last_us = _number(last[0]) if last else 0
        for stream in streams:
            if stream not in heads and (row := one(_HEAD, stream)):
                heads[stream] = _number(row[0])
        for customer_id in customers:
            if customer_id not in keys and (row := one(_KEY, customer_id)):
                keys[customer_id] = key_row(row)
        return Survey(
            last_us,
            {stream: heads[stream] for stream in streams if stream in heads},
            # Optimistic: an event id that is there already makes the insert fail instead.
            {} if self._optimistic else {row[7]: Row._make(row) for row in self._by_id(event_ids)},
            {customer_id: keys[customer_id] for customer_id in customers if customer_id in keys},
        )

    def _by_id(self, event_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(event_ids), 500):
            chunk = event_ids[start : start + 500]
            marks = ", ".join("?" * len(chunk))
            yield from self._cursor.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE event_id IN ({marks})", chunk
            )

    def _one(self, sql: str, *params: Any) -> Any:
        return self._cursor.execute(sql, params).fetchone()

    def rows(self, stream: str, after_version: int) -> list[Row]:
        if self._optimistic and after_version == 0:
            # The caller reads the stream without the lock, and then tries again with it.
            raise DecideAgain("the stream is not in memory: read it before taking the lock")
        rows = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE originator_id = ? "
            "AND originator_version > ? ORDER BY originator_version",
            (stream, after_version),
        )
        return [Row._make(row) for row in rows]

    def gestures_to(self, customers: Sequence[str]) -> list[Row]:
        marks = ", ".join("?" * len(customers))
        rows = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE customer_id IN ({marks}) "
            "AND topic = 'GestureGiven'",
            customers,
        )
        return [Row._make(row) for row in rows]

    def openings_of(self, customers: Sequence[str]) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(customers), 500):
            chunk = customers[start : start + 500]
            marks = ", ".join("?" * len(chunk))
            found = self._cursor.execute(
                f"SELECT {COLUMNS} FROM stored_events WHERE customer_id IN ({marks}) "
                "AND topic = 'CaseOpened'",
                chunk,
            )
            rows += map(Row._make, found)
        return sorted(rows)

    def merges_of_customers(self) -> list[Row]:
        rows = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE topic = 'CustomerMerged'"
        )
        return [Row._make(row) for row in rows]

    def merges_of_cases(self, after: int) -> tuple[list[Row], int]:
        (last,) = self._one("SELECT max(position) FROM stored_events")
        found = self._cursor.execute(
            f"SELECT {COLUMNS} FROM stored_events WHERE topic = 'CaseMerged' AND position > ?",
            (after,),
        )
        return [Row._make(row) for row in found], last or 0

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        if keys:
            self._cursor.executemany("INSERT INTO customer_keys VALUES (?, ?, ?)", keys)
        last = 0
        if len(rows) > _MANY:
            self._datastore.expect_many()
        try:
            if len(rows) > 1:
                self._cursor.executemany(_INSERT, map(_WITHOUT_POSITION, rows[:-1]))
            if rows:
                last = self._cursor.execute(_INSERT, _WITHOUT_POSITION(rows[-1])).lastrowid or 0
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                self._check_positions_left()
            raise
        back = went_back(self._memory.last_us or 0, (row.recorded_us for row in rows))
        if back is not None:
            self._set_meta(WENT_BACK, str(last - len(rows) + 1 + back))
        self._connection.commit()
        if rows:
            heads = {row.stream: row.version for row in rows}
            self._memory.learn(heads, {key.customer_id: key for key in keys})
            self._memory.last_us = rows[-1].recorded_us
        self._complete = True
        # One transaction writes at a time, and its positions have no gaps: they end with `last`.
        return list(range(last - len(rows) + 1, last + 1))

    def _check_positions_left(self) -> None:
        """SQLite says that the disk is full, too, where no position is left to give."""
        given = "SELECT max(seq) FROM (SELECT seq FROM sqlite_sequence UNION {})"
        (last,) = self._one(given.format("SELECT max(position) FROM stored_events"))
        if last == _LAST:
            raise StoreDamaged(
                "no event can be appended: the last position that there is was given, which no "
                "store comes to; run `casestore doctor`, which names what stands there"
            )

    def delete_key(self, customer_id: str) -> None:
        self._memory.forget((), [customer_id])
        self._cursor.execute("DELETE FROM customer_keys WHERE customer_id = ?", (customer_id,))
        self._set_meta(UNSCRUBBED, token_hex(8))

    def _set_meta(self, name: str, value: str) -> None:
        self._cursor.execute("INSERT OR REPLACE INTO casestore_meta VALUES (?, ?)", (name, value))

    def rewrap(self, kek_id: str, keys: Sequence[KeyRow]) -> None:
        self._memory.clear()
        self._cursor.execute("UPDATE casestore_meta SET value = ? WHERE name = 'kek_id'", (kek_id,))
        self._cursor.executemany(
            "UPDATE customer_keys SET wrapped = ? WHERE key_id = ?",
            [(key.wrapped, key.key_id) for key in keys],
        )

    def scrubbed(self, deletions: str) -> None:
        self._cursor.execute(
            "DELETE FROM casestore_meta WHERE name = ? AND value = ?", (UNSCRUBBED, deletions)
        )


def _number(stored: Any) -> int:
    """A version or a time as it is stored. SQLite keeps whatever it is given."""
    if type(stored) is not int:
        raise StoreDamaged(
            "a version or a time of recording is not as casestore writes it; run `casestore doctor`"
        )
    return stored
