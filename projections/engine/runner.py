"""Keeps the projections' tables up to date with the events, by catching up or building anew."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from threading import Event as StopSignal
from typing import NamedTuple

from casestore.journal.answering import database_answers
from casestore.journal.recorder import LOOK_ANYWAY
from casestore.streams.history import from_microseconds
from projections.engine.live import LiveTables, Tick, to_build
from projections.engine.rebuild import rebuild
from projections.engine.tables import Cursor, unavailable


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


class Runner(LiveTables):
    """Brings a store's projections up to date, and keeps them so. Arguments as of LiveTables."""

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
        head = self.head()
        wanted = list(self.projections) if names is None else list(names)
        begun: int | None = None
        while True:
            live = self.current()
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
                if not self.advance(cursor, list(self.current(cursor).values())):
                    head = self.head()  # somebody was faster, or an older copy was put back

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
            live = self.current()
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
        live = {each.table: name for name, each in self.current(cursor).items()}
        found = cursor.all(
            f"SELECT table_name, stream, error FROM {self.tables.at('parked')} "
            "ORDER BY stream, table_name"
        )
        return [Parked(live[table], *rest) for table, *rest in found if table in live]

    def retry(self) -> list[Parked]:
        """Make the rows of parked streams again, and give those that stay parked."""
        with unavailable(), self.tables.writing() as cursor:
            self.tables.lock(cursor)
            live = self.current(cursor)
            streams: defaultdict[str, set[str]] = defaultdict(set)
            for each in self.parked(cursor):
                streams[each.projection].add(each.stream)
            for name, parked in streams.items():
                self._renew(cursor, [live[name]], live[name].position, parked)
        return self.parked()

    def status(self) -> list[Status]:
        """How each projection stands."""
        live, recorder, now = self.current(), self.store.recorder, self.store.now()
        parked = self.parked()
        found = []
        for name, projection in self.projections.items():
            position = live[name].position if name in live else None
            lag = recorder.count_after(position or 0)
            first = recorder.rows(position or 0, 1)
            waited = now - from_microseconds(first[0][8]) if first else timedelta()
            count = sum(each.projection == name for each in parked)
            lag_s = max(waited.total_seconds(), 0.0)
            found.append(Status(name, projection.version, position, lag, lag_s, count))
        return found
