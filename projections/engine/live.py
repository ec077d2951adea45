"""The live tables of a store's projections: which of them can be used, and bringing them forward.

One scan of the feed serves all projections. A batch is a set of streams. Their rows and the
position are committed together, and the rows are made from the events up to that position and no
further. So every event is in the rows exactly once, whichever process moves the tables, and after a
crash too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Self

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.events import PolicyAdopted
from casestore.streams.checks import AHEAD
from casestore.streams.history import to_microseconds
from projections.engine.maker import Maker
from projections.engine.open_tables import open_tables
from projections.engine.sums import Sum
from projections.engine.tables import Cursor, Tables, Tracked, unavailable
from projections.projection import Projection

BATCH = 2_000
"""How many events one commit takes in: the rows of their streams are brought up to date."""
FAR = 20_000
"""Tables that are at most so many events behind catch up; they are not built anew."""
Tick = Callable[[int], None]
"""A function that is called with the number of events done so far."""


def to_build(names: Iterable[str], live: Mapping[str, Tracked], head: int) -> list[str]:
    """The projections that have to be built.

    They are those without a live table, and those that are so far behind that it is faster to
    build them anew than to catch up stream by stream.
    """
    far = any(head - table.position > max(FAR, head // 3) for table in live.values())
    return [*(name for name in names if name not in live), *(live if far else ())]


class Parked(NamedTuple):
    """A stream whose rows could not be made."""

    projection: str
    stream: str
    error: str


class LiveTables:
    """The tables that reports read.

    Args:
        store: where the events are. The caller closes it.
        projections: the projections to keep tables of.
        batch: the number of events whose streams are brought up to date in one commit.
        for_one_report: see `open_tables`.
        tables: those to use; opened, and made if there are none, if left out.
    """

    def __init__(
        self,
        store: CaseStore,
        projections: Sequence[Projection],
        *,
        batch: int = BATCH,
        for_one_report: bool = False,
        tables: Tables | None = None,
    ) -> None:
        self.store = store
        self.projections = {each.name: each for each in projections}
        self.batch = batch
        with unavailable():
            self.tables = tables or open_tables(store, for_one_report=for_one_report)

    def close(self) -> None:
        """Close the connections."""
        self.tables.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def head(self) -> int:
        """The position of the last event; 0 in an empty store."""
        return self.store._recorder.last_position()

    def current(self, cursor: Cursor | None = None) -> dict[str, Tracked]:
        """The live tables that can be used, by projection.

        They have the projection's present version, and were made from this store's history.
        """
        if cursor is None:
            with unavailable(), self.tables.reading() as own:
                return self.current(own)
        found = [each for each in self.tables.tracked(cursor) if each.live and self._fits(each)]
        marks = {position: self.mark(position) for position in {each.position for each in found}}
        return {each.projection: each for each in found if each.mark == marks[each.position]}

    def _fits(self, table: Tracked) -> bool:
        projection = self.projections.get(table.projection)
        version = None if projection is None else projection.version
        return table.version == version and table.store_id == self.store.meta["store_id"]

    def parked(self, cursor: Cursor | None = None) -> list[Parked]:
        """The streams whose rows could not be made."""
        if cursor is None:
            with unavailable(), self.tables.reading() as own:
                return self.parked(own)
        live = {each.table: name for name, each in self.current(cursor).items()}
        found = cursor.all(
            f"SELECT table_name, stream, error FROM {self.tables.at('parked')} "
            "ORDER BY stream, table_name"
        )
        return [Parked(live[table], *rest) for table, *rest in found if table in live]

    def mark(self, position: int) -> str:
        """The mark of the event at a position: it differs if another history is there."""
        return self.store._recorder.mark(position)

    def advance(self, cursor: Cursor, behind: Sequence[Tracked]) -> bool:
        """Bring tables forward by one batch.

        Call it in a transaction in which nobody else moves them (see `Tables.lock`). Returns
        whether it did anything: not if there are no tables, or no event comes after them.
        """
        if not behind:
            return False
        after = min(each.position for each in behind)
        feed = self.store._recorder.feed(after, self.batch)
        if not feed:
            return False
        end = feed[-1][0]
        mark = self.mark(end)
        touched = {stream for _, stream in feed}
        behind = [each for each in behind if each.position < end]
        noted = self.tables.noted(cursor)
        changes = self.renew(cursor, behind, end, touched)
        for what, changed in (("customer", self._cases_of), ("policy", self._cases_judged)):
            looking = [e for e in behind if what in self.projections[e.projection].looks_at]
            if looking:
                more = self.renew(cursor, looking, end, changed(touched, after) - touched)
                changes |= {table: changes[table].plus(change) for table, change in more.items()}
        for each in behind:
            self.tables.move(cursor, each, end, mark)
            if each.table in noted:
                after_all = noted[each.table].plus(changes[each.table])
                self.tables.note_change(cursor, each, end, after_all)
        return True

    def renew(
        self, cursor: Cursor, behind: Sequence[Tracked], until: int, streams: Iterable[str]
    ) -> dict[str, Sum]:
        """Make the rows of some streams anew in some tables, from the events up to `until`.

        Gives what the sums change by, by the table's name.
        """
        projections = [self.projections[each.projection] for each in behind]
        maker = Maker(self.store, projections, until=until)
        changes = {each.table: Sum() for each in behind}
        for made in maker.of_streams(streams):
            for each in behind:
                change = self.tables.replace(cursor, each, made)
                changes[each.table] = changes[each.table].plus(change)
        return changes

    def _cases_of(self, touched: set[str], _after: int) -> set[str]:
        """The cases of the customers whose streams have new events."""
        names = sorted(stream for stream in touched if stream.startswith("customer:"))
        return self.store._recorder.cases_of([name.removeprefix("customer:") for name in names])

    def _cases_judged(self, touched: set[str], after: int) -> set[str]:
        """The cases with events that a newly adopted policy may judge.

        It judges what happened since it took effect. Such an event was recorded no earlier than
        that, except for clocks that differ; hence AHEAD.
        """
        if "policy" not in touched:
            return set()
        recorder = self.store._recorder
        adopted = [row for row in recorder.stream_rows("policy") if row[0] > after]
        try:
            events = [each.event for each in self.store._codec.recorded(adopted)]
            effective = [each.effective_from for each in events if isinstance(each, PolicyAdopted)]
            since = min(map(to_microseconds, effective)) - AHEAD // timedelta(microseconds=1)
        except StoreDamaged:  # the policy cannot be read, so it may judge any event
            since = 0
        return recorder.cases_recorded_since(since)
