"""The pages of `casestore serve` on a history shaped like real ones, asked of a real server.

They are compared with seconds: half of one for the first page, and for a case or a customer at any
moment; a fifth of one for others.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path

from casestore import CaseStore
from projections.engine.runner import Runner
from projections.pages.list_kinds import MAIN
from tests.bench.projections import filled, similar_cases
from tests.bench.race import Floor
from tests.support.command_line import Casestore
from tests.support.served import Served, served

FIRST, OTHERS = 0.5, 0.2  # seconds
NUMBERS = (
    "/list?of=cases&ask.received_from={month}-01&ask.received_to={month}-28",
    "/list?of=cases&ask.open_at={month}-28&is.status=%3Dopen&is.status=%3Dclosed",
    "/list?of=promises&is.state=%3Dbroken",
)
"""Lists that numbers lead to, and that nobody has asked for before."""


def bench_pages(folder: Path, count: int, rounds: int) -> Iterator[Floor]:
    """Ask for pages at the present, of cases and customers at any moment, and at another moment."""
    os.environ["CASESTORE_KEY_FILE"] = str(folder / "generated.key")
    url = filled(folder, count)
    with CaseStore.open(url) as store, Runner(store) as runner:
        runner.catch_up()
        cases = similar_cases(store)[: rounds * 4]
        middle = next(store.read(count // 2, until=count // 2 + 1)).occurred_at
    then = middle.astimezone(UTC).isoformat().replace("+00:00", "Z")
    begun = time.perf_counter()
    with served(Casestore(url, CASESTORE_KEY_FILE=os.environ["CASESTORE_KEY_FILE"])) as server:
        yield Floor("the start of serve", "a second", 1 / (time.perf_counter() - begun), 0)
        yield _floor("the first page", [_seconds(server, "/")], FIRST)
        for path in NUMBERS:
            address = path.format(month=middle.strftime("%Y-%m"))
            yield _floor(f"a number's list: {address[9:40]}", [_seconds(server, address)], OTHERS)
        for name in MAIN:
            taken = _seconds(server, f"/list?of={name}")
            yield _floor(f"list {name}, not asked for before", [taken], OTHERS)
        yield from _all(server, "", rounds)
        for moment in ("", f"&as_of={then}", f"&as_of={then}&known_at={then}"):
            told = moment.replace(then, "…") or ", now"
            times = [_seconds(server, f"/case?id={case}{moment}") for case, _ in cases]
            yield _floor(f"a case{told}", times, FIRST if moment else OTHERS)
            times = [_seconds(server, f"/customer?id={each}{moment}") for _, each in cases]
            yield _floor(f"a customer{told}", times, FIRST if moment else OTHERS)
        made = _until_there(server, f"/?as_of={then}")
        yield Floor("the tables of a moment", "a second", 1 / made, 0)
        yield from _all(server, f"&as_of={then}", rounds)


def _all(server: Served, moment: str, rounds: int) -> Iterator[Floor]:
    told = ", at a moment" if moment else ""
    overview = [_seconds(server, f"/?by=month{moment}") for _ in range(rounds)]
    yield _floor(f"overview{told}", overview, FIRST)
    for name in MAIN:
        times = [_seconds(server, f"/list?of={name}{moment}") for _ in range(rounds)]
        yield _floor(f"list {name}{told}", times, OTHERS)


def _seconds(server: Served, path: str) -> float:
    start = time.perf_counter()
    server.page(path)
    return time.perf_counter() - start


def _until_there(server: Served, path: str) -> float:
    """The seconds until a page is there that is made in the background."""
    start = time.perf_counter()
    while server.ask(path).status == 202:
        time.sleep(0.2)
    server.page(path)
    return time.perf_counter() - start


def _floor(work: str, times: Sequence[float], most: float) -> Floor:
    """The median compared with the most seconds that it may take; the slowest is told too."""
    taken = statistics.median(times)
    told = f"{work} ({taken:.3f} s, at most {max(times):.3f})"
    return Floor(told, f"{most} s", most / taken, 1)
