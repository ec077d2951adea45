"""The questions to the tables of events and of keys, each with a name.

Outside of journal/, no module writes SQL over these tables. Every question raises StoreUnavailable
where the database does not answer. `words` in a name means personal text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from casestore.errors import StoreDamaged, quoted
from casestore.journal.answering import damaged, database_answers
from casestore.journal.clocks import WENT_BACK
from casestore.journal.rows import COLUMNS, OF_IMPORTS, KeyRow, PlainRow, cursor_of, key_row

MERGES = ("CaseMerged", "CustomerMerged")
"""The topics of merges. There is an index for each."""
_NUMBER = re.compile(r"[0-9]{1,18}")
_AT_ONCE = 400
"""Values to look up in one statement: both databases take as many parameters."""


class Questions(ABC):
    """The questions. A backend adds `fetch`, and the two questions to its system tables."""

    table = "stored_events"
    rows_alone = table
    """The table, of which rows are to be found without any index."""
    columns = COLUMNS
    keys_table = "customer_keys"
    meta_table = "casestore_meta"
    has_text = "instr(state, ?) > 0"
    """The condition that what is stored of an event contains some bytes."""

    @abstractmethod
    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a query in a transaction of its own and give plain tuples.

        Args:
            sql: the query; `?` stands for a parameter.
            params: the parameters.

        Raises:
            PersistenceError: eventsourcing's, where the database does not answer.
        """

    @abstractmethod
    def fetch_some(self, sql: str, params: Sequence[Any], order: str = "position") -> list[Any]:
        """As `fetch`, of rows with all columns: to the first with which they are LARGE bytes.

        Args:
            sql: the query, with a LIMIT.
            params: the parameters.
            order: the columns by which it orders the rows.
        """

    @abstractmethod
    def last_given_position(self) -> int:
        """The last position given to an event, even to one that was not committed or is deleted."""

    @abstractmethod
    def altered(self) -> list[tuple[str, str]]:
        """What of the tables is not as casestore makes it, and what was added to them.

        Each is a part, by its kind and name, and what is found of it, in words.

        Left out is what a store of an earlier version may lack: see `lacks`.
        """

    @abstractmethod
    def append_only_triggers(self) -> Mapping[str, bool]:
        """For each trigger that keeps the table append-only, by name, whether it is in force."""

    def _ask(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        with database_answers("the store"):
            return self.fetch(sql, params)

    def _ask_of(self, sql: str, values: Sequence[Any], *after: Any) -> list[Any]:
        """Ask about many values, _AT_ONCE at a time.

        Args:
            sql: the query; {among} stands for the condition that what is before it is one of the
                values, and comes before any other parameter.
            values: what to ask about.
            after: the other parameters.
        """
        answers: list[Any] = []
        for start in range(0, len(values), _AT_ONCE):
            among, params = self._among(values[start : start + _AT_ONCE])
            answers += self._ask(sql.replace("{among}", among), [*params, *after])
        return answers

    def _among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """The condition that what is before it is one of some values, and its parameters."""
        return f"IN ({', '.join('?' * len(values))})", values

    # --- rows ------------------------------------------------------------------------------

    def rows(
        self, after: int, limit: int, *, stop: int | None = None, topics: Sequence[str] = ()
    ) -> list[PlainRow]:
        """Rows in position order after a position: not all of them, where they are large.

        So fewer than `limit` do not tell that there are no more; see `is_full`.

        Args:
            after: the position.
            limit: the most rows to give.
            stop: the last position, included; None for no end.
            topics: give only rows of these topics; all where there are none.
        """
        with database_answers("the store"):
            return self._select(
                ["position > ?"], [after], limit, stop, topics, fetch=self.fetch_some
            )

    def rows_or_gaps(self, after: int, limit: int, *, stop: int | None = None) -> list[Any]:
        """As `rows`, but a row whose text SQLite cannot decode is given as its position and None
        for each other column, so that the other rows can still be read. It is then the last."""
        try:
            return self.rows(after, limit, stop=stop)
        except StoreDamaged as error:
            if "decode" not in str(error):
                raise
            if limit == 1:
                return [(self.first_position(after), *[None] * 9)]
        rows: list[Any] = []
        while not rows or rows[-1][1] is not None:
            rows += self.rows_or_gaps(after, 1, stop=stop)
            after = rows[-1][0]
        return rows

    def _select(
        self,
        where: list[str],
        params: list[Any],
        limit: int | None,
        stop: int | None,
        topics: Sequence[str],
        *,
        fetch: Callable[[str, Sequence[Any]], list[Any]] | None = None,
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
        return (fetch or self.fetch)(sql, params)

    def mark(self, position: int) -> str:
        """The id and the time of the event at a position, as text to keep; empty for position 0.

        A `Cursor` has the same two values, for the same reason: they show whether another event is
        at that position now.
        """
        if position == 0:
            return ""
        rows = self.rows(position - 1, 1, stop=position)
        if not rows:
            return "no such event"
        cursor = cursor_of(rows[0])
        return f"{cursor.uid} {cursor.recorded_us}"

    def row_before(self, position: int) -> PlainRow | None:
        """The last row before a position; None if there is none."""
        sql = f"SELECT {self.columns} FROM {self.table} WHERE position < ? "
        rows = self._ask(f"{sql}ORDER BY position DESC LIMIT 1", [position])
        return rows[0] if rows else None

    def stream_rows(
        self, stream: str, *, lte: int | None = None, limit: int | None = None
    ) -> list[PlainRow]:
        """A stream's rows in version order, up to version `lte` and at most `limit` of them."""
        with database_answers("the store"):
            return self._stream_rows(stream, lte=lte, limit=limit)

    def all_rows_of(self, stream: str) -> list[PlainRow]:
        """A stream's rows in version order, found without any index: the whole table is read."""
        return self._ask(
            f"SELECT {self.columns} FROM {self.rows_alone} WHERE originator_id || '' = ? "
            "ORDER BY originator_version",
            [stream],
        )

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
        """The rows of some streams up to a position, ordered by stream and version.

        Their personal parts are left out (None).
        """
        return self._ask_of(self._without_words("originator_id {among}"), streams, until)

    def rows_of_range(self, after: str, last: str, until: int) -> list[PlainRow]:
        """The rows of all streams from a name to another, ordered by stream and version.

        Their personal parts are left out (None).

        Args:
            after: the name before the first stream.
            last: the name of the last stream.
            until: the last position.
        """
        sql = self._without_words("originator_id > ? AND originator_id <= ?")
        return self._ask(sql, [after, last, until])

    def rows_by_stream(
        self,
        after: tuple[str, int],
        last: str,
        *,
        since: int,
        until: int,
        limit: int,
        streams: Sequence[str] = (),
    ) -> list[PlainRow]:
        """Rows ordered by stream and version: not all of them, where they are large.

        So fewer than `limit` do not tell that there are no more; none do.

        Args:
            after: the stream and the version after which they come.
            last: the name of the last stream. With many events in between, PostgreSQL would read
                the whole table and sort it.
            since: the position after which they stand.
            until: the last position.
            limit: the most rows to give.
            streams: of these streams alone; of all where there are none.
        """
        order = "originator_id, originator_version"
        # With +position no database looks for positions first, and sorts what it finds, each time.
        sql = f"SELECT {self.columns} FROM {self.table} WHERE ({order}) > (?, ?) "
        sql += "AND originator_id >= ? AND originator_id <= ? "
        sql += "AND +position > ? AND +position <= ?"
        if streams:
            sql += f" AND originator_id IN ({', '.join('?' * len(streams))})"
        params = [*after, after[0], last, since, until, *streams, limit]
        with database_answers("the store"):
            return self.fetch_some(f"{sql} ORDER BY {order} LIMIT ?", params, order)

    def _without_words(self, where: str) -> str:
        columns = self.columns.replace("personal", "NULL")
        return (
            f"SELECT {columns} FROM {self.table} WHERE {where} AND position <= ? "
            "ORDER BY originator_id, originator_version"
        )

    def row_of_event(self, event_id: str) -> PlainRow | None:
        """The row of an event, by its id; None where there is none."""
        sql = f"SELECT {self.columns} FROM {self.table} WHERE event_id = ?"
        answers = self._ask(sql, [event_id])
        return answers[0] if answers else None

    def row_at(self, stream: str, version: int) -> PlainRow | None:
        """The row of a stream at a version; None where there is none."""
        sql = f"SELECT {self.columns} FROM {self.table} WHERE originator_id = ? "
        answers = self._ask(f"{sql}AND originator_version = ?", [stream, version])
        return answers[0] if answers else None

    def of_source(self, source: str, after: int, until: int, limit: int) -> list[PlainRow]:
        """At most `limit` events whose metadata names a source, after a position and up to another.

        Their personal parts are left out (None). All events in between are looked through.
        """
        named = b'"source":' + msgspec.json.encode(source)
        has = self.has_text.replace("state", "metadata")
        columns = self.columns.replace("personal", "NULL")
        sql = f"SELECT {columns} FROM {self.table} WHERE {has} AND position > ? AND position <= ? "
        return self._ask(f"{sql}ORDER BY position LIMIT ?", [named, after, until, limit])

    def merges(self, topic: str, after: int = 0) -> list[PlainRow]:
        """The rows of all CaseMerged, or of all CustomerMerged, after a position, in order."""
        # The topic as the indexes have it: with a parameter they would not be used.
        where, params = [f"topic = '{topic}'"], []
        if after:
            where, params = [*where, "position > ?"], [after]
        with database_answers("the store"):
            return self._select(where, params, None, None, ())

    def mails(self, after: int, limit: int) -> list[tuple[int, str, str, bytes, str, bytes]]:
        """What may be a mail, and the corrections, at most `limit` after a position, in order.

        Position, stream, topic, state, event id and metadata of each.
        """
        event_id = next(each for each in self.columns.split(", ") if each.startswith("event_id"))
        return self._ask(
            f"SELECT position, originator_id, topic, state, {event_id}, metadata "
            f"FROM {self.table} WHERE position > ? "
            "AND topic IN ('ReplySent', 'MessageReceived', 'EventCorrected') "
            "ORDER BY position LIMIT ?",
            [after, limit],
        )

    # --- streams and customers ---------------------------------------------------------------

    def streams(self, prefix: str, after: str, limit: int) -> list[str]:
        """At most `limit` names of streams that start with a prefix, in order, after a name."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        # Only the greater of the two lower bounds is given: with both, a database may search the
        # index from the lesser one, and read all names in between.
        answers = self._ask(
            f"SELECT DISTINCT originator_id FROM {self.table} WHERE originator_id > ? "
            "AND originator_id < ? ORDER BY originator_id LIMIT ?",
            [max(prefix, after), end, limit],
        )
        return [name for (name,) in answers]

    def last_stream(self, prefix: str) -> str | None:
        """The last name of a stream that starts with a prefix; None where there is none."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        answers = self._ask(
            f"SELECT originator_id FROM {self.table} WHERE originator_id > ? "
            "AND originator_id < ? ORDER BY originator_id DESC LIMIT 1",
            [prefix, end],
        )
        return answers[0][0] if answers else None

    def stream_of(self, event_id: str) -> str | None:
        """The stream that an event is in; None where there is no such event."""
        sql = f"SELECT originator_id FROM {self.table} WHERE event_id = ?"
        answers = self._ask(sql, [event_id])
        return answers[0][0] if answers else None

    def stream_of_nth(self, after: str, end: str, n: int) -> str | None:
        """The stream of the n-th event (from 1) of the streams between two names, in their order.

        None where they have fewer events.
        """
        answers = self._ask(
            f"SELECT originator_id FROM {self.table} WHERE originator_id > ? "
            "AND originator_id < ? ORDER BY originator_id LIMIT 1 OFFSET ?",
            [after, end, n - 1],
        )
        return answers[0][0] if answers else None

    def feed(self, after: int, limit: int) -> list[tuple[int, str]]:
        """At most `limit` positions after a position, in order, each with its event's stream."""
        sql = f"SELECT position, originator_id FROM {self.table} WHERE position > ? "
        return self._ask(f"{sql}ORDER BY position LIMIT ?", [after, limit])

    def cases_of(self, customer_ids: Sequence[str]) -> set[str]:
        """The streams of the cases of some customers."""
        sql = f"SELECT DISTINCT originator_id FROM {self.table} WHERE customer_id {{among}}"
        answers = self._ask_of(sql, customer_ids)
        return {stream for (stream,) in answers if stream.startswith("case:")}

    def customers_of(self, streams: Sequence[str]) -> set[str]:
        """The ids of the customers that some streams are about."""
        sql = f"SELECT DISTINCT customer_id FROM {self.table} WHERE originator_id {{among}}"
        return {customer_id for (customer_id,) in self._ask_of(sql, streams)}

    def cases_recorded_since(self, recorded_us: int) -> set[str]:
        """The streams of cases with an event that was recorded at a time (in microseconds since
        1970) or later."""
        sql = f"SELECT DISTINCT originator_id FROM {self.table} WHERE recorded_at >= ?"
        answers = self._ask(sql, [recorded_us])
        return {stream for (stream,) in answers if stream.startswith("case:")}

    def mentions(self, text: str) -> bool:
        """Whether a text stands in any event as the whole value of a field that is not sealed.

        All events are looked through, until one is found.
        """
        sql = f"SELECT 1 FROM {self.table} WHERE {self.has_text} LIMIT 1"
        return bool(self._ask(sql, [msgspec.json.encode(text)]))

    def rows_that_mention(self, text: str, until: int) -> list[PlainRow]:
        """The events up to a position that `mentions` looks for, in order of position."""
        sql = f"SELECT {self.columns} FROM {self.table} WHERE {self.has_text} AND position <= ? "
        return self._ask(f"{sql}ORDER BY position", [msgspec.json.encode(text), until])

    # --- positions ---------------------------------------------------------------------------

    def last_position(self) -> int:
        """The position of the last event; 0 in an empty store."""
        answers = self._ask(f"SELECT max(position) FROM {self.table}")
        return int(answers[0][0] or 0)

    def first_position(self, after: int | None = None) -> int | None:
        """The position of the first event, or of the first after a position; None without one."""
        sql = f"SELECT min(position) FROM {self.table}"
        if after is None:
            answers = self._ask(sql)
        else:
            answers = self._ask(f"{sql} WHERE position > ?", [after])
        first: int | None = answers[0][0]
        return first

    def first_position_with_words(self) -> int | None:
        """The position of the first event that has a personal part; None without one."""
        sql = f"SELECT min(position) FROM {self.table} WHERE personal IS NOT NULL"
        first: int | None = self._ask(sql)[0][0]
        return first

    def position_of_rank(self, rank: int) -> int:
        """The position of the event with a rank: 0 for the first event, and so on.

        Raises IndexError where there are fewer events.
        """
        sql = f"SELECT position FROM {self.table} ORDER BY position LIMIT 1 OFFSET ?"
        return int(self._ask(sql, [rank])[0][0])

    def last_position_by(self, recorded_us: int, until: int) -> int:
        """The last position, at most `until`, of an event that was recorded by a time (in
        microseconds since 1970); 0 where there is none."""
        back, back_us = self.went_back() or (0, recorded_us)
        if back > until or back_us > recorded_us:
            # Nothing from there on was recorded by then, or it is not asked for. Before it, times
            # may have gone back more often, so each event is looked at.
            sql = (
                f"SELECT position FROM {self.table} WHERE position < ? AND position <= ? "
                "AND recorded_at <= ? ORDER BY position DESC LIMIT 1"
            )
            answers = self._ask(sql, [back, until, recorded_us])
            return int(answers[0][0]) if answers else 0
        # From there on times do not go back: the range is halved until one position is left.
        middle = "(low + (high - low + 1) / 2)"
        sql = (
            "WITH RECURSIVE sought (low, high) AS ("
            "SELECT CAST(? AS bigint), CAST(? AS bigint) UNION ALL "
            f"SELECT CASE WHEN recorded_at > ? THEN low ELSE {middle} END, "
            "CASE WHEN recorded_at > ? THEN position - 1 ELSE high END "
            f"FROM sought LEFT JOIN {self.table} ON position = ("
            f"SELECT position FROM {self.table} WHERE position <= {middle} "
            "ORDER BY position DESC LIMIT 1) WHERE low < high) "
            f"SELECT position FROM {self.table} WHERE position <= ("
            "SELECT max(low) FROM sought) ORDER BY position DESC LIMIT 1"
        )
        answers = self._ask(sql, [back, until, recorded_us, recorded_us])
        return int(answers[0][0]) if answers else 0

    def went_back(self) -> tuple[int, int] | None:
        """The last event that was recorded at an earlier time than the event before it: its
        position, and when it was recorded. None without one. Raises StoreDamaged too."""
        sql = f"SELECT value FROM {self.meta_table} WHERE name = ?"
        if not (noted := self._ask(sql, [WENT_BACK])):
            return None
        position = str(noted[0][0])
        if not _NUMBER.fullmatch(position):
            raise damaged("casestore_meta", f"{WENT_BACK} is {quoted(position)}, and no position")
        sql = f"SELECT position, recorded_at FROM {self.table} WHERE position = ?"
        answers = self._ask(sql, [int(position)])
        return answers[0] if answers else None

    def count_after(self, position: int | None = None) -> int:
        """The number of events, or of those after a position."""
        sql = f"SELECT count(*) FROM {self.table}"
        if position is None:
            return int(self._ask(sql)[0][0])
        return int(self._ask(f"{sql} WHERE position > ?", [position])[0][0])

    def count_of(self, topic: str, after: int, until: int) -> int:
        """The number of events of a topic after a position, up to and with another."""
        sql = (
            f"SELECT count(*) FROM {self.table} WHERE position > ? AND position <= ? AND topic = ?"
        )
        return int(self._ask(sql, [after, until, topic])[0][0])

    # --- consistency -------------------------------------------------------------------------

    def gaps(self, limit: int = -1) -> list[tuple[str, int, int, int]]:
        """Streams whose versions are not 1..n.

        Of each its name, its number of events, and its first and last version; with a `limit` from
        0 on, at most so many.
        """
        sql = (
            "SELECT originator_id, count(*), min(originator_version), max(originator_version) "
            f"FROM {self.table} GROUP BY originator_id "
            "HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*) "
            "ORDER BY originator_id"
        )
        return self._ask(sql) if limit < 0 else self._ask(f"{sql} LIMIT ?", [limit])

    def hidden(self, column: str, limit: int) -> list[tuple[str, int, int]]:
        """Streams, or customers, of which an index gives other rows than the table has.

        Of at most `limit` of them the name, the number of rows in the table, and of those that
        readers find. An index of which rows were left out on purpose hides them from every reader.

        Args:
            column: originator_id or customer_id.
            limit: the most to give.
        """
        counted = (
            f"SELECT {column} || '' AS name, count(*) AS there FROM {self.rows_alone} "
            f"WHERE {column} IS NOT NULL GROUP BY 1"
        )
        return self._ask(
            "SELECT name, there, found FROM (SELECT name, there, "
            f"(SELECT count(*) FROM {self.table} WHERE {column} = name) AS found "
            f"FROM ({counted}) AS counted) AS compared "
            "WHERE there <> found ORDER BY name LIMIT ?",
            [limit],
        )

    def out_of_order(self) -> list[tuple[str, int]]:
        """Events whose position is not after that of the version before, as stream and version."""
        return self._ask(
            f"SELECT b.originator_id, b.originator_version FROM {self.table} a "
            f"JOIN {self.table} b ON b.originator_id = a.originator_id "
            "AND b.originator_version = a.originator_version + 1 "
            "WHERE b.position <= a.position ORDER BY b.position"
        )

    def of_mixed_customers(self) -> list[str]:
        """Streams whose rows have the wrong customers.

        All rows of a case or a customer must have the same customer id, and no row of the policy
        stream may have one.
        """
        answers = self._ask(
            f"SELECT originator_id FROM {self.table} GROUP BY originator_id "
            "HAVING CASE WHEN originator_id = 'policy' THEN count(customer_id) > 0 "
            "ELSE count(DISTINCT customer_id) <> 1 OR count(customer_id) <> count(*) END "
            "ORDER BY originator_id"
        )
        return [stream for (stream,) in answers]

    # --- keys and words ----------------------------------------------------------------------

    def keys_of(self, customer_ids: Sequence[str]) -> dict[str, KeyRow]:
        """The data keys of some customers, by customer id; without those that have none."""
        sql = f"SELECT customer_id, key_id, wrapped FROM {self.keys_table} "
        answers = self._ask_of(f"{sql}WHERE customer_id {{among}}", customer_ids)
        return {row[0]: key_row(row) for row in answers}

    def all_keys(self) -> Iterator[KeyRow]:
        """Every data key, in the order of customer ids, and the import secret."""
        sql = (
            f"SELECT customer_id, key_id, wrapped FROM {self.keys_table} "
            "WHERE customer_id > ? ORDER BY customer_id LIMIT ?"
        )
        after = ""
        while answers := self._ask(sql, [after, 2000]):
            yield from map(key_row, answers)
            after = answers[-1][0]

    def keys_not_wrapped_by(self, kek_id: bytes, limit: int) -> list[KeyRow]:
        """At most `limit` data keys that are not wrapped by a certain key-encryption key.

        The import secret may be among them.
        """
        sql = f"SELECT customer_id, key_id, wrapped FROM {self.keys_table} "
        answers = self._ask(f"{sql}WHERE substr(wrapped, 1, 32) <> ? LIMIT ?", [kek_id, limit])
        return list(map(key_row, answers))

    def count_keys(self, not_wrapped_by: bytes | None = None) -> int:
        """The number of customers' data keys, or of those not wrapped by a certain key-encryption
        key."""
        sql = f"SELECT count(*) FROM {self.keys_table} WHERE customer_id <> ?"
        params: list[Any] = [OF_IMPORTS]
        if not_wrapped_by is not None:
            sql, params = f"{sql} AND substr(wrapped, 1, 32) <> ?", [*params, not_wrapped_by]
        return int(self._ask(sql, params)[0][0])

    def kek_ids(self) -> set[bytes]:
        """The ids (32 bytes each) of the key-encryption keys that wrap the data keys and the
        import secret."""
        answers = self._ask(f"SELECT DISTINCT substr(wrapped, 1, 32) FROM {self.keys_table}")
        if any(isinstance(kek_id, str | None) for (kek_id,) in answers):  # from no bytes at all
            raise StoreDamaged(
                "a row of the table of keys is not as casestore writes it; restore the store from "
                "a backup"
            )
        return {bytes(kek_id) for (kek_id,) in answers}

    def readable_parts(self, customer_id: str) -> list[tuple[str, str, bytes]]:
        """The events of a customer whose personal part the customer's data key opens.

        Stream, topic and metadata of each.
        """
        return self._ask(
            f"SELECT e.originator_id, e.topic, e.metadata FROM {self.table} e "
            f"JOIN {self.keys_table} k ON k.customer_id = e.customer_id "
            "AND k.key_id = substr(e.personal, 2, 32) "
            "WHERE e.customer_id = ? ORDER BY e.originator_id, e.topic",
            [customer_id],
        )

    def keys_of_words(self, customer_id: str, until: int) -> list[bytes]:
        """The ids (32 bytes each) of the data keys that sealed words of a customer up to a
        position, sorted."""
        answers = self._ask(
            f"SELECT DISTINCT substr(personal, 2, 32) FROM {self.table} WHERE customer_id = ? "
            "AND substr(personal, 1, 1) IN (?, ?) AND position <= ?",
            [customer_id, b"\x01", b"\x03", until],
        )
        return sorted(bytes(key_id) for (key_id,) in answers)

    def keys_that_outlived(self, customer_id: str | None = None) -> list[tuple[str, bytes]]:
        """Customers who were erased, but whose data key still opens words from before.

        Customer id and key id of each; with a `customer_id`, only that customer.
        """
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
        return sorted((erased_id, bytes(key_id)) for erased_id, key_id in answers)

    def words_without_key(self) -> list[tuple[str, int, int]]:
        """Customers whose data key is gone, though no erasure after their sealed words is recorded.

        Customer id, number of such events, and position of the first.
        """
        return self._ask(
            f"SELECT e.customer_id, count(*), min(e.position) FROM {self.table} e "
            "WHERE e.personal IS NOT NULL AND substr(e.personal, 1, 1) IN (?, ?) "
            f"AND NOT EXISTS (SELECT 1 FROM {self.keys_table} k "
            "WHERE k.customer_id = e.customer_id AND k.key_id = substr(e.personal, 2, 32)) "
            f"AND NOT EXISTS (SELECT 1 FROM {self.table} x WHERE x.customer_id = e.customer_id "
            "AND x.topic = 'PersonalDataErased' AND x.position > e.position) "
            "GROUP BY e.customer_id ORDER BY 1",
            [b"\x01", b"\x03"],
        )
