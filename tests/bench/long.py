"""One long case: its time must be in proportion to its events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

from casestore import CaseStore
from tests.bench.plain_events import event_of
from tests.bench.race import Floor, race, seconds

TOGETHER = 100
"""Events of an append, so that a slow disk does not hide what the work costs."""
_AT_MOST = 6
"""Times the seconds of a case that is a fifth as long: that is linear, with some room for noise."""


def bench_long(folder: Path, count: int, rounds: int) -> Iterator[Floor]:
    """Append, fold and show the timeline of a case of so many events, and of a fifth of them."""
    os.environ["CASESTORE_KEY_FILE"] = str(folder / "key")
    made: dict[int, str] = {}

    def appended(events: int) -> float:
        made[events] = f"sqlite:///{folder}/{uuid4().hex}.db"
        with CaseStore.create(made[events]) as store:
            return seconds(lambda: append_to_one(store, events))

    def folded(events: int) -> float:
        with CaseStore.open(made[events]) as store:
            return seconds(lambda: store.case("long"))

    def shown(events: int) -> float:
        command = (sys.executable, "-m", "casestore", "--db", made[events])
        run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
        return seconds(lambda: run((*command, "case", "timeline", "long")))

    for name, work in (("append", appended), ("fold", folded), ("timeline", shown)):
        times = race(rounds, less=partial(work, count // 5), more=partial(work, count))
        yield Floor(
            f"{name} of a case of {count:,} events",
            "of a fifth",
            times["less"] / times["more"],
            round(1 / _AT_MOST, 3),
        )


def append_to_one(store: CaseStore, count: int) -> None:
    """Append so many events to one case."""
    for first in range(0, count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, count))
        # Number 0 opens the case; the others are messages and replies in turn.
        store.append("case:long", *(event_of(0, n) for n in numbers), key=f"k{first}")
