"""Going on while another thread waits for the database.

psycopg lets go of Python's global lock while the server works. So an import reads its next lines
while those before them are inserted. It begins when the insert does: before that, the two threads
would only take the lock from one another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from threading import Event, RLock
from typing import TypeVar

T = TypeVar("T")
_INTERVAL = 0.0005
"""Seconds after which a thread leaves the global lock to one that waits for it. With Python's own 5
milliseconds, the database would wait longer between an insert and its commit than it works."""
_told: ContextVar[Callable[[], None] | None] = ContextVar("_told", default=None)
_lock = RLock()  # a handler of a signal may come in while its thread holds it
_before: list[float] = []
"""The interval before the first context that lasts, once for each that lasts."""


def database_works() -> None:
    """Tell that this thread does little but wait for the database from now on."""
    if (tell := _told.get()) is not None:
        tell()


@contextmanager
def beside() -> Iterator[Callable[[Callable[[], T]], Callable[[], T]]]:
    """Do some work in a thread of its own, and go on here once it waits for the database.

    What is given takes the work, and returns when the work calls `database_works`, or has ended.
    It gives a function that waits for the end, and returns or raises what the work did. The context
    ends only when the work has, also where an exception is on its way.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (few who write need it)

    with _switching_often(), ThreadPoolExecutor(1, "casestore-beside") as threads:

        def begin(work: Callable[[], T]) -> Callable[[], T]:
            works = Event()

            def run() -> T:
                _told.set(works.set)
                try:
                    return work()
                finally:
                    works.set()

            future = threads.submit(copy_context().run, run)
            works.wait()
            return future.result

        yield begin


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let threads take turns more often while the context lasts, in the whole process.

    Contexts of several threads may overlap: the last one that ends puts the interval back.
    """
    with _lock:
        _before.append(_before[0] if _before else sys.getswitchinterval())
        sys.setswitchinterval(_INTERVAL)
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                sys.setswitchinterval(before)
