"""Builds projections beside the live ones and switches: blue and green.

Streams are read in the order of their names, so memory does not grow with the store, and in
ranges, so that several processes can share the work. What happens meanwhile is caught up before
the switch, which is one transaction. Interrupted at any moment, a build leaves the live tables as
they were, and its own to be dropped by the next one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any
from uuid import uuid4

from eventsourcing.persistence import OperationalError

from casestore import CaseStore
from casestore.errors import StoreUnavailable
from casestore.journal.answering import database_answers
from casestore.system.garbage import fewer_collections
from projections import tables
from projections.making import Made, Maker
from projections.projection import Projection
from projections.runner import Runner, Tick, insert, to_build, tracked, unavailable
from projections.tables import Cursor, Tables, Tracked

EVENTS = 4_000
"""To read and write at a time, more only where one stream has more."""


def rebuild(
    runner: Runner,
    names: Iterable[str] | None = None,
    *,
    only_needed: bool = False,
    workers: int = 1,
    tick: Tick | None = None,
) -> None:
    """Build projections anew and put them in the place of the live ones.

    Args:
        runner: of the store.
        names: of the projections; all if left out.
        only_needed: only what `to_build` names once it is our turn.
        workers: processes to share the work. With more than one, the caller's main module must
            be importable, as multiprocessing demands.
        tick: told the number of events done so far.

    Raises StoreUnavailable.
    """
    wanted = list(runner.projections) if names is None else list(names)
    with unavailable(), runner.tables.building():
        _drop_leftovers(runner.tables)
        if only_needed:
            wanted = to_build(wanted, runner.live(), runner.head())
        if wanted:
            _build(runner, [runner.projections[name] for name in wanted], workers, tick)


def _build(
    runner: Runner, projections: Sequence[Projection], workers: int, tick: Tick | None
) -> None:
    where, token = runner.tables, uuid4().hex[:8]
    head = runner.head()
    mark, store_id = runner.mark(head), runner.store.meta["store_id"]
    built = [
        Tracked(f"{each.name[:40]}_{token}", each.name, each.version, store_id, False, head, mark)
        for each in projections
    ]
    with where.writing() as cursor:
        for table, projection in zip(built, projections, strict=True):
            where.create(cursor, table.table, projection)
        cursor.insert(where.at("tracking"), [(*t[:4], int(t.live), *t[5:]) for t in built])
    done = 0
    for events in _fill(runner, projections, built, workers):
        done += events
        if tick is not None:
            tick(done)
    for table, projection in zip(built, projections, strict=True):
        with where.writing() as cursor:
            where.index(cursor, table.table, projection)
    _switch(runner, [table.table for table in built])
    _drop_leftovers(where)


def _switch(runner: Runner, built: Collection[str]) -> None:
    """Make what was built live, no less far on than what is live."""
    where, head = runner.tables, runner.head()
    behind = True
    while behind:  # with what came meanwhile, in small transactions between those of runners
        with where.writing() as cursor:
            behind = runner.advance(cursor, _behind(where, cursor, built, head))
    with where.writing() as cursor:
        where.lock(cursor)  # from here on what is live stands still
        live = runner.live(cursor)
        ready = [each for each in tracked(cursor, where) if each.table in built]
        old = [live[each.projection].position for each in ready if each.projection in live]
        while runner.advance(cursor, _behind(where, cursor, built, max(old, default=0))):
            pass
        for each in ready:
            # A later version may be live beside, for whoever runs a later release by now.
            cursor.run(
                f"UPDATE {where.at('tracking')} SET live = 0 WHERE projection = ? AND version <= ?",
                [each.projection, each.version],
            )
            cursor.run(
                f"UPDATE {where.at('tracking')} SET live = 1 WHERE table_name = ?", [each.table]
            )


def _behind(where: Tables, cursor: Cursor, built: Collection[str], position: int) -> list[Tracked]:
    found = tracked(cursor, where)
    return [each for each in found if each.table in built and each.position < position]


def _drop_leftovers(where: Tables) -> None:
    """Drop what is not live: tables that were replaced, and those of builds that never ended."""
    with where.reading() as cursor:
        left = [each for each in tracked(cursor, where) if not each.live]
    for each in left:
        # What a report reads still is left to the next build.
        with suppress(OperationalError), where.writing() as cursor:
            where.drop(cursor, each.table)
            for table in ("tracking", "parked"):
                cursor.run(f"DELETE FROM {where.at(table)} WHERE table_name = ?", [each.table])


# --- the work --------------------------------------------------------------------------------


def ranges(store: CaseStore, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Ranges of streams that have some EVENTS together: the name after which each begins, and its
    last one."""
    recorder = store.recorder
    for kind in kinds:
        after, end = f"{kind}:", f"{kind};"
        while after != end:
            with database_answers("the store"):
                found = recorder.fetch(
                    f"SELECT originator_id FROM {recorder.table} WHERE originator_id > ? "
                    "AND originator_id < ? ORDER BY originator_id LIMIT 1 OFFSET ?",
                    [after, end, EVENTS - 1],
                )
            last = found[0][0] if found else end
            yield after, last
            after = last


def fill(where: Tables, maker: Maker, into: Sequence[Tracked], streams: tuple[str, str]) -> Made:
    """Make the rows of a range of streams, and put them into tables that hold none of them."""
    with fewer_collections():
        made = maker.of_range(*streams)
    put(where, into, made)
    return made


def put(where: Tables, into: Sequence[Tracked], made: Made) -> None:
    """Put rows into tables that hold none of their streams."""
    with unavailable(), where.writing() as cursor:
        for table in into:
            insert(cursor, where, table, made)


class _Worker:
    """What a process of a build keeps between its ranges."""

    it: _Worker

    def __init__(
        self, url: str, projections: Sequence[Projection], built: Sequence[Tracked]
    ) -> None:
        Thread(target=_end_with_parent, daemon=True).start()
        self.store = CaseStore.open(url)  # closed where nobody holds it
        maker = Maker(self.store, projections, until=built[0].position)
        self.given = (tables.beside(self.store), maker, built)

    @classmethod
    def begin(cls, *given: Any) -> None:
        """Open what the process needs."""
        cls.it = cls(*given)

    @classmethod
    def fill(cls, streams: tuple[str, str]) -> int:
        """Make the rows of a range of streams."""
        return fill(*cls.it.given, streams).events


def _end_with_parent() -> None:
    """A process that was killed cannot end those that it started."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _fill(
    runner: Runner, projections: Sequence[Projection], built: Sequence[Tracked], workers: int
) -> Iterator[int]:
    """Make the rows of all streams, and give the number of events in each part that is done."""
    store = runner.store
    parts = ranges(store, sorted({each.of for each in projections}))
    if workers <= 1:
        maker = Maker(store, projections, until=built[0].position)
        for streams in parts:
            yield fill(runner.tables, maker, built, streams).events
        return
    spawn = get_context("spawn")  # a fork would share the connections
    pool = ProcessPoolExecutor(workers, spawn, _Worker.begin, (store.url, projections, built))
    waiting: deque[Future[int]] = deque()
    try:
        for streams in parts:
            waiting.append(pool.submit(_Worker.fill, streams))
            while len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise StoreUnavailable(
            "a process of the rebuild has ended early; nothing has changed: rebuild again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
