"""Keeps the projections' tables up to date with the events.

One scan of the feed feeds all projections. A batch is a set of streams; their rows and the
position are committed together, by one runner at a time, and the rows are those of the events up
to that position and no further. So with two runners, or after a crash, every event is in the rows
exactly once, and what a report reads is one moment of the store.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Event as StopSignal
from typing import NamedTuple, Self

from eventsourcing.persistence import PersistenceError

from casestore import CaseStore
from casestore.errors import StoreDamaged, StoreUnavailable
from casestore.events import PolicyAdopted
from casestore.journal.answering import brief, database_answers
from casestore.journal.recorder import LOOK_ANYWAY
from casestore.streams.checks import AHEAD
from casestore.streams.history import from_microseconds, to_microseconds
from projections import PROJECTIONS, tables
from projections.making import CHUNK, Made, Maker
from projections.projection import Projection
from projections.tables import Cursor, Tables, Tracked

BATCH = 2_000
"""Events whose streams are brought up to date in one commit."""

FAR = 20_000
"""Events that tables may be behind, however few there are, before they are built anew."""

Tick = Callable[[int], None]
"""Told the number of events done so far."""


class Status(NamedTuple):
    """How a projection stands."""

    projection: str
    version: int
    position: int | None
    """None where it was never built, or has to be built anew."""
    lag_events: int
    lag_s: float
    """Seconds since the first event that is not in its rows was recorded; 0 where all are."""
    parked: int
    """Streams whose rows could not be made."""


class Parked(NamedTuple):
    """A stream whose rows could not be made."""

    projection: str
    stream: str
    error: str


class Runner:
    """Brings a store's projections up to date.

    Args:
        store: where the events are. It stays the caller's to close.
        projections: those to look after.
        batch: events whose streams are brought up to date in one commit.
    """

    def __init__(
        self,
        store: CaseStore,
        projections: Sequence[Projection] = PROJECTIONS,
        *,
        batch: int = BATCH,
    ) -> None:
        self.store = store
        self.projections = {each.name: each for each in projections}
        self.batch = batch
        with unavailable():
            self.tables: Tables = tables.beside(store)

    def close(self) -> None:
        """Give the connections back."""
        self.tables.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- being up to date ------------------------------------------------------------------

    def head(self) -> int:
        """The position of the last event; 0 in an empty store."""
        with database_answers("the store"):
            return self.store.recorder.max_notification_id() or 0

    def catch_up(
        self,
        names: Iterable[str] | None = None,
        *,
        workers: int = 1,
        stop: StopSignal | None = None,
        tick: Tick | None = None,
    ) -> int:
        """Bring projections up to the last event there is now, building those that are not there.

        Whatever else is live moves along, so that all tables stay at one position.

        Args:
            names: of the projections; all if left out.
            workers: processes to build with, where something has to be built.
            stop: ends it early, once it is set.
            tick: told the number of events done so far.

        Returns the position that all of them have reached.
        """
        from projections.rebuild import rebuild  # noqa: PLC0415  (it imports this module)

        head = self.head()
        wanted = list(self.projections) if names is None else list(names)
        begun: int | None = None
        while True:
            live = self.live()
            positions = [live[name].position for name in wanted if name in live]
            reached = min(positions, default=head)
            ended = reached >= max([head, *positions]) or (stop is not None and stop.is_set())
            if len(positions) == len(wanted) and ended:
                return reached
            if to_build(wanted, live, head):
                rebuild(self, wanted, only_needed=True, workers=workers, tick=tick)
                continue
            begun = reached if begun is None else begun
            if tick is not None:
                tick(reached - begun)
            with unavailable(), self.tables.writing() as cursor:
                self.tables.lock(cursor)
                if not self.advance(cursor, list(self.live(cursor).values())):
                    head = self.head()  # somebody was faster, or an older copy was put back

    def live(self, cursor: Cursor | None = None) -> dict[str, Tracked]:
        """The live tables that are of use, by projection: of this version, and of this history."""
        if cursor is None:
            with unavailable(), self.tables.reading() as own:
                return self.live(own)
        found = [each for each in tracked(cursor, self.tables) if each.live and self._fits(each)]
        marks = {position: self.mark(position) for position in {each.position for each in found}}
        return {each.projection: each for each in found if each.mark == marks[each.position]}

    def _fits(self, table: Tracked) -> bool:
        projection = self.projections.get(table.projection)
        version = None if projection is None else projection.version
        return table.version == version and table.store_id == self.store.meta["store_id"]

    def mark(self, position: int) -> str:
        """What tells the event at a position from any other that might be there."""
        if position == 0:
            return ""
        with database_answers("the store"):
            rows = self.store.recorder.rows(position - 1, 1, stop=position)
        # Ids made from keys are the same in a history that is told anew; the time is not.
        return f"{rows[0][7]} {rows[0][8]}" if rows else "no such event"

    def advance(self, cursor: Cursor, behind: Sequence[Tracked]) -> bool:
        """Bring tables one batch further, unless there are none or no event comes after them.

        In a transaction in which nobody else moves them.
        """
        if not behind:
            return False
        after = min(each.position for each in behind)
        recorder = self.store.recorder
        with database_answers("the store"):
            feed = recorder.fetch(
                f"SELECT position, originator_id FROM {recorder.table} WHERE position > ? "
                "ORDER BY position LIMIT ?",
                [after, self.batch],
            )
        if not feed:
            return False
        end = feed[-1][0]
        mark = self.mark(end)
        touched = {stream for _, stream in feed}
        behind = [each for each in behind if each.position < end]
        for each in behind:
            move(cursor, self.tables, each, end, mark)
        self._renew(cursor, behind, end, touched)
        for what, changed in (("customer", self._cases_of), ("policy", self._cases_judged)):
            looking = [e for e in behind if what in self.projections[e.projection].looks_at]
            if looking:
                self._renew(cursor, looking, end, changed(touched, after) - touched)
        return True

    def _renew(
        self, cursor: Cursor, behind: Sequence[Tracked], until: int, streams: Iterable[str]
    ) -> None:
        """Make the rows of streams anew, in some tables."""
        projections = [self.projections[each.projection] for each in behind]
        maker = Maker(self.store, projections, until=until)
        for made in maker.of_streams(streams):
            for each in behind:
                replace(cursor, self.tables, each, made)

    def _cases_of(self, touched: set[str], _after: int) -> set[str]:
        """The cases of the customers to whom something happened."""
        recorder = self.store.recorder
        ids = sorted(each.partition(":")[2] for each in touched if each.startswith("customer:"))
        found: set[str] = set()
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            with database_answers("the store"):
                rows = recorder.fetch(
                    f"SELECT DISTINCT originator_id FROM {recorder.table} "
                    f"WHERE customer_id IN ({', '.join('?' * len(some))})",
                    some,
                )
            found |= {stream for (stream,) in rows if stream.startswith("case:")}
        return found

    def _cases_judged(self, touched: set[str], after: int) -> set[str]:
        """The cases with events that a newly adopted policy may judge, which are those since it
        took effect. They were recorded no earlier, clocks that differ aside."""
        if "policy" not in touched:
            return set()
        recorder = self.store.recorder
        with database_answers("the store"):
            adopted = [row for row in recorder.stream_rows("policy") if row[0] > after]
        try:
            events = [each.event for each in self.store.journal.codec.recorded(adopted)]
            effective = [each.effective_from for each in events if isinstance(each, PolicyAdopted)]
            since = min(map(to_microseconds, effective)) - AHEAD // timedelta(microseconds=1)
        except StoreDamaged:  # it may judge anything
            since = 0
        with database_answers("the store"):
            rows = recorder.fetch(
                f"SELECT DISTINCT originator_id FROM {recorder.table} WHERE recorded_at >= ?",
                [since],
            )
        return {stream for (stream,) in rows if stream.startswith("case:")}

    # --- going on --------------------------------------------------------------------------

    def run(self, *, stop: StopSignal | None = None, tick: Tick | None = None) -> None:
        """Keep the projections up to date until `stop` is set (seen within a second, unless
        something has to be built first)."""
        with database_answers("the store"), self.store.recorder.changes() as changes:
            while stop is None or not stop.is_set():
                self.catch_up(stop=stop, tick=tick)
                changes.wait(LOOK_ANYWAY)

    def wait(self, position: int, timeout: float = 5.0, names: Iterable[str] | None = None) -> None:
        """Wait until every event up to a position is in the rows, by whatever runner.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + timeout
        wanted = list(self.projections) if names is None else list(names)
        pause = 0.002
        while True:
            live = self.live()
            late = [n for n in wanted if n not in live or live[n].position < position]
            if not late:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{', '.join(late)}: not at position {position} after {timeout:g} s; is "
                    "`casestore projections run` running?"
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    # --- what went wrong, and how it stands ---------------------------------------------------

    def parked(self, cursor: Cursor | None = None) -> list[Parked]:
        """The streams whose rows could not be made, of the live tables."""
        if cursor is None:
            with unavailable(), self.tables.reading() as own:
                return self.parked(own)
        live = {each.table: name for name, each in self.live(cursor).items()}
        found = cursor.all(
            f"SELECT table_name, stream, error FROM {self.tables.at('parked')} "
            "ORDER BY stream, table_name"
        )
        return [Parked(live[table], *rest) for table, *rest in found if table in live]

    def retry(self) -> list[Parked]:
        """Make the rows of parked streams again, and give those that stay parked."""
        with unavailable(), self.tables.writing() as cursor:
            self.tables.lock(cursor)
            live = self.live(cursor)
            streams: defaultdict[str, set[str]] = defaultdict(set)
            for each in self.parked(cursor):
                streams[each.projection].add(each.stream)
            for name, parked in streams.items():
                self._renew(cursor, [live[name]], live[name].position, parked)
        return self.parked()

    def status(self) -> list[Status]:
        """How each projection stands."""
        live, recorder, now = self.live(), self.store.recorder, self.store.now()
        parked = self.parked()
        found = []
        for name, projection in self.projections.items():
            position = live[name].position if name in live else None
            with database_answers("the store"):
                ((lag,),) = recorder.fetch(
                    f"SELECT count(*) FROM {recorder.table} WHERE position > ?", [position or 0]
                )
                first = recorder.rows(position or 0, 1)
            waited = now - from_microseconds(first[0][8]) if first else timedelta()
            count = sum(each.projection == name for each in parked)
            lag_s = max(waited.total_seconds(), 0.0)
            found.append(Status(name, projection.version, position, lag, lag_s, count))
        return found


@contextmanager
def unavailable() -> Iterator[None]:
    """What the tables' database cannot do in here is StoreUnavailable."""
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(
            f"the projections cannot be read or written: {brief(error)}; they hold nothing that "
            "cannot be made anew from the events: where they are broken, delete them"
        ) from error


def tracked(cursor: Cursor, where: Tables) -> list[Tracked]:
    """What is kept track of."""
    columns = ", ".join("table_name" if name == "table" else name for name in Tracked._fields)
    found = cursor.all(f"SELECT {columns} FROM {where.at('tracking')} ORDER BY table_name")
    return [Tracked._make(row)._replace(live=bool(row[4])) for row in found]


def move(cursor: Cursor, where: Tables, table: Tracked, end: int, mark: str) -> None:
    """Move a table's position on."""
    cursor.run(
        f"UPDATE {where.at('tracking')} SET position = ?, mark = ? WHERE table_name = ?",
        [end, mark, table.table],
    )


def replace(cursor: Cursor, where: Tables, table: Tracked, made: Made) -> None:
    """Put rows in the place of those that a table holds of their streams."""
    marks = ", ".join("?" * len(made.streams))
    cursor.run(f"DELETE FROM {where.at(table.table)} WHERE stream IN ({marks})", made.streams)
    cursor.run(
        f"DELETE FROM {where.at('parked')} WHERE table_name = ? AND stream IN ({marks})",
        [table.table, *made.streams],
    )
    insert(cursor, where, table, made)


def to_build(names: Iterable[str], live: Mapping[str, Tracked], head: int) -> list[str]:
    """Of some projections those that are not there; and all that are, where they are so far behind
    that it is faster to build them than to catch up stream by stream."""
    far = any(head - table.position > max(FAR, head // 3) for table in live.values())
    return [*(name for name in names if name not in live), *(live if far else ())]


def insert(cursor: Cursor, where: Tables, table: Tracked, made: Made) -> None:
    """Insert rows, and what could not be made."""
    cursor.insert(where.at(table.table), made.rows[table.projection])
    parked = made.parked[table.projection]
    cursor.insert(where.at("parked"), [(table.table, *each) for each in parked])
