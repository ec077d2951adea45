"""Threads that wait for a store's turn to write, on SQLite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

from casestore import CaseStore
from casestore.append.request import Append
from casestore.append.together import Asked, Waiting
from casestore.journal.sqlite import SQLiteJournal
from casestore.journal.sqlite_datastore import Datastore
from casestore.system.line import Line, Place
from tests.support.busy import busy

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds for what takes a moment on a machine that is not overloaded."""


def datastore(store: CaseStore) -> Datastore:
    return cast(SQLiteJournal, store._recorder).datastore


def line(store: CaseStore) -> Line[Asked, object]:
    return datastore(store).line


def until(condition: Callable[[], bool]) -> None:
    """Wait for something. Raises AssertionError."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.001)


def at_once(store: CaseStore, works: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Have all works wait in line, in this order, and then let them go. All are over then.

    Args:
        store: on SQLite.
        works: of one append each, which is done in a thread of its own.
    """
    with ThreadPoolExecutor(len(works)) as pool:
        results = []
        with busy(store):
            for number, work in enumerate(works, 1):
                results.append(pool.submit(work))
                until(lambda n=number: len(line(store)) == n)  # type: ignore[misc]
    return results


def join(store: CaseStore, *appends: Append) -> list[Waiting]:
    """Put appends into the line without a thread that waits: the next append takes them along."""
    places: list[Waiting] = []
    for append in appends:
        append.identify(store._new_id)
        place: Waiting = Place(Asked(append, remembered=False))
        line(store).join(place)  # type: ignore[arg-type]
        places.append(place)
    return places


@contextmanager
def commits(store: CaseStore) -> Iterator[list[str]]:
    """The COMMIT statements of a store's writer, as they come."""
    seen: list[str] = []
    with busy(store):
        writer = datastore(store)._writer
    assert writer is not None
    writer.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    yield seen
    writer.set_trace_callback(None)
