"""Builds new tables beside the live ones and then switches to them: a blue/green deployment.

Streams are read in the order of their names, so that memory does not grow with the store, and in
ranges, so that several processes can share the work. Events that arrive meanwhile are caught up
before the switch, which is one transaction. A build that is interrupted at any moment leaves the
live tables as they were. The next build drops the tables that it left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from uuid import uuid4

from eventsourcing.persistence import OperationalError

from casestore.telemetry.spans import span
from projections.engine.live import LiveTables, Tick, to_build
from projections.engine.sums import Sum
from projections.engine.tables import Cursor, Tables, Tracked, unavailable
from projections.projection import Projection


def rebuild(
    live: LiveTables,
    names: Iterable[str] | None = None,
    *,
    only_needed: bool = False,
    processes: int = 1,
    tick: Tick | None = None,
) -> None:
    """Build projections anew and put them in the place of the live ones.

    Args:
        live: the live tables of the store.
        names: the projections to build; all if left out.
        only_needed: build only those that `to_build` names once no other process builds.
        processes: the number of processes that share the work. With more than one, the caller's
            main module must be importable, as multiprocessing demands.
        tick: called with the number of events done so far.

    Raises:
        StoreUnavailable: a database does not answer or cannot be written.
    """
    wanted = list(live.projections) if names is None else list(names)
    with unavailable(), live.tables.building():
        drop_leftovers(live.tables)
        if only_needed:
            wanted = to_build(wanted, live.current(), live.head())
        if wanted:
            with span("rebuild", live.store.url), unavailable():
                _build(live, [live.projections[name] for name in wanted], processes, tick)


def _build(
    live: LiveTables, projections: Sequence[Projection], processes: int, tick: Tick | None
) -> None:
    from projections.engine.processes import fill_all  # noqa: PLC0415  (most reports build nothing)

    head = live.head()
    at = (head, live.mark(head))
    build(live, projections, at, lambda built: fill_all(live, projections, built, processes), tick)


Filling = Callable[[Sequence[Tracked]], Iterable[tuple[int, list[Sum]]]]
"""Inserts rows into new tables: yields, part by part, the number of events and each table's sum."""


def build(
    live: LiveTables,
    projections: Sequence[Projection],
    at: tuple[int, str],
    filling: Filling,
    tick: Tick | None,
) -> None:
    """Make tables and switch to them. Call it while nobody else builds (see `Tables.building`).

    Args:
        live: the live tables of the store.
        projections: the projections to build.
        at: the position of the last event that is in the rows, and its mark.
        filling: inserts the rows.
        tick: called with the number of events done so far.
    """
    where, token, store_id = live.tables, uuid4().hex[:8], live.store.meta["store_id"]
    built = [
        Tracked(f"{each.name[:40]}_{token}", each.name, each.version, store_id, False, *at)
        for each in projections
    ]
    with where.writing() as cursor:
        where.prepare(cursor)  # tables from before there were sums have no table of them
        for table, projection in zip(built, projections, strict=True):
            where.create(cursor, table.table, projection)
        cursor.insert(where.at("tracking"), [(*t[:4], int(t.live), *t[5:]) for t in built])
    done, sums = 0, [Sum() for _ in built]
    for events, made in filling(built):
        done += events
        sums = [before.plus(more) for before, more in zip(sums, made, strict=True)]
        if tick is not None:
            tick(done)
    for table, projection, made_in_all in zip(built, projections, sums, strict=True):
        with where.writing() as cursor:
            where.note(cursor, table, made_in_all)
            where.index(cursor, table.table, projection)
    _switch(live, [table.table for table in built])
    drop_leftovers(where)


def _switch(live: LiveTables, built: Collection[str]) -> None:
    """Make the built tables live, once they have reached the position of the live ones."""
    where, head = live.tables, live.head()
    behind = True
    while behind:  # take in what came meanwhile, in small transactions that let runners in between
        with where.writing() as cursor:
            behind = live.advance(cursor, _behind(where, cursor, built, head))
    with where.writing() as cursor:
        where.lock(cursor)  # from here on nobody moves the live tables
        there = live.current(cursor)
        ready = [each for each in where.tracked(cursor) if each.table in built]
        old = [there[each.projection].position for each in ready if each.projection in there]
        while live.advance(cursor, _behind(where, cursor, built, max(old, default=0))):
            pass
        for each in ready:
            # A later version stays live: processes of a later release may use it already.
            cursor.run(
                f"UPDATE {where.at('tracking')} SET live = 0 WHERE projection = ? AND version <= ?",
                [each.projection, each.version],
            )
            cursor.run(
                f"UPDATE {where.at('tracking')} SET live = 1 WHERE table_name = ?", [each.table]
            )


def _behind(where: Tables, cursor: Cursor, built: Collection[str], position: int) -> list[Tracked]:
    found = where.tracked(cursor)
    return [each for each in found if each.table in built and each.position < position]


def drop_leftovers(where: Tables) -> None:
    """Drop tables that are not live: those that were replaced, and those of unfinished builds."""
    with where.reading() as cursor:
        left = [each for each in where.tracked(cursor) if not each.live]
    for each in left:
        # A table that a report still reads is left to the next build.
        with suppress(OperationalError), where.writing() as cursor:
            where.drop(cursor, each.table)
            where.forget(cursor, each)
