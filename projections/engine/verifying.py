"""Tells whether the live tables hold the rows that were made: by their sums, or from the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

from eventsourcing.persistence import DatabaseError, InternalError, OperationalError

from casestore.journal.answering import brief
from casestore.streams.wording import counted
from projections.engine.filling import ranges
from projections.engine.live import LiveTables, Tick
from projections.engine.maker import Maker
from projections.engine.sums import Sum, digest
from projections.engine.tables import Cursor, Tracked, unavailable
from projections.projection import shape

SHOWN = 20
"""The most streams of a table of which it is told what differs."""


class Difference(NamedTuple):
    """What somebody changed in a table."""

    stream: str | None
    """The stream whose rows are not those made; None where only the sum tells."""
    what: str


class Verified(NamedTuple):
    """What was found of a projection's table."""

    projection: str
    result: Literal["ok", "differs", "unknown", "not built"]
    """unknown: an earlier release made the table or moved it, and kept no sum of it. not built: the
    next report makes it."""
    position: int | None = None
    rows: int | None = None
    """How many rows there are. Streams that are parked count as rows."""
    noted: int | None = None
    """How many there should be."""
    differences: tuple[Difference, ...] = ()


def verify(
    live: LiveTables, *, from_events: bool = False, tick: Tick | None = None
) -> list[Verified]:
    """Compare the live tables with what was made; see `Runner.verify`."""
    current = live.current()
    found = {name: _by_sum(live, table) for name, table in current.items()}
    if from_events:
        read = [current[name] for name, each in found.items() if each.rows is not None]
        for table, differences in _by_events(live, read, tick):
            found[table.projection] = _with(found[table.projection], differences)
    return [found.get(name) or Verified(name, "not built") for name in live.projections]


# --- by the sums ---------------------------------------------------------------------------


def _by_sum(live: LiveTables, table: Tracked) -> Verified:
    name = table.projection
    try:
        with live.tables.reading() as cursor:
            now = next((e for e in live.tables.tracked(cursor) if e.table == table.table), None)
            if now is None:  # a rebuild was faster
                return Verified(name, "not built")
            noted = live.tables.noted(cursor).get(table.table)
            there = _sum(live, cursor, table)
    except (DatabaseError, InternalError, OperationalError) as error:
        with unavailable():
            live.head()  # raises if it is the database that does not answer
        gone = Difference(None, f"cannot be read: {brief(error)}")
        return Verified(name, "differs", table.position, differences=(gone,))
    told = Verified(name, "ok", now.position, there.rows, None if noted is None else noted.rows)
    if noted is None:
        return told._replace(result="unknown")
    if (there.rows, there.text) == (noted.rows, noted.text):
        return told
    what = f"has {counted(there.rows, 'row')}, of {noted.rows} that were made"
    if there.rows == noted.rows:
        what = "a row is not as it was made"
    return told._replace(result="differs", differences=(Difference(None, what),))


def _sum(live: LiveTables, cursor: Cursor, table: Tracked) -> Sum:
    count, checksum = 0, 0
    for row in cursor.each(f"SELECT * FROM {live.tables.at(table.table)}"):
        count += 1
        checksum += digest(row)
    return Sum(count, checksum).plus(Sum.of(_parked(live, cursor, table)))


def _parked(live: LiveTables, cursor: Cursor, table: Tracked) -> list[Any]:
    return cursor.all(
        f"SELECT table_name, stream, error FROM {live.tables.at('parked')} WHERE table_name = ?",
        [table.table],
    )


def count(live: LiveTables, cursor: Cursor, table: Tracked) -> int:
    """How many rows a table has, with those in `parked`."""
    ((rows,),) = cursor.all(f"SELECT count(*) FROM {live.tables.at(table.table)}")
    return int(rows) + len(_parked(live, cursor, table))


# --- from the events -----------------------------------------------------------------------


def _with(found: Verified, differences: Sequence[Difference]) -> Verified:
    if not differences:
        # Rows that are those of the events are right, whatever was kept of them.
        return found._replace(result="ok") if found.result == "unknown" else found
    return found._replace(result="differs", differences=(*found.differences, *differences))


def _by_events(
    live: LiveTables, tables: Sequence[Tracked], tick: Tick | None
) -> Iterator[tuple[Tracked, list[Difference]]]:
    with unavailable(), live.tables.reading() as cursor:
        there = {each.table: each for each in live.tables.tracked(cursor)}
        now = [there[each.table] for each in tables if each.table in there]
        done = 0
        for position, at_once in groupby(sorted(now, key=_position), key=_position):
            one = _Comparison(live, cursor, list(at_once), position)
            for events in one.compare():
                done += events
                if tick is not None:
                    tick(done)
            yield from one.differences()


def _position(table: Tracked) -> int:
    return table.position


class _Comparison:
    """Compares tables at one position with the rows of the events up to there.

    What was made and what is there cancel each other out, range by range of streams. The rows of
    cases that were merged may stand in another range than the one in which they are made.
    """

    def __init__(
        self, live: LiveTables, cursor: Cursor, tables: Sequence[Tracked], position: int
    ) -> None:
        self._live, self._cursor, self._tables = live, cursor, tables
        self._maker = Maker(
            live.store, [live.projections[each.projection] for each in tables], until=position
        )
        self._rows: dict[str, Counter[tuple[Any, int]]] = {e.table: Counter() for e in tables}
        """By table: how many more rows are made than found, by stream and hash."""
        self._parked: dict[str, Counter[Any]] = {e.table: Counter() for e in tables}
        """By table: the streams that are parked, 1 if only now and -1 if only there."""

    def compare(self) -> Iterator[int]:
        """Read all events and rows. Yields the number of events of each part."""
        kinds = ("case", "customer")
        for after, last in ranges(self._live.store, kinds):
            made = self._maker.of_range(after, last)
            for table in self._tables:
                net = self._rows[table.table]
                net.update((row[0], digest(row)) for row in made.rows[table.projection])
                parked = (stream for stream, _ in made.parked[table.projection])
                self._parked[table.table].update(parked)
                self._take(table, "stream > ? AND stream <= ?", after, last)
            yield made.events
        elsewhere = " AND ".join(f"NOT (stream > '{k}:' AND stream <= '{k};')" for k in kinds)
        for table in self._tables:
            self._take(table, elsewhere)
            found = (stream for _, stream, _ in _parked(self._live, self._cursor, table))
            self._parked[table.table].subtract(found)

    def _take(self, table: Tracked, where: str, *params: str) -> None:
        net = self._rows[table.table]
        at = self._live.tables.at(table.table)
        found = self._cursor.all(f"SELECT * FROM {at} WHERE {where}", params)
        net.subtract((row[0], digest(row)) for row in found)
        for key in [key for key, n in net.items() if n == 0]:
            del net[key]

    def differences(self) -> Iterator[tuple[Tracked, list[Difference]]]:
        """What differs, by table."""
        for table in self._tables:
            streams = sorted({stream for stream, _ in self._rows[table.table]}, key=repr)
            found = [self._of_stream(table, stream) for stream in streams[:SHOWN]]
            for stream, n in sorted(self._parked[table.table].items(), key=repr):
                if n:
                    found.append(Difference(str(stream), _of_parked(n)))
            if len(streams) > SHOWN:
                more = f"and {len(streams) - SHOWN} more streams whose rows differ"
                found.append(Difference(None, more))
            yield table, found

    def _of_stream(self, table: Tracked, stream: Any) -> Difference:
        at = self._live.tables.at(table.table)
        there = self._cursor.all(f"SELECT * FROM {at} WHERE stream = ?", [stream])
        made: list[Any] = []
        if isinstance(stream, str):
            for each in self._maker.of_streams([stream]):
                made += [row for row in each.rows[table.projection] if row[0] == stream]
        columns = ("stream", *shape(self._live.projections[table.projection].row).columns)
        return Difference(str(stream), _told(_without(made, there), _without(there, made), columns))


def _without(rows: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    left = Counter(map(tuple, rows))
    left.subtract(map(tuple, others))
    return sorted((+left).elements(), key=repr)


def _told(lacks: list[Any], extra: list[Any], columns: Sequence[str]) -> str:
    if len(lacks) == len(extra):
        differ = {
            name
            for made, there in zip(lacks, extra, strict=True)
            for name, one, other in zip(columns, made, there, strict=True)
            if one != other
        }
        named = ", ".join(name for name in columns if name in differ)
        return f"{counted(len(lacks), 'row')} not as made from the events: {named}"
    said = []
    if lacks:
        said.append(f"lacks {counted(len(lacks), 'row')}")
    if extra:
        said.append(f"has {counted(len(extra), 'row')} that the events do not give")
    return " and ".join(said)


def _of_parked(n: int) -> str:
    if n > 0:
        return "its rows cannot be made, and it is not among the parked"
    return "is parked, though its rows can be made now: `casestore projections retry`"
