"""Runners that keep projections up to date in a process of their own."""

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
    """Run a function in a process of its own, which is killed on the way out."""
    started = SPAWN.Process(target=target, args=args)
    started.start()
    try:
        yield started
    finally:
        started.kill()
        started.join()


def position(runner: Runner) -> int:
    """The position of the tables, which is always the same for all of them."""
    (position_of_all,) = {table.position for table in runner._live.current().values()}
    return position_of_all


def run(place: Place, stop: Any) -> None:
    with place.open() as store, Runner(store, SOME, batch=3) as runner:
        runner.run(stop=stop)
