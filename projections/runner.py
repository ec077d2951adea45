"""Keeps the projections' tables up to date with the events.

One scan of the feed feeds all projections. A batch is a set of streams; their rows and the
position are committed together, and only by a runner that moves the position on from where it
found it: so with two runners, or after a crash, every event is in the rows exactly once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event as StopSignal
from typing import NamedTuple, Self

from eventsourcing.persistence import PersistenceError

from casestore import CaseStore
from casestore.errors import StoreUnavailable
from casestore.events import PolicyAdopted
from casestore.history import from_microseconds, to_microseconds
from casestore.journal.recorder import LOOK_ANYWAY
from casestore.opening import answering, brief
from casestore.structure import AHEAD
from projections import PROJECTIONS, tables
from projections.making import Made, Maker
from projections.projection import Projection
from projections.tables import Cursor, Tables, Tracked

BATCH = 2_000
"""Events whose streams are brought up to date in one commit."""

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


class Overtaken(Exception):  # noqa: N818  (it tells of no fault)
    """Another runner, or a rebuild, was faster."""


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
        with answering("the store"):
            return self.store.recorder.max_notification_id() or 0

    def catch_up(
        self, names: Iterable[str] | None = None, *, workers: int = 1, tick: Tick | None = None
    ) -> int:
        """Bring projections up to the last event there is now, building those that are not there.

        Args:
            names: of the projections; all if left out.
            workers: processes to build with, where something has to be built.
            tick: told the number of events done so far.

        Returns the position that all of them have reached at least.
        """
        from projections.rebuild import rebuild  # noqa: PLC0415  (it imports this module)

        head = self.head()
        wanted = list(self.projections) if names is None else list(names)
        begun: int | None = None
        while True:
            live = self.live()
            missing = [name for name in wanted if name not in live]
            if missing:
                rebuild(self, missing, only_missing=True, workers=workers, tick=tick)
                continue
            behind = [each for name in wanted if (each := live[name]).position < head]
            if not behind:
                return head
            reached = min(each.position for each in behind)
            begun = reached if begun is None else begun
            if tick is not None:
                tick(reached - begun)
            self.step(behind)

    def live(self, cursor: Cursor | None = None) -> dict[str, Tracked]:
        """The live tables that are of use, by projection: of this version, and of this history."""
        if cursor is None:
            with unavailable(), self.tables.reading() as own:
                return self.live(own)
        found = tracked(cursor, self.tables)
        usable = {}
        for each in found:
            projection = self.projections.get(each.projection)
            if each.live and projection is not None and self._holds(projection, each):
                usable[each.projection] = each
        return usable

    def _holds(self, projection: Projection, table: Tracked) -> bool:
        if table.version != projection.version or table.store_id != self.store.meta["store_id"]:
            return False
        return table.event_id == self.event_id_at(table.position)

    def event_id_at(self, position: int) -> str | None:
        """The id of the event at a position; None where there is none."""
        if position == 0:
            return None
        with answering("the store"):
            rows = self.store.recorder.rows(position - 1, 1, stop=position)
        return str(rows[0][7]) if rows else "no such event"

    def step(self, behind: Sequence[Tracked]) -> None:
        """Bring tables one batch further, unless somebody else does."""
        after = min(each.position for each in behind)
        recorder = self.store.recorder
        with answering("the store"):
            feed = recorder.fetch(
                f"SELECT position, originator_id, {_EVENT_ID[recorder.hopes]} "
                f"FROM {recorder.table} WHERE position > ? ORDER BY position LIMIT ?",
                [after, self.batch],
            )
        if not feed:
            return
        end, _, event_id = feed[-1]
        touched = {stream for _, stream, _ in feed}
        behind = [each for each in behind if each.position < end]
        projections = [self.projections[each.projection] for each in behind]
        all_made = [Maker(self.store, projections).of_streams(touched - {"policy"})]
        for what, changed in (("customer", self._cases_of), ("policy", self._cases_judged)):
            looking = [each for each in projections if what in each.looks_at]
            if looking:
                all_made.append(Maker(self.store, looking).of_streams(changed(touched) - touched))
        try:
            with unavailable(), self.tables.writing() as cursor:
                for each in sorted(behind):  # always in one order: nobody waits for each other
                    move(cursor, self.tables, each, end, str(event_id))
                for made in all_made:
                    for each in behind:
                        replace(cursor, self.tables, each, made)
        except Overtaken:
            return  # what it did is seen in the next look

    def _cases_of(self, touched: set[str]) -> set[str]:
        """The cases of the customers to whom something happened."""
        recorder = self.store.recorder
        ids = sorted(each.partition(":")[2] for each in touched if each.startswith("customer:"))
        found: set[str] = set()
        for start in range(0, len(ids), 400):
            some = ids[start : start + 400]
            with answering("the store"):
                rows = recorder.fetch(
                    f"SELECT DISTINCT originator_id FROM {recorder.table} "
                    f"WHERE customer_id IN ({', '.join('?' * len(some))})",
                    some,
                )
            found |= {stream for (stream,) in rows if stream.startswith("case:")}
        return found

    def _cases_judged(self, touched: set[str]) -> set[str]:
        """The cases with events that a policy may judge, if anything happened to the policies:
        those since the first took effect. They were recorded no earlier, clocks that differ aside.
        """
        if "policy" not in touched:
            return set()
        recorder = self.store.recorder
        adopted = [each.event for each in self.store.history("policy").originals]
        effective = [each.effective_from for each in adopted if isinstance(each, PolicyAdopted)]
        since = to_microseconds(min(effective) - AHEAD)
        with answering("the store"):
            rows = recorder.fetch(
                f"SELECT DISTINCT originator_id FROM {recorder.table} WHERE recorded_at >= ?",
                [since],
            )
        return {stream for (stream,) in rows if stream.startswith("case:")}

    # --- going on --------------------------------------------------------------------------

    def run(self, *, stop: StopSignal | None = None, tick: Tick | None = None) -> None:
        """Keep the projections up to date until `stop` is set (seen within a second)."""
        with answering("the store"), self.store.recorder.changes() as changes:
            while stop is None or not stop.is_set():
                self.catch_up(tick=tick)
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
        live = self.live()
        by_projection: dict[str, set[str]] = {}
        for each in self.parked():
            by_projection.setdefault(each.projection, set()).add(each.stream)
        for name, streams in by_projection.items():
            table = live[name]
            made = Maker(self.store, [self.projections[name]]).of_streams(streams)
            with unavailable(), self.tables.writing() as cursor:
                try:
                    move(cursor, self.tables, table, table.position, table.event_id)
                except Overtaken:
                    return self.retry()
                replace(cursor, self.tables, table, made)
        return self.parked()

    def status(self) -> list[Status]:
        """How each projection stands."""
        live, recorder, now = self.live(), self.store.recorder, datetime.now(UTC)
        parked = self.parked()
        found = []
        for name, projection in self.projections.items():
            position = live[name].position if name in live else None
            with answering("the store"):
                ((lag,),) = recorder.fetch(
                    f"SELECT count(*) FROM {recorder.table} WHERE position > ?", [position or 0]
                )
                first = recorder.rows(position or 0, 1)
            waited = now - from_microseconds(first[0][8]) if first else timedelta()
            count = sum(each.projection == name for each in parked)
            lag_s = max(waited.total_seconds(), 0.0)
            found.append(Status(name, projection.version, position, lag, lag_s, count))
        return found


_EVENT_ID = {False: "event_id", True: "event_id::text"}
"""As either database gives it as text."""


@contextmanager
def unavailable() -> Iterator[None]:
    """What the tables' database cannot do in here is StoreUnavailable."""
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(
            f"the projections cannot be read or written: {brief(error)}; they hold nothing that "
            "`casestore projections rebuild` does not bring back"
        ) from error


def tracked(cursor: Cursor, where: Tables) -> list[Tracked]:
    """What is kept track of."""
    columns = ", ".join("table_name" if name == "table" else name for name in Tracked._fields)
    found = cursor.all(f"SELECT {columns} FROM {where.at('tracking')} ORDER BY table_name")
    return [Tracked._make(row)._replace(live=bool(row[4])) for row in found]


def move(cursor: Cursor, where: Tables, table: Tracked, end: int, event_id: str | None) -> None:
    """Move a table's position on. Raises Overtaken where it is not what it was."""
    moved = cursor.run(
        f"UPDATE {where.at('tracking')} SET position = ?, event_id = ? "
        "WHERE table_name = ? AND position = ? AND live = ?",
        [end, event_id, table.table, table.position, int(table.live)],
    )
    if moved != 1:
        raise Overtaken


def replace(cursor: Cursor, where: Tables, table: Tracked, made: Made) -> None:
    """Put rows in the place of those that a table holds of their streams."""
    names = sorted(made.streams.get(table.projection, ()))
    for target in (where.at(table.table), where.at("parked")):
        parked = target == where.at("parked")
        for start in range(0, len(names), 400):
            some = names[start : start + 400]
            marks = ", ".join("?" * len(some))
            own = "table_name = ? AND " if parked else ""
            params = [table.table, *some] if parked else some
            cursor.run(f"DELETE FROM {target} WHERE {own}stream IN ({marks})", params)
    insert(cursor, where, table, made)


def insert(cursor: Cursor, where: Tables, table: Tracked, made: Made) -> None:
    """Insert rows, and what could not be made."""
    cursor.insert(where.at(table.table), made.rows.get(table.projection, []))
    parked = made.parked.get(table.projection, [])
    cursor.insert(where.at("parked"), [(table.table, *each) for each in parked])
