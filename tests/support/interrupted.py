"""Exceptions out of a signal handler, at any line of ours, and what may not be left behind."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

import casestore
from casestore.journal.url import PostgresUrl, SQLiteUrl, parse_url

OURS = str(Path(casestore.__file__).parent)


class Signalled(BaseException):
    """What the handler raises."""


Where = tuple[str, int]
"""A file and a line."""


class Lines:
    """Notes every line of ours that is reached, and raises at one of them, once."""

    def __init__(self, target: Where | None = None) -> None:
        self.target = target
        self.reached: dict[Where, None] = {}

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        where = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and where not in self.reached:
            self.reached[where] = None
            if where == self.target:
                raise Signalled
        return self


def traced(work: Callable[[], object], target: Where | None = None) -> dict[Where, None]:
    """Do some work, with an exception at a line. Gives the lines that it reached."""
    lines = Lines(target)
    sys.settrace(lines)
    try:
        work()
    except Signalled:
        pass
    finally:
        sys.settrace(None)
    return lines.reached


@contextmanager
def nobody_waits(url: str) -> Iterator[None]:
    """Check that the write lock is free when the context ends."""
    yield
    where = parse_url(url)
    if isinstance(where, SQLiteUrl):
        with closing(sqlite3.connect(where.path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        return
    assert isinstance(where, PostgresUrl)
    with psycopg.connect(where.conninfo, autocommit=True) as other:
        key = f"hashtextextended('casestore:{where.schema}', 4711)"
        # A server ends the transaction of a connection that was closed a moment later.
        for _ in range(3000):
            (free,) = other.execute(f"SELECT pg_try_advisory_lock({key})").fetchone() or (None,)
            if free:
                break
            time.sleep(0.01)
        assert free


def in_another_thread(work: Callable[[], object]) -> None:
    """Do some work in a thread, which must not have to wait for a lock."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), "it waits for a lock"
    assert failed == []


def each_line(work: Callable[[int], object], check: Callable[[int], object]) -> int:
    """Interrupt some work at every line in turn, and check after each. Gives how many lines.

    Args:
        work: is given a number, another one each time.
        check: is given the number of the work that was interrupted.
    """
    lines = traced(partial(work, 0))
    for number, target in enumerate(lines, 1):
        traced(partial(work, number), target)
        try:
            check(number)
        except Exception as error:
            raise AssertionError(f"after an exception at {target}") from error
    return len(lines)
