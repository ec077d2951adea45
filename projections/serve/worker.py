"""A process that makes what takes long, so that whoever asks for something else need not wait.

It makes the tables of a moment, and pages. The server sends it one job after the other and hears
how far it is. A thread would not do: Python runs one thread at a time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import rmtree
from threading import Thread
from typing import NamedTuple

from casestore import CaseStore
from projections.query.asking import MadeMoment, make_moment
from projections.query.selection import Selection
from projections.serve.asked import Asked, Moment
from projections.serve.rendering import How, Made, make_page

_SPAWN = get_context("spawn")  # a forked process would share the connections
_EVERY = 0.2
"""Seconds between two notes of how far a job is, about."""


class MakeTables(NamedTuple):
    """A job: make the tables of a moment in a file."""

    moment: Moment
    path: Path


class MakePage(NamedTuple):
    """A job: make a page, from the tables of its moment if it has them."""

    asked: Asked
    tables: MadeMoment | None
    then: MadeMoment | None = None
    """The tables of `Address.then`, if they are made."""


class Failed(NamedTuple):
    """A job could not be done."""

    error: str
    """The name of the error, without its message: that could have words in it."""


Job = MakeTables | MakePage
Outcome = MadeMoment | Made | Failed


class Worker:
    """The process, which is started with the first job, and again if it has ended.

    Args:
        url: of the store.
        how: how pages are made.
    """

    def __init__(self, url: str, how: How) -> None:
        self._url, self._how = url, how
        self._process: _SPAWN.Process | None = None  # type: ignore[name-defined]  # a context has it
        self._pipe: Connection | None = None

    def do(self, job: Job, tick: Callable[[int], None]) -> Outcome:
        """Do a job. One thread may wait for one at a time.

        Args:
            job: the job.
            tick: called with the number of events done so far.
        """
        try:
            pipe = self._ready()
            pipe.send((self._url, job))
            while isinstance(heard := pipe.recv(), int):
                tick(heard)
        except (EOFError, OSError):  # the process was ended
            self.stop()
            return Failed("Stopped")
        outcome: Outcome = heard
        return outcome

    def _ready(self) -> Connection:
        if self._pipe is None or self._process is None or not self._process.is_alive():
            self._pipe, theirs = _SPAWN.Pipe()
            self._process = _SPAWN.Process(target=_work, args=(theirs, self._how), daemon=True)
            self._process.start()
            theirs.close()
        return self._pipe

    def stop(self) -> None:
        """End the process, also in the middle of a job."""
        process, self._process, self._pipe = self._process, None, None
        if process is not None:
            process.kill()


_folders: set[Path] = set()
"""In the process: where it has made tables."""


def _work(pipe: Connection, how: How) -> None:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; the server ends it
    Thread(target=_end_with_parent, daemon=True).start()
    stores: dict[str, CaseStore] = {}
    for url, job in _jobs(pipe):
        try:
            outcome = _done(_store(stores, url), job, how, pipe)
        except Exception as error:
            for store in stores.values():
                store.close()
            stores.clear()  # it may be another one when it is opened again
            outcome = Failed(type(error).__name__)
        pipe.send(outcome)
    _remove_files()


def _remove_files() -> None:
    """Remove the tables of a server that has ended: one that was killed cannot do it."""
    for folder in _folders:
        rmtree(folder, ignore_errors=True)


def _jobs(pipe: Connection) -> Iterator[tuple[str, Job]]:
    while True:
        try:
            yield pipe.recv()
        except (EOFError, OSError):
            return


def _store(stores: dict[str, CaseStore], url: str) -> CaseStore:
    if url not in stores:
        stores[url] = CaseStore.open(url)
    return stores[url]


def _done(store: CaseStore, job: Job, how: How, pipe: Connection) -> Outcome:
    if isinstance(job, MakePage):
        return make_page(store, job.asked, how, job.tables, job.then)
    _folders.add(job.path.parent)
    selection = Selection(as_of=job.moment.as_of, known_at=job.moment.known_at, tz=how.zone)
    job.path.unlink(missing_ok=True)
    return make_moment(store, selection, job.path, pipe.send)


def _end_with_parent() -> None:
    """End this process when the server has ended: a server that was killed cannot do it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        _remove_files()
        os._exit(1)
