"""A runner as a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from projections.engine.runner import Runner
from tests.support.made_up import SOME
from tests.support.processes import SPAWN, Place


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[BaseProcess]:
    """A process that is not left behind."""
    started = SPAWN.Process(target=target, args=args)
    started.start()
    try:
        yield started
    finally:
        started.kill()
        started.join()


def position(runner: Runner) -> int:
    """The position of all tables; they are always at the same."""
    (found,) = {each.position for each in runner.current().values()}
    return found


def run(place: Place, stop: Any) -> None:
    with place.open() as store, Runner(store, SOME, batch=3) as runner:
        runner.run(stop=stop)
