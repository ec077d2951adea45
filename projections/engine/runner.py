"""Keeps the tables of projections up to date, by catching up or by building them anew."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from threading import Event as StopSignal
from typing import NamedTuple, Self

from casestore import CaseStore, StoreUnavailable
from casestore.journal.answering import Outage
from casestore.journal.listening import LOOK_ANYWAY
from casestore.streams.history import from_microseconds
from casestore.telemetry.spans import span
from casestore.telemetry.telling import PROJECTION, found, measure
from projections.engine.live import BATCH, LiveTables, Parked, Tick, to_build
from projections.engine.rebuild import rebuild
from projections.engine.tables import Tracked, unavailable
from projections.engine.verifying import Verified, count, verify
from projections.projection import Projection
from projections.read_models import PROJECTIONS


class Status(NamedTuple):
    """How far a projection has got."""

    projection: str
    version: int
    position: int | None
    """The last event in its rows; None if it was never built or has to be built anew."""
    lag_events: int
    lag_s: float
    """Seconds since the first event that is not in its rows was recorded; 0 if all are in them."""
    parked: int
    """The number of streams whose rows could not be made."""
    rows: int | None
    """How many rows there are, streams that are parked included; None if there is no table."""
    noted: int | None
    """How many were made. If `rows` differs, somebody changed the table. None if that is not known:
    a release that kept no count made the table or moved it."""


class Runner:
    """Brings a store's projections up to date, and keeps them so. Close it, or use it in a `with`.

    Args:
        store: where the events are. The caller closes it.
        projections: the projections to keep up to date.
        batch: the number of events whose streams are brought up to date in one commit.
    """

    def __init__(
        self,
        store: CaseStore,
        projections: Sequence[Projection] = PROJECTIONS,
        *,
        batch: int = BATCH,
    ) -> None:
        self._live = LiveTables(store, projections, batch=batch)

    def close(self) -> None:
        """Close the connections of the tables. The store stays open."""
        self._live.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def catch_up(
        self,
        names: Iterable[str] | None = None,
        *,
        processes: int = 1,
        stop: StopSignal | None = None,
        tick: Tick | None = None,
    ) -> int:
        """Bring projections up to the last event there is now, and build those without a table.

        The other live tables move along, so that all tables stay at one position.

        Args:
            names: the projections; all if left out.
            processes: the number of processes that build, if something has to be built. With more
                than one, the caller's main module must be importable, as multiprocessing demands.
            stop: ends it early, once it is set.
            tick: called with the number of events done so far.

        Returns:
            The position that all of these projections have reached.

        Raises:
            StoreUnavailable: a database does not answer or cannot be written.
        """
        return catch_up(self._live, names, processes=processes, stop=stop, tick=tick)

    def rebuild(
        self,
        names: Iterable[str] | None = None,
        *,
        processes: int = 1,
        tick: Tick | None = None,
    ) -> None:
        """Build projections anew. Reports read the old tables until the new ones replace them.

        The arguments and errors are those of `catch_up`.
        """
        rebuild(self._live, names, processes=processes, tick=tick)

    def run(self, *, stop: StopSignal | None = None, tick: Tick | None = None) -> None:
        """Keep the projections up to date until `stop` is set.

        `stop` is noticed within a second, unless something has to be built first. While the
        database does not answer, this waits and says so in the log "casestore".
        """
        from casestore.audit.age import SealAge  # noqa: PLC0415  (reports wait for no audit)

        outage, store = Outage("keeping the projections up to date"), self._live.store
        seal_age = SealAge(store)
        with store._recorder.changes() as changes:
            while stop is None or not stop.is_set():
                try:
                    self.catch_up(stop=stop, tick=tick)
                except StoreUnavailable as error:
                    if store.closed:
                        raise
                    outage.wait(error, stop)
                    continue
                outage.over()
                seal_age.tell()
                changes.wait(LOOK_ANYWAY)

    def wait(self, position: int, timeout: float = 5.0, names: Iterable[str] | None = None) -> None:
        """Wait until some runner has brought every event up to a position into the rows.

        Args:
            position: the position of an event, as a Receipt gives it.
            timeout: seconds to wait.
            names: the projections to wait for; all if left out.

        Raises:
            TimeoutError: it took longer.
            StoreUnavailable: a database does not answer.
        """
        deadline = time.monotonic() + timeout
        wanted = list(self._live.projections) if names is None else list(names)
        pause = 0.002
        while True:
            live = self._live.current()
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

    def head(self) -> int:
        """The position of the last event; 0 in an empty store."""
        return self._live.head()

    def parked(self) -> list[Parked]:
        """The streams whose rows could not be made."""
        return self._live.parked()

    def retry(self) -> list[Parked]:
        """Make the rows of parked streams again. Returns those that are still parked."""
        tables = self._live.tables
        with unavailable(), tables.writing() as cursor:
            tables.lock(cursor)
            live = self._live.current(cursor)
            streams: defaultdict[str, set[str]] = defaultdict(set)
            for each in self._live.parked(cursor):
                streams[each.projection].add(each.stream)
            noted = tables.noted(cursor)
            for name, parked in streams.items():
                table = live[name]
                change = self._live.renew(cursor, [table], table.position, parked)[table.table]
                if table.table in noted:
                    after = noted[table.table].plus(change)
                    tables.note_change(cursor, table, table.position, after)
        return self.parked()

    def verify(self, *, from_events: bool = False, tick: Tick | None = None) -> list[Verified]:
        """Tell whether the tables hold the rows that were made: whether nobody changed them.

        A count and a checksum are kept with each table's position. A table that is wrong is mended
        by `rebuild`.

        Args:
            from_events: also make all rows anew from the events, and name what differs.
            tick: called with the number of events read so far.

        Raises:
            StoreUnavailable: a database does not answer.
        """
        return verify(self._live, from_events=from_events, tick=tick)

    def status(self) -> list[Status]:
        """How far each projection has got."""
        live, store = self._live.current(), self._live.store
        recorder, now = store._recorder, store.now()
        parked = self.parked()
        found = []
        for name, projection in self._live.projections.items():
            position = live[name].position if name in live else None
            lag = recorder.count_after(position or 0)
            first = recorder.rows(position or 0, 1)
            waited = now - from_microseconds(first[0][8]) if first else timedelta()
            of_name = sum(each.projection == name for each in parked)
            lag_s = max(waited.total_seconds(), 0.0)
            rows = self._rows(live.get(name))
            found.append(Status(name, projection.version, position, lag, lag_s, of_name, *rows))
        return found

    def _rows(self, table: Tracked | None) -> tuple[int | None, int | None]:
        """How many rows a table has, and how many were made."""
        if table is None:
            return None, None
        with unavailable(), self._live.tables.reading() as cursor:
            noted = self._live.tables.noted(cursor).get(table.table)
            return count(self._live, cursor, table), None if noted is None else noted.rows


def catch_up(
    live: LiveTables,
    names: Iterable[str] | None = None,
    *,
    processes: int = 1,
    stop: StopSignal | None = None,
    tick: Tick | None = None,
) -> int:
    """Bring live tables up to the last event there is now; see `Runner.catch_up`."""
    head = live.head()
    wanted = list(live.projections) if names is None else list(names)
    begun: int | None = None
    while True:
        current = live.current()
        positions = [current[name].position for name in wanted if name in current]
        _tell_lag(live, current, head)
        reached = min(positions, default=head)
        ended = reached >= max([head, *positions]) or (stop is not None and stop.is_set())
        if len(positions) == len(wanted) and ended:
            return reached
        if to_build(wanted, current, head):
            rebuild(live, wanted, only_needed=True, processes=processes, tick=tick)
            continue
        begun = reached if begun is None else begun
        if tick is not None:
            tick(reached - begun)
        with span("project", live.store.url), unavailable(), live.tables.writing() as cursor:
            live.tables.lock(cursor)
            if not live.advance(cursor, list(live.current(cursor).values())):
                head = live.head()  # another process was faster, or an older copy was put back


def _tell_lag(live: LiveTables, current: Mapping[str, Tracked], head: int) -> None:
    """Tell OpenTelemetry how many positions each table is behind; all, where there is none."""
    if found() is not None:
        for name in live.projections:
            position = current[name].position if name in current else 0
            lag = max(0, head - position)
            measure("casestore.projection.lag", lag, live.store.url, {PROJECTION: name})
