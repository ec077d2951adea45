"""The pages and moments that a server keeps, and what it has made in the background.

A page that takes long is made once by another process, and kept until something is recorded. Then
the one that is kept is still given, which says how it is, while a new one is made: so nobody waits.
For another moment the tables are made first, in a file; a few moments are kept.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Condition, Thread
from typing import NamedTuple

from projections.query.asking import MadeMoment
from projections.serve.asked import Address, Asked, Moment
from projections.serve.rendering import How, Made
from projections.serve.worker import Failed, Job, MakePage, MakeTables, Outcome, Worker

MOMENTS = 4
"""So many moments are kept at most, besides the present: a file each."""
PAGES_BYTES = 64 * 1024 * 1024
"""Of pages that are kept, about."""
STALE = 60.0
"""Seconds after which a page of the present is made anew though nothing was recorded: a promise
becomes due."""
ANEW = 900.0
"""Seconds after which the tables of a moment are made anew, if something came on record since."""
_REST = 4
"""A page is not made anew before this many times the time has passed that it took to make."""
_UNWANTED = 30.0
"""Seconds after which nobody waits any more for what nobody has asked for again."""


class Head(NamedTuple):
    """The newest that a store has."""

    store_id: str
    position: int
    mark: str
    """See `Questions.mark`: it differs if the store was restored and went on otherwise."""


class Waiting(NamedTuple):
    """What is asked for is being made."""

    what: str
    """In words: what is being made now."""
    done: int
    """Events that were read; 0 where that is not counted."""
    of: int
    failed: str = ""
    """The name of the error of the last try."""


@dataclass
class _Kept:
    page: Made
    head: Head
    made_at: float
    took: float


class _KeptMoment(NamedTuple):
    tables: MadeMoment
    head: Head
    made_at: float


@dataclass
class _Task:
    key: tuple[Moment, Address | None]
    """None for the tables of the moment."""
    job: Callable[[], Job]
    head: Head
    wanted: float = field(default_factory=time.monotonic)
    done: int = 0
    running: bool = False


class Library:
    """What is kept, and the processes that make it: one for the present, one for other moments.

    Args:
        url: of the store.
        how: how pages are made.
    """

    def __init__(self, url: str, how: How) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._changed = Condition()
        self._pages: OrderedDict[tuple[Moment, Address], _Kept] = OrderedDict()
        self._moments: OrderedDict[Moment, _KeptMoment] = OrderedDict()
        self._failed: dict[tuple[Moment, Address | None], tuple[str, float]] = {}
        self._number = 0
        self._stopping = False
        self._lines = {True: _Line(Worker(url, how)), False: _Line(Worker(url, how))}
        """By whether it is about the present."""

    def close(self) -> None:
        """End the processes and remove the files."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for line in self._lines.values():
            line.worker.stop()
        if self._folder is not None:
            self._folder.cleanup()

    # --- pages -----------------------------------------------------------------------------

    def kept(self, asked: Asked, head: Head, since: float) -> Made | None:
        """A page that still is as it would be made now; None without one.

        Args:
            asked: which.
            head: of the store.
            since: seconds that it may be old.
        """
        with self._changed:
            found = self._pages.get((asked.moment, asked.address))
            if found is None or found.head != head or _age(found) > since:
                return None
            self._pages.move_to_end((asked.moment, asked.address))
            return found.page

    def has(self, asked: Asked, head: Head) -> bool:
        """Whether a page is kept, be it outdated."""
        with self._changed:
            return self._usable((asked.moment, asked.address), head) is not None

    def keep(self, asked: Asked, page: Made, head: Head, took: float) -> None:
        """Keep a page, and forget the ones that were not asked for longest."""
        with self._changed:
            key = (asked.moment, asked.address)
            self._pages[key] = _Kept(page, head, time.monotonic(), took)
            self._pages.move_to_end(key)
            size = sum(len(each.page.html) for each in self._pages.values())
            while size > PAGES_BYTES and len(self._pages) > 1:
                _, gone = self._pages.popitem(last=False)
                size -= len(gone.page.html)

    def slow(self, asked: Asked, head: Head, patience: float) -> Made | Waiting:
        """A page that takes long: the one that is kept, or else how far it is.

        Args:
            asked: which.
            head: of the store.
            patience: seconds to wait for it.
        """
        key = (asked.moment, asked.address)
        until = time.monotonic() + patience
        with self._changed:
            found = self._usable(key, head)
            if found is None or self._outdated(found, asked.moment, head):
                self._want(asked, head)
            while found is None and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
                found = self._usable(key, head)
            if found is not None:
                self._pages.move_to_end(key)
                return found.page
            return self._waiting(key, head)

    def prepare(self, asked: Asked, head: Head) -> None:
        """Have a page of the present made, though nobody has asked for it yet."""
        with self._changed:
            if self._usable((asked.moment, asked.address), head) is None:
                self._queue(_Task((asked.moment, asked.address), self._page(asked), head, inf))

    def _usable(self, key: tuple[Moment, Address], head: Head) -> _Kept | None:
        found = self._pages.get(key)
        return found if found is not None and _before(found.head, head) else None

    def _outdated(self, found: _Kept, moment: Moment, head: Head) -> bool:
        """Whether a page is to be made anew. One of a moment is what its tables are."""
        if not moment.present:
            return False
        old = found.head != head or _age(found) > STALE
        return old and _age(found) > found.took * _REST

    # --- moments ---------------------------------------------------------------------------

    def tables(self, moment: Moment, head: Head, patience: float) -> MadeMoment | Waiting:
        """The tables of a moment that is not the present, or else how far they are."""
        until = time.monotonic() + patience
        with self._changed:
            while (found := self._made(moment, head)) is None:
                self._want_tables(moment, head)
                if (left := until - time.monotonic()) <= 0:
                    return self._waiting((moment, None), head)
                self._changed.wait(left)
            return found

    def _made(self, moment: Moment, head: Head) -> MadeMoment | None:
        """The tables that are kept. What came on record since they were made does not count."""
        found = self._moments.get(moment)
        if found is None or not _before(found.head, head):
            return None
        self._moments.move_to_end(moment)
        moved = moment.known_at is None and found.head != head
        if moved and time.monotonic() - found.made_at > ANEW:
            self._want_tables(moment, head)
        return found.tables

    def _keep_tables(self, moment: Moment, made: MadeMoment, head: Head) -> None:
        if moment in self._moments:
            self._forget(moment)
        self._moments[moment] = _KeptMoment(made, head, time.monotonic())
        while len(self._moments) > MOMENTS:
            self._forget(next(iter(self._moments)))

    def _forget(self, moment: Moment) -> None:
        """Remove the tables of a moment, and the pages that were made from them."""
        gone = self._moments.pop(moment)
        for key in [each for each in self._pages if each[0] == moment]:
            del self._pages[key]
        with suppress(OSError):  # Windows keeps what is still read; it goes with the folder
            gone.tables.path.unlink(missing_ok=True)

    # --- what is being made ----------------------------------------------------------------

    def _want(self, asked: Asked, head: Head) -> None:
        """Have a page made, and the tables of its moment first."""
        moment, address = asked
        if not moment.present and self._made(moment, head) is None:
            self._want_tables(moment, head)

        self._queue(_Task((moment, address), self._page(asked), head))

    def _page(self, asked: Asked) -> Callable[[], Job]:
        def job() -> Job:
            found = self._moments.get(asked.moment)
            then = self._moments.get(asked.address.then or asked.moment)
            return MakePage(asked, found.tables if found else None, then.tables if then else None)

        return job

    def _want_tables(self, moment: Moment, head: Head) -> None:
        def job() -> Job:
            if self._folder is None:
                self._folder = TemporaryDirectory(
                    prefix="casestore-serve-", ignore_cleanup_errors=True
                )
            self._number += 1
            return MakeTables(moment, Path(self._folder.name, f"{self._number}.tables"))

        self._queue(_Task((moment, None), job, head))

    def _queue(self, task: _Task) -> None:
        line = self._lines[task.key[0].present]
        for each in line.tasks:
            if each.key == task.key:
                each.wanted = max(each.wanted, task.wanted)
                return
        failed = self._failed.get(task.key)
        if failed is not None and time.monotonic() - failed[1] < _PAUSE:
            return
        line.tasks.append(task)
        if line.thread is None:
            line.thread = Thread(target=self._work, args=[line], daemon=True)
            line.thread.start()
        self._changed.notify_all()

    def _waiting(self, key: tuple[Moment, Address | None], head: Head) -> Waiting:
        failed = self._failed.get(key) or self._failed.get((key[0], None))
        for task in self._lines[key[0].present].tasks:
            if task.running:
                own = task.key[0] == key[0]
                what = "this page" if task.key == key else "another page"
                if task.key[1] is None:
                    what = f"the tables of {'this' if own else 'another'} moment"
                done = task.done if task.key[1] is None else 0
                return Waiting(what, done, head.position, failed[0] if failed else "")
        return Waiting("this page", 0, head.position, failed[0] if failed else "")

    def _work(self, line: _Line) -> None:
        """What the thread of a line does: one task after the other."""
        while True:
            with self._changed:
                while not line.tasks and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                task = line.tasks[0]
                if self._is_idle(task):
                    line.tasks.popleft()
                    continue
                task.running = True
                job = task.job()

            def tick(done: int, task: _Task = task, line: _Line = line) -> None:
                task.done = done
                if time.monotonic() - task.wanted > _UNWANTED:
                    line.worker.stop()  # nobody waits for it any more

            start = time.monotonic()
            outcome = line.worker.do(job, tick)
            with self._changed:
                line.tasks.remove(task)
                self._take(task, outcome, time.monotonic() - start)
                self._changed.notify_all()

    def _is_idle(self, task: _Task) -> bool:
        """Whether a task need not be done, or cannot: its tables could not be made."""
        moment, address = task.key
        lacks_tables = address is not None and not moment.present and moment not in self._moments
        return lacks_tables or time.monotonic() - task.wanted > _UNWANTED

    def _take(self, task: _Task, outcome: Outcome, took: float) -> None:
        moment, address = task.key
        if isinstance(outcome, Failed):
            self._failed[task.key] = outcome.error, time.monotonic()
            while len(self._failed) > _FAILURES:
                del self._failed[next(iter(self._failed))]
            return
        self._failed.pop(task.key, None)
        if isinstance(outcome, MadeMoment):
            self._keep_tables(moment, outcome, task.head)
        elif address is not None:
            self.keep(Asked(moment, address), outcome, task.head, took)


_PAUSE = 5.0
"""Seconds before something that failed is tried again."""
_FAILURES = 100


@dataclass
class _Line:
    """Tasks that are done one after the other."""

    worker: Worker
    tasks: deque[_Task] = field(default_factory=deque)
    thread: Thread | None = None


def _age(kept: _Kept) -> float:
    return time.monotonic() - kept.made_at


def _before(then: Head, now: Head) -> bool:
    """Whether what was made then is of the same store as it is now, or was earlier."""
    if then.store_id != now.store_id or then.position > now.position:
        return False
    return then.position < now.position or then.mark == now.mark
