"""Builds projections beside the live ones and switches: blue and green.

Streams are read in the order of their names, so memory does not grow with the store, and in
ranges, so that several processes can share the work. What happens meanwhile is caught up before
the switch, which is one transaction. Interrupted at any moment, a build leaves the live tables as
they were, and its own to be dropped by the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext, suppress
from multiprocessing import get_context
from typing import Any
from uuid import uuid4

from casestore import CaseStore
from casestore.errors import StoreUnavailable
from casestore.opening import answering
from projections import tables
from projections.making import CHUNK, Maker
from projections.projection import Projection
from projections.runner import Overtaken, Runner, Tick, insert, tracked, unavailable
from projections.tables import Tables, Tracked


def rebuild(
    runner: Runner,
    names: Iterable[str] | None = None,
    *,
    only_missing: bool = False,
    workers: int = 1,
    tick: Tick | None = None,
) -> None:
    """Build projections anew and put them in the place of the live ones.

    Args:
        runner: of the store.
        names: of the projections; all if left out.
        only_missing: not those that somebody else has built in the meantime.
        workers: processes to share the work. With more than one, the caller's main module must
            be importable, as multiprocessing demands.
        tick: told the number of events done so far.

    Raises StoreUnavailable.
    """
    wanted = list(runner.projections) if names is None else list(names)
    with unavailable(), runner.tables.building():
        _drop_leftovers(runner.tables)
        if only_missing:
            live = runner.live()
            wanted = [name for name in wanted if name not in live]
        if wanted:
            _build(runner, [runner.projections[name] for name in wanted], workers, tick)


def _build(
    runner: Runner, projections: Sequence[Projection], workers: int, tick: Tick | None
) -> None:
    where, token = runner.tables, uuid4().hex[:8]
    head = runner.head()
    event_id, store_id = runner.event_id_at(head), runner.store.meta["store_id"]
    built = [
        Tracked(f"{each.name}_{token}", each.name, each.version, store_id, False, head, event_id)
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
    while not _switch(runner, [table.table for table in built]):
        pass
    _drop_leftovers(where)


def _switch(runner: Runner, built: Sequence[str]) -> bool:
    """Make what was built live; not while what is live is further on than what was built."""
    where = runner.tables
    head = runner.head()
    while True:
        with where.reading() as cursor:
            ready = [each for each in tracked(cursor, where) if each.table in built]
        behind = [each for each in ready if each.position < head]
        if not behind:
            break
        runner.step(behind)
    usable = {each.table for each in runner.live().values()}
    tracking = where.at("tracking")
    with suppress(Overtaken), where.writing() as cursor:
        cursor.run(f"UPDATE {tracking} SET live = live")  # from here on nobody moves them
        live = {each.projection: each for each in tracked(cursor, where) if each.table in usable}
        for each in ready:
            old = live.get(each.projection)
            if old is not None and old.position > each.position:
                raise Overtaken
            cursor.run(f"UPDATE {tracking} SET live = 0 WHERE projection = ?", [each.projection])
            cursor.run(f"UPDATE {tracking} SET live = 1 WHERE table_name = ?", [each.table])
        return True
    return False


def _drop_leftovers(where: Tables) -> None:
    """Drop what is not live: tables that were replaced, and those of builds that never ended."""
    with where.reading() as cursor:
        left = [each for each in tracked(cursor, where) if not each.live]
    for each in left:  # each by itself: a reader that holds one up holds up nothing else
        with where.writing() as cursor:
            cursor.run(f"DELETE FROM {where.at('tracking')} WHERE table_name = ?", [each.table])
            cursor.run(f"DELETE FROM {where.at('parked')} WHERE table_name = ?", [each.table])
            cursor.run(f"DROP TABLE IF EXISTS {where.at(each.table)}")


# --- the work --------------------------------------------------------------------------------


def ranges(store: CaseStore, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Ranges of streams, by the first and the last name in each."""
    recorder = store.recorder
    for kind in kinds:
        after = ""
        while True:
            with answering("the store"):
                names = recorder.streams(f"{kind}:", after, CHUNK)
            if not names:
                break
            yield names[0], names[-1]
            after = names[-1]


def _fill_range(
    where: Tables,
    maker: Maker,
    built: Sequence[Tracked],
    streams: tuple[str, str],
    turn: AbstractContextManager[object],
) -> int:
    made = maker.of_range(*streams)
    with turn, unavailable(), where.writing() as cursor:
        for table in built:
            insert(cursor, where, table, made)
    return made.events


class _Worker:
    """What a process of a build keeps between its ranges."""

    it: _Worker

    def __init__(
        self, url: str, projections: Sequence[Projection], built: Sequence[Tracked], turn: Any
    ) -> None:
        store = CaseStore.open(url)
        self.given = (tables.beside(store), Maker(store, projections), built)
        self.turn = turn  # woken at once, where a database's own lock would be polled

    @classmethod
    def begin(cls, *given: Any) -> None:
        """Open what the process needs."""
        cls.it = cls(*given)

    @classmethod
    def fill(cls, streams: tuple[str, str]) -> int:
        """Make the rows of a range of streams."""
        return _fill_range(*cls.it.given, streams, cls.it.turn)


def _fill(
    runner: Runner, projections: Sequence[Projection], built: Sequence[Tracked], workers: int
) -> Iterator[int]:
    """Make the rows of all streams, and give the number of events in each part that is done."""
    store = runner.store
    parts = ranges(store, sorted({each.of for each in projections}))
    if workers <= 1:
        maker = Maker(store, projections)
        for streams in parts:
            yield _fill_range(runner.tables, maker, built, streams, nullcontext())
        return
    spawn = get_context("spawn")  # a fork would share the connections
    pool = ProcessPoolExecutor(
        workers, spawn, _Worker.begin, (store.url, projections, built, spawn.Lock())
    )
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
