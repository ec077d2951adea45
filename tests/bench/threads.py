"""Appends of several threads on one store on SQLite, against those of one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from casestore import CaseStore
from casestore.journal.sqlite import SQLiteJournal
from tests.bench.plain_events import PER_CASE, event_of
from tests.bench.race import Floor, race, seconds

EIGHT = 8
SLOW = 0.002
"""Seconds of a flush on a disk that has no cache of its own."""


def bench_threads(fresh: Callable[[], str], count: int, rounds: int) -> list[Floor]:
    """Append with one thread and with eight.

    Args:
        fresh: gives a new URL each time.
        count: appends of a contender.
        rounds: of the race.
    """
    shared: list[float] = []

    def appended(threads: int, flush: float = 0) -> float:
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: append_all(store, threads, count, flush, []))

    def counted() -> float:
        commits: list[float] = []
        with CaseStore.create(fresh()) as store:
            took = seconds(lambda: append_all(store, EIGHT, count, 0, commits))
        shared.append(count / len(commits))
        return took

    times = race(
        rounds,
        one=lambda: appended(1),
        eight=lambda: appended(EIGHT),
        one_slow=lambda: appended(1, SLOW),
        eight_slow=lambda: appended(EIGHT, SLOW),
        counted=counted,
    )
    slow = times["one_slow"] / times["eight_slow"]
    return [
        Floor("SQLite, 8 threads of one store", "1 thread", times["one"] / times["eight"], 1.5),
        Floor("SQLite, 8 threads, flush of 2 ms", "1 thread", slow, 1.5),
        Floor("SQLite, 8 threads, appends", "commits", statistics.median(shared), 3.0),
    ]


def append_all(
    store: CaseStore, threads: int, count: int, flush: float, commits: list[float]
) -> None:
    """Append one event after the other in each of some threads.

    Args:
        store: on SQLite.
        threads: how many.
        count: how many events, of all threads together.
        flush: how much longer a commit takes, in seconds, while it has the lock.
        commits: gets the times of the commits.
    """
    store.append("case:first", event_of(0, 0))
    writer = cast(SQLiteJournal, store._recorder).datastore._writer

    def traced(sql: str) -> None:
        if sql == "COMMIT":
            commits.append(time.perf_counter())
            time.sleep(flush)

    def work(thread: int) -> None:
        for n in range(count // threads):
            case, number = divmod(n, PER_CASE)
            store.append(f"case:{thread}-{case}", event_of(case, number), key=f"k{n}")

    if writer is not None:
        writer.set_trace_callback(traced)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
