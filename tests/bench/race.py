"""Measuring contenders that take turns, and the line that is printed of a result."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Floor(NamedTuple):
    """A row of the table that is printed: how fast some work is, and how fast it must be."""

    work: str
    against: str
    """What the work is compared with."""
    ratio: float
    floor: float
    """The least ratio that is good enough; 0 if the ratio is only printed."""

    def line(self) -> str:
        """The row."""
        text = f"{self.work:<34} {self.ratio:6.2f} × {self.against:<28}"
        if not self.floor:
            return text.rstrip()
        return f"{text} floor {self.floor:<5} {'ok' if self.ratio >= self.floor else 'BELOW'}"


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def race(rounds: int, **contenders: Callable[[], float]) -> dict[str, float]:
    """The median seconds of each contender; they take turns, so that noise hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name].append(contender())
    return {name: statistics.median(of_one) for name, of_one in times.items()}
