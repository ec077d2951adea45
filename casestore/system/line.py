"""A line of threads that wait for a turn, where whoever has the turn may do the work of others.

This is flat combining (Hendler, Incze, Shavit and Tzafrir, "Flat Combining and the
Synchronization-Parallelism Tradeoff", 2010): the cost of a turn is paid once for many. A thread
that waits needs nobody: where who took its work along did not answer, it gets the turn in the end.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

_LOOK = 0.05
"""Seconds to sleep until woken. Then a thread looks for itself, as who should have woken it may
have died; and it waits as long for the turn, so that those who wait for nothing else leave it some.
"""
Work = TypeVar("Work")
Answer = TypeVar("Answer")


class Turn(Protocol):
    """A lock: whoever holds it has the turn."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it."""


class Place(Generic[Work, Answer]):
    """A thread's place in a line, for one piece of work."""

    __slots__ = ("_bell", "answer", "answered", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.answer: Answer | None = None
        """What came of it; None where it was taken along and came to nothing."""
        self.answered = False
        self._bell: Any = None

    def tell(self, answer: Answer | None) -> None:
        """Answer, and wake the thread. Only whoever took the work along may do so, once."""
        self.answer = answer
        self.answered = True
        self.ring()

    def ring(self) -> None:
        """Wake the thread, so that it looks."""
        with suppress(RuntimeError):  # it was woken already
            self._bell.release()

    def sleep(self, seconds: float) -> bool:
        """Wait to be woken; whether it was."""
        woken: bool = self._bell.acquire(timeout=seconds)
        return woken

    def hang_bell(self) -> None:
        """Make it possible to sleep. Most never have to, and are spared it."""
        self._bell = Lock()
        self._bell.acquire()


class Answered(Exception):  # noqa: N818  (no error: another thread did the work)
    """Another thread did the work: see the place's answer."""


class Line(Generic[Work, Answer]):
    """The places of the threads that wait. A forked child needs a line of its own."""

    def __init__(self) -> None:
        self._places: deque[Place[Work, Answer]] = deque()
        """Whatever is in it may be taken along; whatever was taken is not."""

    def wait(self, place: Place[Work, Answer], turn: Turn, patience: float) -> bool:
        """Wait for the turn, or for an answer; whether it is this thread's turn now.

        Args:
            place: of this thread.
            turn: the lock.
            patience: seconds. Work that was taken along is waited for beyond them.

        Raises Answered. This thread may have the turn then; and where a signal handler raised an
        exception, it may still be in the line. See `sqlite_datastore`.
        """
        if turn.acquire(blocking=False):
            return True
        until = time.monotonic() + patience
        try:
            self.join(place)
            while True:
                has = turn.acquire(blocking=False)
                if not has and not place.sleep(_LOOK):
                    has = turn.acquire(timeout=_LOOK)
                if place.answered:
                    raise Answered
                if has:
                    return True
                if time.monotonic() > until and self.leave(place):
                    return False
        finally:
            self.leave(place)

    def join(self, place: Place[Work, Answer]) -> None:
        """Go to the end of the line."""
        place.hang_bell()
        self._places.append(place)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._places)

    def next(self) -> Place[Work, Answer] | None:
        """Take the work of the first in the line along. Only whoever has the turn may do so."""
        try:
            return self._places.popleft() if self._places else None
        except IndexError:  # it went, just now
            return None

    def ring(self) -> None:
        """Wake the first in the line, as the turn is free."""
        if self._places:
            with suppress(IndexError):  # it went, just now
                self._places[0].ring()

    def leave(self, place: Place[Work, Answer]) -> bool:
        """Leave the line; whether the place was in it, so that the work was not taken along."""
        try:
            self._places.remove(place)
        except ValueError:
            return False
        return True
