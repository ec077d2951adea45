"""Rebuilding projections, reports, and one case's history, on histories shaped like real ones."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any
from uuid import uuid4

from casestore import CaseStore
from casestore.system.garbage import fewer_collections
from projections import PROJECTIONS as ALL
from projections import reports
from projections.engine.rebuild import rebuild
from projections.engine.runner import Runner
from projections.engine.tables import Tables
from projections.engine.workers import ranges
from projections.projection import Projection
from tests import generate
from tests.bench.race import Floor, race, seconds

ONE_BY_ONE = 1_000
"""Events for the runner that commits each by itself."""
ASKED = 60
"""Cases and customers that each report, and the history, is asked for."""
_GROWTH = 0.667
"""Of speed, where a store is larger: time may grow by half."""
OF_EVENTS = (8, 12)
"""How many events a case has that is asked for: the same in a small store and in a big one."""


def bench_projections(folder: Path, count: int, rounds: int) -> Iterator[Floor]:
    """Rebuild, report and read histories."""
    os.environ["CASESTORE_KEY_FILE"] = str(folder / "generated.key")
    tiny, small, big = (filled(folder, count // part) for part in (100, 10, 1))
    times = race(
        rounds,
        one=lambda: built(big, 1),
        two=lambda: built(big, 2),
        single=lambda: one_by_one(folder),
        small=lambda: built(small, 1),
        bare=lambda: bare(small),
    )
    a_second = count / times["one"]
    yield Floor(
        f"rebuild, {a_second:,.0f} events a second",
        f"{ONE_BY_ONE / times['single']:,.0f}, an event a transaction",
        a_second / (ONE_BY_ONE / times["single"]),
        100,
    )
    of_small = f"rebuild of {count // 10:,} events"
    yield Floor(of_small, "its bare input and output", times["bare"] / times["small"], 0)
    yield Floor(
        "its bare input and output",
        "an event a transaction",
        count / 10 / times["bare"] / (ONE_BY_ONE / times["single"]),
        0,
    )
    yield Floor("rebuild with 2 workers", "1 worker", times["one"] / times["two"], 1.6)
    with opened(small) as less, opened(big) as more:
        for name, ask in REPORTS.items():
            told = race(rounds, less=lambda: middle(less, ask), more=lambda: middle(more, ask))  # noqa: B023
            growth = told["less"] / told["more"]
            yield Floor(f"{name} of {count:,} events", "of a tenth", growth, _GROWTH)
    with opened(tiny) as less, opened(big) as more:
        told = race(rounds, less=lambda: middle(less, history), more=lambda: middle(more, history))
        growth = told["less"] / told["more"]
        yield Floor(f"a history of {count:,} events", "of a hundredth", growth, _GROWTH)


def filled(folder: Path, events: int) -> str:
    """The URL of a store with so many events."""
    path = folder / f"generated-{events}.db"
    url = f"sqlite:///{path}"
    if not path.exists():
        with CaseStore.create(url) as store:
            generate.fill(store, events)
    return url


@contextmanager
def opened(url: str) -> Iterator[CaseStore]:
    """A store whose projections are up to date."""
    with CaseStore.open(url) as store:
        with Runner(store) as runner:
            runner.catch_up()
        yield store


def built(url: str, workers: int) -> float:
    """Seconds to rebuild all projections."""
    with CaseStore.open(url) as store, Runner(store) as runner:
        return seconds(lambda: rebuild(runner, workers=workers))


def bare(url: str) -> float:
    """Seconds to read and decode every event and insert every row, made beforehand, with nothing
    in between: what is left of a rebuild if making the rows took no time at all. (What looks at
    customers reads them a second time, which is not in here.)"""
    with opened(url) as store, Runner(store) as runner:
        where, live = runner.tables, runner.current()
        with where.reading() as cursor:
            found = {p: cursor.all(f"SELECT * FROM {where.at(live[p.name].table)}") for p in ALL}
        for projection in ALL:
            with where.writing() as cursor:
                where.drop(cursor, f"bare_{projection.name}")
                where.create(cursor, f"bare_{projection.name}", projection)
        taken = seconds(lambda: _bare(store, where, found))
        for projection in ALL:
            with where.writing() as cursor:
                where.drop(cursor, f"bare_{projection.name}")
    return taken


def _bare(store: CaseStore, where: Tables, found: Mapping[Projection, Sequence[Any]]) -> None:
    recorder, parts = store.recorder, list(ranges(store, ("case", "customer")))
    columns = recorder.columns.replace("personal", "NULL")  # as projections read
    for n, part in enumerate(parts):
        rows = recorder.fetch(
            f"SELECT {columns} FROM {recorder.table} WHERE originator_id > ? "
            "AND originator_id <= ? ORDER BY originator_id, originator_version",
            part,
        )
        with fewer_collections():
            list(store.journal.codec.recorded(rows))
        with where.writing() as cursor:
            for projection, ready in found.items():
                some = slice(n * len(ready) // len(parts), (n + 1) * len(ready) // len(parts))
                cursor.insert(where.at(f"bare_{projection.name}"), ready[some])
    for projection in found:
        with where.writing() as cursor:
            where.index(cursor, f"bare_{projection.name}", projection)


# --- a runner that commits each event by itself ------------------------------------------------


def one_by_one(folder: Path) -> float:
    """Seconds to bring the same tables up to date with the first events, an event a transaction,
    which is how the stock library's ProjectionRunner works."""
    url = f"sqlite:///{folder}/{uuid4()}.db"
    with CaseStore.create(url) as store, Runner(store, batch=1) as runner:
        runner.catch_up()  # builds what there is of nothing
        generate.fill(store, ONE_BY_ONE)
        return seconds(runner.catch_up)


# --- reports and histories --------------------------------------------------------------------

Ask = Callable[[CaseStore, str, str], object]
"""Asks a store for something of a case or of its customer."""

REPORTS: dict[str, Ask] = {
    "cases --customer": lambda store, _, customer: reports.cases(store, customer=customer),
    "promises --case": lambda store, case, _: reports.promises(store, case=case),
    "goodwill history": lambda store, _, customer: reports.goodwill_history(
        store, customer=customer
    ),
    "breakdown --customer": lambda store, _, customer: reports.breakdown(
        store, customer=customer, by="product"
    ),
}


def history(store: CaseStore, case: str, _customer: str) -> object:
    """A case's history."""
    return store.history(f"case:{case}")


def middle(store: CaseStore, ask: Ask) -> float:
    """The median of seconds that it takes to ask for one of some cases like each other."""
    taken = []
    for case, customer in alike(store):
        begun = perf_counter()
        ask(store, case, customer)
        taken.append(perf_counter() - begun)
    return statistics.median(taken)


def alike(store: CaseStore) -> Sequence[tuple[str, str]]:
    """Cases of much the same length whose customers have no other, and these customers."""
    with Runner(store) as runner, runner.tables.reading() as cursor:
        table = runner.tables.at(runner.current()["cases"].table)
        found = cursor.all(
            f"SELECT max(case_id), customer_id FROM {table} WHERE merged_into IS NULL "
            f"GROUP BY customer_id HAVING count(*) = 1 AND max(events) BETWEEN ? AND ? "
            "ORDER BY customer_id",
            OF_EVENTS,
        )
    return Random(1).sample(found, min(ASKED, len(found)))
