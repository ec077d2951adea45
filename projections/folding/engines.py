"""What runs the tasks of a fold: processes of this machine, or Spark. See `tasks.Engine`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from threading import Thread
from typing import Literal

from casestore.errors import StoreUnavailable
from casestore.system.children import end_with_parent
from projections.folding.tasks import Done, Engine, Task, run

EngineName = Literal["processes", "spark"]


def engine(name: EngineName, number: int, master: str | None = None) -> Engine:
    """The engine with a name.

    Args:
        name: of the engine.
        number: of processes, or of tasks that Spark runs at a time where there is no `master`.
        master: Spark's master URL; processes of this machine if left out.

    Raises:
        ImportError: pyspark is not installed.
        ValueError: `master` is given, and the engine is not Spark.
    """
    if name == "spark":
        from projections.folding.spark import spark  # noqa: PLC0415  (it is an extra)

        return spark(master, number)
    if master is not None:
        raise ValueError("only Spark has a master")
    return processes(number)


def processes(number: int) -> Engine:
    """Processes of this machine; with one, this process itself.

    With more, the caller's main module must be importable, as multiprocessing demands. What a
    process that was killed had begun is given out again, as long as others get something done.
    """
    if number <= 1:
        return lambda tasks: map(run, tasks)
    return lambda tasks: _by_pools(tasks, number)


def _by_pools(tasks: Sequence[Task], number: int) -> Iterator[Done]:
    left = {task.number: task for task in tasks}
    while left:
        before = len(left)
        try:
            for done in _by_pool(list(left.values()), min(number, len(left))):
                del left[done.number]
                yield done
        except BrokenProcessPool:
            if len(left) == before:
                raise StoreUnavailable(
                    "the processes of the fold are killed before one gets anything done, perhaps "
                    "for want of memory; run it again with fewer, and it goes on"
                ) from None


def _by_pool(tasks: Sequence[Task], number: int) -> Iterator[Done]:
    spawn = get_context("spawn")  # a forked process would share the connections
    pool = ProcessPoolExecutor(number, spawn, _begin)
    waiting: deque[Future[Done]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(run, task))
            while len(waiting) > 4 * number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    Thread(target=end_with_parent, daemon=True).start()
