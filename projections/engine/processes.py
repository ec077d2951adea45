"""Makes the rows of a whole store, one range of streams at a time, by one process or several."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from threading import Thread
from typing import Any

from casestore import CaseStore
from casestore.errors import CaseStoreError, StoreUnavailable
from casestore.system.children import end_with_parent
from projections.engine.filling import fill, ranges
from projections.engine.live import LiveTables
from projections.engine.maker import Maker
from projections.engine.open_tables import open_tables
from projections.engine.sums import Sum, sum_of_made
from projections.engine.tables import Tables, Tracked
from projections.projection import Projection

Filled = tuple[int, list[Sum]]
"""The number of events of some streams, and the sums of the rows of each table."""


class _Worker:
    """What a process of a build keeps between its ranges."""

    it: _Worker | CaseStoreError

    def __init__(
        self, url: str, projections: Sequence[Projection], built: Sequence[Tracked]
    ) -> None:
        Thread(target=end_with_parent, daemon=True).start()
        self.store = CaseStore.open(url)  # it is closed when it is garbage
        maker = Maker(self.store, projections, until=built[0].position)
        self.given = (open_tables(self.store), maker, built)

    @classmethod
    def begin(cls, *given: Any) -> None:
        """Open what the process needs. An error raised here would end the pool with a traceback."""
        try:
            cls.it = cls(*given)
        except CaseStoreError as error:
            cls.it = error

    @classmethod
    def fill(cls, streams: tuple[str, str]) -> Filled:
        """Make the rows of a range of streams."""
        if isinstance(cls.it, CaseStoreError):
            raise StoreUnavailable(f"a process of the rebuild could not begin: {cls.it}")
        return _fill(*cls.it.given, streams)


def _fill(
    where: Tables, maker: Maker, built: Sequence[Tracked], streams: tuple[str, str]
) -> Filled:
    made = fill(where, maker, built, streams)
    return made.events, [sum_of_made(made, each.table, each.projection) for each in built]


def fill_all(
    live: LiveTables, projections: Sequence[Projection], built: Sequence[Tracked], processes: int
) -> Iterator[Filled]:
    """Make the rows of all streams. Yields what was done of each part."""
    store = live.store
    parts = ranges(store, sorted({each.of for each in projections}))
    if processes <= 1 or not live.tables.shared:
        maker = Maker(store, projections, until=built[0].position)
        for streams in parts:
            yield _fill(live.tables, maker, built, streams)
        return
    spawn = get_context("spawn")  # a forked process would share the connections
    pool = ProcessPoolExecutor(processes, spawn, _Worker.begin, (store.url, projections, built))
    waiting: deque[Future[Filled]] = deque()
    try:
        for streams in parts:
            waiting.append(pool.submit(_Worker.fill, streams))
            while len(waiting) > 4 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise StoreUnavailable(
            "a process of the rebuild has ended early; nothing has changed: rebuild again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
