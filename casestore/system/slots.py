"""Letting at most so many do something at once, whatever happens to one of them.

A semaphore of `threading` is lost where a signal handler raises an exception just after it was
taken, and one of its own locks may then be held for ever. Here a slot is an object: once nobody
refers to it, it is free again. The queue of the free ones is C code, which no signal interrupts.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from weakref import ReferenceType, ref


class Slot:
    """A place among so many. It is free again once it is garbage."""

    __slots__ = ("_free",)

    def __init__(self, free: ReferenceType[SimpleQueue[Slot]]) -> None:
        self._free = free

    def __del__(self) -> None:
        if (free := self._free()) is not None:
            free.put(Slot(self._free))


class Slots:
    """So many places. A forked child needs its own: those of its parent's threads stay taken.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[Slot] = SimpleQueue()
        for _ in range(count):
            self._free.put(Slot(ref(self._free)))

    def take(self, timeout: float | None = None) -> Slot | None:
        """A slot, to keep while it is needed; None where none was free for `timeout` seconds."""
        try:
            return self._free.get(timeout=timeout)
        except Empty:
            return None
