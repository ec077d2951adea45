"""What may be asked of the table of events and the table of keys, each question by its name.

No other module writes SQL over these tables. A question raises StoreUnavailable where the database
does not answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from casestore.journal.answering import database_answers
from casestore.journal.rows import COLUMNS, KeyRow, PlainRow

MERGES = ("CaseMerged", "CustomerMerged")
"""The topics of merges. There is an index for each."""
_AT_ONCE = 400
"""Values to look up in one statement: as many as any database takes as parameters."""


class Questions(ABC):
    """The questions. A backend gives `fetch`, and the two that its system tables answer."""

    table = "stored_events"
    columns = COLUMNS
    keys_table = "customer_keys"

    @abstractmethod
    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query on its own and give plain tuples. `?` stands for a parameter.

        Raises eventsourcing's PersistenceError.
        """

    @abstractmethod
    def last_given_position(self) -> int:
        """The last position that was given, also to what was never committed, or is gone."""

    @abstractmethod
    def append_only_triggers(self) -> Mapping[str, bool]:
        """The triggers that keep the table append-only, by name; whether each is in force."""

    def _ask(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        with database_answers("the store"):
            return self.fetch(sql, params)

    def _ask_of(self, sql: str, values: Sequence[Any], *after: Any) -> list[Any]:
        """Ask about many values, some at a time; {marks} stands for them in the statement."""
        answers: list[Any] = []
        for start in range(0, len(values), _AT_ONCE):
            some = values[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            answers += self._ask(sql.replace("{marks}", marks), [*some, *after])
        return answers

    # --- rows ------------------------------------------------------------------------------

    def rows(
        self, after: int, limit: int, *, stop: int | None = None, topics: Sequence[str] = ()
    ) -> list[PlainRow]:
        """Rows in position order after a position."""
        with database_answers("the store"):
            return self._select(["position > ?"], [after], limit, stop, topics)

    def _select(
        self,
        where: list[str],
        params: list[Any],
        limit: int | None,
        stop: int | None,
        topics: Sequence[str],
    ) -> list[PlainRow]:
        if stop is not None:
            where.append("position <= ?")
            params.append(stop)
        if topics:
            where.append(f"topic IN ({', '.join('?' * len(topics))})")
            params.extend(topics)
        sql = f"SELECT {self.columns} FROM {self.table}"
        if where:
            sql += " WHERE " + " AND ".join(where)
        sql += " ORDER BY position"
        if limit is not None:
            sql += " LIMIT ?"
            params.append(limit)
        return self.fetch(sql, params)

    def mark(self, position: int) -> str:
        """What tells the event at a position from any other that might be there, as where an older
        copy of a store was put back."""
        if position == 0:
            return ""
        rows = self.rows(position - 1, 1, stop=position)
        # Ids made from keys are the same in a history that is told anew; the time is not.
        return f"{rows[0][7]} {rows[0][8]}" if rows else "no such event"

    def stream_rows(
        self, stream: str, *, lte: int | None = None, limit: int | None = None
    ) -> list[PlainRow]:
        """A stream's rows in version order, up to a version and at most so many."""
        with database_answers("the store"):
            return self._stream_rows(stream, lte=lte, limit=limit)

    def _stream_rows(
        self,
        stream: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[PlainRow]:
        sql = f"SELECT {self.columns} FROM {self.table} WHERE originator_id = ?"
        params: list[Any] = [stream]
        if gt is not None:
            sql += " AND originator_version > ?"
            params.append(gt)
        if lte is not None:
            sql += " AND originator_version <= ?"
            params.append(lte)
        sql += f" ORDER BY originator_version {'DESC' if desc else 'ASC'}"
        if limit is not None:
            sql += " LIMIT ?"
            params.append(limit)
        return self.fetch(sql, params)

    def rows_of_streams(self, streams: Sequence[str], until: int) -> list[PlainRow]:
        """The rows of some streams up to a position, by stream and version, personal parts left
        out."""
        return self._ask_of(self._without_words("originator_id IN ({marks})"), streams, until)

    def rows_of_range(self, after: str, last: str, until: int) -> list[PlainRow]:
        """The rows of all streams after one name up to another, which is included, up to a
        position, by stream and version, personal parts left out."""
        sql = self._without_words("originator_id > ? AND originator_id <= ?")
        return self._ask(sql, [after, last, until])

    def _without_words(self, where: str) -> str:
        columns = self.columns.replace("personal", "NULL")
        return (
            f"SELECT {columns} FROM {self.table} WHERE {where} AND position <= ? "
            "ORDER BY originator_id, originator_version"
        )

    def row_of_event(self, event_id: str) -> PlainRow | None:
        """The row of an event, by its id."""
        sql = f"SELECT {self.columns} FROM {self.table} WHERE event_id = ?"
        answers = self._ask(sql, [event_id])
        return answers[0] if answers else None

    def row_at(self, stream: str, version: int) -> PlainRow | None:
        """The row of a stream at a version."""
        sql = f"SELECT {self.columns} FROM {self.table} WHERE originator_id = ? "
        answers = self._ask(f"{sql}AND originator_version = ?", [stream, version])
        return answers[0] if answers else None

    def merges(self, topic: str, after: int = 0) -> list[PlainRow]:
        """The rows of all CaseMerged, or of all CustomerMerged, after a position, in order."""
        # The topic as the indexes have it: with a parameter they would not be used.
        where, params = [f"topic = '{topic}'"], []
        if after:
            where, params = [*where, "position > ?"], [after]
        with database_answers("the store"):
            return self._select(where, params, None, None, ())

    # --- streams and customers ---------------------------------------------------------------

    def streams(self, prefix: str, after: str, limit: int) -> list[str]:
        """Names of streams that start with a prefix, in id order after a name."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        # One lower bound: of two a database may look up the lesser, and skip all in between.
        answers = self._ask(
            f"SELECT DISTINCT originator_id FROM {self.table} WHERE originator_id > ? "
            "AND originator_id < ? ORDER BY originator_id LIMIT ?",
            [max(prefix, after), end, limit],
        )
        return [name for (name,) in answers]

    def stream_of(self, event_id: str) -> str | None:
        """The stream that an event is in; None where there is no such event."""
        sql = f"SELECT originator_id FROM {self.table} WHERE event_id = ?"
        answers = self._ask(sql, [event_id])
        return answers[0][0] if answers else None

    def stream_of_nth(self, after: str, end: str, n: int) -> str | None:
        """The stream of the n-th event, in the order of streams, of those whose stream is after a
        name and before another; None where there are fewer."""
        answers = self._ask(
            f"SELECT originator_id FROM {self.table} WHERE originator_id > ? "
            "AND originator_id < ? ORDER BY originator_id LIMIT 1 OFFSET ?",
            [after, end, n - 1],
        )
        return answers[0][0] if answers else None

    def feed(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Positions after a position, in order, and the stream of each."""
        sql = f"SELECT position, originator_id FROM {self.table} WHERE position > ? "
        return self._ask(f"{sql}ORDER BY position LIMIT ?", [after, limit])

    def cases_of(self, customer_ids: Sequence[str]) -> set[str]:
        """The streams of the cases of some customers."""
        sql = f"SELECT DISTINCT originator_id FROM {self.table} WHERE customer_id IN ({{marks}})"
        answers = self._ask_of(sql, customer_ids)
        return {stream for (stream,) in answers if stream.startswith("case:")}

    def customers_of(self, streams: Sequence[str]) -> set[str]:
        """The customers whom some streams are about."""
        sql = f"SELECT DISTINCT customer_id FROM {self.table} WHERE originator_id IN ({{marks}})"
        return {customer for (customer,) in self._ask_of(sql, streams)}

    def cases_recorded_since(self, recorded_us: int) -> set[str]:
        """The streams of cases with an event that was recorded at a time or later."""
        sql = f"SELECT DISTINCT originator_id FROM {self.table} WHERE recorded_at >= ?"
        answers = self._ask(sql, [recorded_us])
        return {stream for (stream,) in answers if stream.startswith("case:")}

    # --- positions ---------------------------------------------------------------------------

    def last_position(self) -> int:
        """Of the last event there is; 0 in an empty store."""
        answers = self._ask(f"SELECT max(position) FROM {self.table}")
        return int(answers[0][0] or 0)

    def first_position(self, after: int | None = None) -> int | None:
        """The first position there is, after another if one is given."""
        sql = f"SELECT min(position) FROM {self.table}"
        if after is None:
            answers = self._ask(sql)
        else:
            answers = self._ask(f"{sql} WHERE position > ?", [after])
        first: int | None = answers[0][0]
        return first

    def first_position_with_words(self) -> int | None:
        """The position of the first event that has a personal part."""
        sql = f"SELECT min(position) FROM {self.table} WHERE personal IS NOT NULL"
        first: int | None = self._ask(sql)[0][0]
        return first

    def position_of_rank(self, rank: int) -> int:
        """The position of an event by its rank, from 0."""
        sql = f"SELECT position FROM {self.table} ORDER BY position LIMIT 1 OFFSET ?"
        return int(self._ask(sql, [rank])[0][0])

    def last_position_by(self, recorded_us: int, until: int) -> int:
        """The last position up to another whose event was recorded by a time; 0 where there is
        none."""
        answers = self._ask(
            f"SELECT position FROM {self.table} WHERE position <= ? AND recorded_at <= ? "
            "ORDER BY position DESC LIMIT 1",
            [until, recorded_us],
        )
        return int(answers[0][0]) if answers else 0

    def count_after(self, position: int | None = None) -> int:
        """How many events there are, after a position if one is given."""
        sql = f"SELECT count(*) FROM {self.table}"
        if position is None:
            return int(self._ask(sql)[0][0])
        return int(self._ask(f"{sql} WHERE position > ?", [position])[0][0])

    # --- whether it is whole -----------------------------------------------------------------

    def gaps(self, limit: int = -1) -> list[tuple[str, int, int, int]]:
        """Streams whose versions are not 1..n: name, events, first and last version."""
        sql = (
            "SELECT originator_id, count(*), min(originator_version), max(originator_version) "
            f"FROM {self.table} GROUP BY originator_id "
            "HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*) "
            "ORDER BY originator_id"
        )
        return self._ask(sql) if limit < 0 else self._ask(f"{sql} LIMIT ?", [limit])

    def out_of_order(self) -> list[tuple[str, int]]:
        """Streams and versions whose position is before that of the version before."""
        return self._ask(
            f"SELECT b.originator_id, b.originator_version FROM {self.table} a "
            f"JOIN {self.table} b ON b.originator_id = a.originator_id "
            "AND b.originator_version = a.originator_version + 1 "
            "WHERE b.position <= a.position ORDER BY b.position"
        )

    def of_mixed_customers(self) -> list[str]:
        """Streams of cases and customers with rows of several customers, or of none; and the
        policy stream where a row is about one."""
        answers = self._ask(
            f"SELECT originator_id FROM {self.table} GROUP BY originator_id "
            "HAVING CASE WHEN originator_id = 'policy' THEN count(customer_id) > 0 "
            "ELSE count(DISTINCT customer_id) <> 1 OR count(customer_id) <> count(*) END "
            "ORDER BY originator_id"
        )
        return [stream for (stream,) in answers]

    # --- keys and words ----------------------------------------------------------------------

    def keys_of(self, customer_ids: Sequence[str]) -> dict[str, KeyRow]:
        """The data keys of some customers, by customer."""
        sql = f"SELECT customer_id, key_id, wrapped FROM {self.keys_table} "
        answers = self._ask_of(f"{sql}WHERE customer_id IN ({{marks}})", customer_ids)
        return {row[0]: KeyRow._make(row) for row in answers}

    def all_keys(self) -> Iterator[KeyRow]:
        """Every data key, in the order of customers."""
        sql = (
            f"SELECT customer_id, key_id, wrapped FROM {self.keys_table} "
            "WHERE customer_id > ? ORDER BY customer_id LIMIT ?"
        )
        after = ""
        while answers := self._ask(sql, [after, 2000]):
            yield from map(KeyRow._make, answers)
            after = answers[-1][0]

    def keys_not_wrapped_by(self, kek_id: bytes, limit: int) -> list[KeyRow]:
        """Some data keys that another key-encryption key wraps."""
        sql = f"SELECT customer_id, key_id, wrapped FROM {self.keys_table} "
        answers = self._ask(f"{sql}WHERE substr(wrapped, 1, 32) <> ? LIMIT ?", [kek_id, limit])
        return list(map(KeyRow._make, answers))

    def count_keys(self, not_wrapped_by: bytes | None = None) -> int:
        """How many data keys there are, or are wrapped by another key-encryption key."""
        sql = f"SELECT count(*) FROM {self.keys_table}"
        if not_wrapped_by is None:
            return int(self._ask(sql)[0][0])
        return int(self._ask(f"{sql} WHERE substr(wrapped, 1, 32) <> ?", [not_wrapped_by])[0][0])

    def kek_ids(self) -> set[bytes]:
        """The ids of the key-encryption keys that wrap the data keys there are."""
        answers = self._ask(f"SELECT DISTINCT substr(wrapped, 1, 32) FROM {self.keys_table}")
        return {bytes(kek_id) for (kek_id,) in answers}

    def readable_parts(self, customer_id: str) -> list[tuple[str, str, bytes]]:
        """Events of a customer whose words their key opens: stream, topic and metadata of each."""
        return self._ask(
            f"SELECT e.originator_id, e.topic, e.metadata FROM {self.table} e "
            f"JOIN {self.keys_table} k ON k.customer_id = e.customer_id "
            "AND k.key_id = substr(e.personal, 2, 32) "
            "WHERE e.customer_id = ? ORDER BY e.originator_id, e.topic",
            [customer_id],
        )

    def keys_that_outlived(self, customer_id: str | None = None) -> list[tuple[str, bytes]]:
        """Customers whose key opens words from before their erasure, and the key's id."""
        sql = (
            f"SELECT DISTINCT k.customer_id, k.key_id FROM {self.table} x "
            f"JOIN {self.keys_table} k ON k.customer_id = x.customer_id "
            f"JOIN {self.table} e ON e.customer_id = k.customer_id AND e.position < x.position "
            "AND substr(e.personal, 2, 32) = k.key_id WHERE x.topic = 'PersonalDataErased'"
        )
        if customer_id is None:
            answers = self._ask(sql)
        else:
            answers = self._ask(f"{sql} AND x.customer_id = ?", [customer_id])
        return sorted((customer, bytes(key_id)) for customer, key_id in answers)

    def words_without_key(self) -> list[tuple[str, int, int]]:
        """Customers with sealed words whose key is gone though no erasure after them is on record:
        customer, events, first position."""
        return self._ask(
            f"SELECT e.customer_id, count(*), min(e.position) FROM {self.table} e "
            "WHERE e.personal IS NOT NULL AND substr(e.personal, 1, 1) = ? "
            f"AND NOT EXISTS (SELECT 1 FROM {self.keys_table} k "
            "WHERE k.customer_id = e.customer_id AND k.key_id = substr(e.personal, 2, 32)) "
            f"AND NOT EXISTS (SELECT 1 FROM {self.table} x WHERE x.customer_id = e.customer_id "
            "AND x.topic = 'PersonalDataErased' AND x.position > e.position) "
            "GROUP BY e.customer_id ORDER BY 1",
            [b"\x01"],
        )
