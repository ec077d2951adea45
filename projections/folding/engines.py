"""What runs the tasks of a fold: processes of this machine, or Spark. See `tasks.Engine`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from threading import Thread
from typing import Literal

from casestore.errors import StoreUnavailable
from casestore.system.children import end_with_parent
from projections.folding.tasks import Done, Engine, Task, run

EngineName = Literal["processes", "spark"]
_ROUNDS = 3
"""So many times in a row processes may be killed before any of them has done a task."""


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
    in_vain = 0
    while left:
        before = len(left)
        try:
            for done in _by_pool(list(left.values()), min(number, len(left))):
                del left[done.number]
                yield done
        except BrokenProcessPool:
            in_vain = in_vain + 1 if len(left) == before else 0
            if in_vain == _ROUNDS:
                raise StoreUnavailable(
                    "the processes of the fold are killed before one gets anything done, perhaps "
                    "for want of memory; run it again with fewer, and it goes on"
                ) from None


def _by_pool(tasks: Sequence[Task], number: int) -> Iterator[Done]:
    spawn = get_context("spawn")  # a forked process would share the connections
    pool = ProcessPoolExecutor(number, spawn, _begin)
    waiting: set[Future[Done]] = set()
    try:
        for task in tasks:
            waiting.add(pool.submit(run, task))
            while len(waiting) > 4 * number:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from _results(ended)
        while waiting:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from _results(ended)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(ended: Iterable[Future[Done]]) -> Iterator[Done]:
    """What was done, before the error of a task that failed is raised."""
    for each in sorted(ended, key=lambda each: each.exception() is not None):
        yield each.result()


def _begin() -> None:
    Thread(target=end_with_parent, daemon=True).start()
