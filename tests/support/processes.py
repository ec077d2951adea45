"""Real processes on one store: a crew of four that starts each race together."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult, Pool
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from casestore import (
    Actor,
    CaseOpened,
    CaseStore,
    NoteAdded,
)

T = TypeVar("T")


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


ANA = Actor(kind="agent", id="ana")


FOUR = 4
"""Processes in a race: more than this machine's cores, so that the lock is also waited for."""


PATIENCE = 60.0
"""Seconds: more than a store waits for its lock, so that what it says then is what we see."""


SPAWN = get_context("spawn")  # a fork would take the pool's threads and connections along


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
"""What a process does in a race; the number tells it which of the four it is."""


class Crew:
    """Four processes, started once: each part opens the store anew, as a fresh process would."""

    def __init__(self, pool: Pool, barrier: Barrier) -> None:
        self._pool = pool
        self._barrier = barrier

    def start(
        self, place: Place, part: Part[T], slow: timedelta = timedelta()
    ) -> list["AsyncResult[T]"]:
        """Let each do its part; the clock of each is so much slow by that of the one before."""
        self._barrier.reset()
        parts = [(place, part, me, me * slow) for me in range(FOUR)]
        return [self._pool.apply_async(_take_part, each) for each in parts]

    def race(self, place: Place, part: Part[T]) -> list[T]:
        return [each.get(PATIENCE) for each in self.start(place, part)]


_barriers: list[Barrier] = []  # in each of the four, the one that it is handed as it starts


def _join(barrier: Barrier) -> None:
    _barriers.append(barrier)


def together() -> None:
    """Wait for the other three."""
    _barriers[0].wait(PATIENCE)


def _take_part(place: Place, part: Part[T], me: int, slow: timedelta) -> T:
    with place.open(clock=lambda: datetime.now(UTC) - slow) as store:
        together()
        return part(store, me)


def wait_until(it_is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not it_is_so():
        assert time.monotonic() < deadline
