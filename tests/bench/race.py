"""Contenders that take turns, and what is printed of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Floor(NamedTuple):
    """A row of the table that is printed."""

    work: str
    against: str
    ratio: float
    floor: float
    """0: none, it is only told."""

    def line(self) -> str:
        """The row."""
        told = f"{self.work:<34} {self.ratio:6.2f} × {self.against:<28}"
        if not self.floor:
            return told.rstrip()
        return f"{told} floor {self.floor:<5} {'ok' if self.ratio >= self.floor else 'BELOW'}"


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def race(rounds: int, **contenders: Callable[[], float]) -> dict[str, float]:
    """The median seconds of each contender; they take turns, so that noise hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            taken[name].append(contender())
    return {name: statistics.median(each) for name, each in taken.items()}
