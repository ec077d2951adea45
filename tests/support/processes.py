"""Real processes on one store: a crew of four, which race from the same moment on."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult, Pool
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from casestore import Actor, CaseOpened, CaseStore, NoteAdded

T = TypeVar("T")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANA = Actor(kind="agent", id="ana")
FOUR = 4
"""Processes in a race: so many that some of them have to wait for the store's lock."""
PATIENCE = 120.0
"""Seconds: longer than a store waits for its lock, so that its own error is what a test sees."""
SPAWN = get_context("spawn")  # a forked process would share our threads and connections


def note(text: str | None = None) -> NoteAdded:
    return NoteAdded(occurred_at=NOON, actor=ANA, text=text)


def opened(customer_id: str = "c-1") -> CaseOpened:
    return CaseOpened(occurred_at=NOON, actor=ANA, customer_id=customer_id, channel="phone")


class Place(NamedTuple):
    """What a process needs to open the store for itself."""

    url: str
    key_file: Path

    def open(self, **injected: Any) -> CaseStore:
        return CaseStore.open(self.url, key_file=self.key_file, **injected)


Part = Callable[[CaseStore, int], T]
"""What a process does in a race. The number, 0 to 3, says which of the four it is."""


class Crew:
    """Four processes, started only once. For each race they open the store anew."""

    def __init__(self, pool: Pool, barrier: Barrier) -> None:
        self._pool = pool
        self._barrier = barrier

    def start(
        self, place: Place, part: Part[T], slow: timedelta = timedelta()
    ) -> list["AsyncResult[T]"]:
        """Start the part in each process. Its clock is `slow` behind that of the process before."""
        self._barrier.reset()
        arguments = [(place, part, me, me * slow) for me in range(FOUR)]
        return [self._pool.apply_async(_take_part, of_one) for of_one in arguments]

    def race(self, place: Place, part: Part[T]) -> list[T]:
        return [result.get(PATIENCE) for result in self.start(place, part)]


_barriers: list[Barrier] = []
"""In each of the four processes: the barrier that the process got when it started."""


def _join(barrier: Barrier) -> None:
    _barriers.append(barrier)


def together() -> None:
    """Wait for the other three."""
    _barriers[0].wait(PATIENCE)


def _take_part(place: Place, part: Part[T], me: int, slow: timedelta) -> T:
    with place.open(clock=lambda: datetime.now(UTC) - slow) as store:
        together()
        return part(store, me)


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
