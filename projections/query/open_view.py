"""Opens the tables that a report reads.

They are the live tables, which are brought up to date first. If the report is as of another time,
they are tables that are made for this report alone. The same functions make their rows, from what
had happened, or was on record, by that time. If the report is about certain cases or customers,
only their streams are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import datetime

from eventsourcing.persistence import ProgrammingError

from casestore import CaseStore
from casestore.streams.history import from_microseconds, to_microseconds
from casestore.streams.policies import Policies
from projections.engine.filling import fill, put, ranges
from projections.engine.fold import Made
from projections.engine.live import LiveTables, Tick
from projections.engine.maker import Maker
from projections.engine.open_tables import scratch_tables
from projections.engine.runner import catch_up
from projections.engine.tables import Cursor, Tables, Tracked
from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.projection import Projection
from projections.query.related_streams import related_streams
from projections.query.selection import Selection
from projections.query.view import View
from projections.read_models import PROJECTIONS

_PATIENCE = 6
"""So often tables may be dropped while they are opened; then it is another error."""


@contextmanager
def open_view(
    live: LiveTables,
    needs: Sequence[Projection],
    selection: Selection,
    tick: Tick | None,
    processes: int,
) -> Iterator[tuple[View, int]]:
    """The tables for a selection, and the number of parked streams.

    Args:
        live: the live tables of the store.
        needs: the projections whose rows the report reads.
        selection: what the report is asked about.
        tick: called with the number of events done so far.
        processes: the number of processes that build, if tables have to be built first.
    """
    with _one_moment(live, [each.name for each in needs], tick, processes) as (cursor, current):
        names = {name: live.tables.at(table.table) for name, table in current.items()}
        newest = _newest(cursor, names)
        as_of = selection.as_of or max(live.store.now(), newest)
        position = current[needs[0].name].position
        known = _known(live, position, selection.known_at)
        under = _making(live.store, needs, selection, as_of=as_of, until=known, tick=tick)
        if as_of >= newest and known == position:
            parked = {each.stream for each in live.parked(cursor) if each.projection in current}
            maker = Maker(live.store, (), until=position)
            view = View(cursor, names, selection=selection, as_of=as_of, maker=maker, under=under)
            yield view, len(parked)
            return
    with under(None) as seen:
        yield seen


def _making(
    store: CaseStore,
    needs: Sequence[Projection],
    selection: Selection,
    *,
    as_of: datetime,
    until: int,
    tick: Tick | None,
) -> Callable[[Policies | None], AbstractContextManager[tuple[View, int]]]:
    """A function that makes tables for one report, as of a time and up to a position.

    It takes the policies to judge by; None means those that were adopted.
    """
    of = [selection.wanted(name) or () for name in ("case", "customer")]

    @contextmanager
    def under(policies: Policies | None) -> Iterator[tuple[View, int]]:
        scratch = scratch_tables()
        streams = related_streams(store, *of) if any(of) else None
        with closing(scratch):
            maker = Maker(store, needs, until=until, as_of=as_of)
            if policies is not None:
                maker.policies = policies
            parked = _fill(scratch, maker, store, needs, streams=streams, tick=tick)
            names = {each.name: scratch.at(each.name) for each in needs}
            with scratch.reading() as cursor:
                view = View(
                    cursor, names, selection=selection, as_of=as_of, maker=maker, under=under
                )
                yield view, len(parked)

    return under


def fill_moment(
    tables: Tables, store: CaseStore, as_of: datetime, until: int, tick: Tick | None
) -> int:
    """Fill empty tables as of a time and up to a position; gives the number of parked streams.

    Raises StoreUnavailable.
    """
    maker = Maker(store, PROJECTIONS, until=until, as_of=as_of)
    return len(_fill(tables, maker, store, PROJECTIONS, streams=None, tick=tick))


def view_of(
    tables: Tables, cursor: Cursor, store: CaseStore, selection: Selection, until: int
) -> View:
    """A view of tables that `fill_moment` has filled as of the selection's time.

    Args:
        tables: the tables.
        cursor: a transaction that reads them.
        store: the store that they were made from.
        selection: what is asked about; its `as_of` is that of the tables.
        until: the position up to which they were filled.

    Raises ValueError for a selection without `as_of`.
    """
    if selection.as_of is None:
        raise ValueError("tables of a moment are as of a time")
    names = {each.name: tables.at(each.name) for each in PROJECTIONS}
    maker = Maker(store, (), until=until, as_of=selection.as_of)
    under = _making(store, PROJECTIONS, selection, as_of=selection.as_of, until=until, tick=None)
    return View(cursor, names, selection=selection, as_of=selection.as_of, maker=maker, under=under)


@contextmanager
def _one_moment(
    live: LiveTables, names: Sequence[str], tick: Tick | None, processes: int
) -> Iterator[tuple[Cursor, dict[str, Tracked]]]:
    """The live tables of some projections, up to date and all at the same position."""
    dropped = 0
    with ExitStack() as opened:
        while True:
            catch_up(live, names, processes=processes, tick=tick)
            try:
                with ExitStack() as trying:
                    cursor = trying.enter_context(live.tables.reading())
                    current = _held(live, cursor, names)
                    # If not, another process moved or replaced some in between: try again.
                    if current is not None:
                        opened.push(trying.pop_all())
                        break
            except ProgrammingError:  # on PostgreSQL, a rebuild dropped one before we held it
                dropped += 1
                if dropped == _PATIENCE:
                    raise
        yield cursor, current


def _held(live: LiveTables, cursor: Cursor, names: Sequence[str]) -> dict[str, Tracked] | None:
    """The live tables of some projections, which nobody can drop before the transaction ends.

    Gives None if they are not all there, or not all at the same position. Raises ProgrammingError
    if one was dropped meanwhile: on PostgreSQL, only a table that was read from is held.
    """
    current = {name: each for name, each in live.current(cursor).items() if name in names}
    if len(current) < len(names) or len({each.position for each in current.values()}) > 1:
        return None
    for each in current.values():
        cursor.all(f"SELECT 1 FROM {live.tables.at(each.table)} LIMIT 1")
    return current


def _newest(cursor: Cursor, names: Mapping[str, str]) -> datetime:
    """The latest time at which an event on record happened. It may be later than our clock's."""
    found = [
        cursor.all(f"SELECT max(last_event_at) FROM {names[each.name]}")[0][0] or 0
        for each in (CASES, CUSTOMERS)
    ]
    return from_microseconds(max(found))


def _known(live: LiveTables, position: int, known_at: datetime | None) -> int:
    """The last position that was on record at a time, but at most `position`."""
    if known_at is None:
        return position
    return live.store._recorder.last_position_by(to_microseconds(known_at), position)


def _fill(
    scratch: Tables,
    maker: Maker,
    store: CaseStore,
    needs: Sequence[Projection],
    *,
    streams: Iterable[str] | None,
    tick: Tick | None,
) -> set[str]:
    """Make the rows of some streams, or of the whole store if `streams` is None.

    Returns the streams whose rows could not be made.
    """
    parked: set[str] = set()
    done = 0
    with scratch.writing() as cursor:
        for each in needs:
            scratch.create(cursor, each.name, each)
    into = [Tracked(each.name, each.name, 0, "", False, 0, "") for each in needs]
    for made in _made(scratch, maker, store, into, streams):
        parked |= {stream for found in made.parked.values() for stream, _ in found}
        done += made.events
        if tick is not None:
            tick(done)
    with scratch.writing() as cursor:
        for each in needs:
            scratch.index(cursor, each.name, each)
    return parked


def _made(
    scratch: Tables,
    maker: Maker,
    store: CaseStore,
    into: Sequence[Tracked],
    streams: Iterable[str] | None,
) -> Iterator[Made]:
    if streams is None:
        for part in ranges(store, ("case", "customer")):
            yield fill(scratch, maker, into, part)
    else:
        for made in maker.of_streams(streams):
            put(scratch, into, made)
            yield made
