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
from projections.engine.filling import ranges
from projections.engine.runner import Runner
from projections.engine.tables import Tables
from projections.projection import Projection
from tests import generate
from tests.bench.race import Floor, race, seconds

ONE_BY_ONE = 1_000
"""Events for the runner that commits every event in a transaction of its own."""
ASKED = 60
"""The number of cases (and of their customers) for which every report is asked."""
_GROWTH = 0.667
"""The least speed in a larger store, as a share of that in the small one: 1.5 times the seconds."""
OF_EVENTS = (8, 12)
"""From how many to how many events those cases have: as many in a small store as in a big one."""


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
        25,
    )
    of_small = f"rebuild of {count // 10:,} events"
    yield Floor(of_small, "its bare input and output", times["bare"] / times["small"], 0.5)
    yield Floor(
        "its bare input and output",
        "an event a transaction",
        count / 10 / times["bare"] / (ONE_BY_ONE / times["single"]),
        0,
    )
    yield Floor("rebuild with 2 processes", "1 process", times["one"] / times["two"], 1.6)
    with opened(small) as less, opened(big) as more:
        for name, ask in REPORTS.items():
            times = race(rounds, less=lambda: median(less, ask), more=lambda: median(more, ask))  # noqa: B023
            growth = times["less"] / times["more"]
            yield Floor(f"{name} of {count:,} events", "of a tenth", growth, _GROWTH)
    with opened(tiny) as less, opened(big) as more:
        times = race(rounds, less=lambda: median(less, history), more=lambda: median(more, history))
        growth = times["less"] / times["more"]
        yield Floor(f"a history of {count:,} events", "of a hundredth", growth, _GROWTH)


def filled(folder: Path, events: int) -> str:
    """The URL of a store with this number of generated events."""
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


def built(url: str, processes: int) -> float:
    """Seconds to rebuild all projections."""
    with CaseStore.open(url) as store, Runner(store) as runner:
        return seconds(lambda: runner.rebuild(processes=processes))


def bare(url: str) -> float:
    """Seconds to read and decode every event, and to insert every row, made beforehand.

    A rebuild would take so long if making the rows took no time. (A projection that looks at
    customers reads their events a second time: that is left out here.)
    """
    with opened(url) as store, Runner(store) as runner:
        where, live = runner._live.tables, runner._live.current()
        with where.reading() as cursor:
            rows = {p: cursor.all(f"SELECT * FROM {where.at(live[p.name].table)}") for p in ALL}
        for projection in ALL:
            with where.writing() as cursor:
                where.drop(cursor, f"bare_{projection.name}")
                where.create(cursor, f"bare_{projection.name}", projection)
        taken = seconds(lambda: _bare(store, where, rows))
        for projection in ALL:
            with where.writing() as cursor:
                where.drop(cursor, f"bare_{projection.name}")
    return taken


def _bare(store: CaseStore, where: Tables, rows: Mapping[Projection, Sequence[Any]]) -> None:
    recorder, parts = store._recorder, list(ranges(store, ("case", "customer")))
    columns = recorder.columns.replace("personal", "NULL")  # projections read no personal text
    for n, part in enumerate(parts):
        events = recorder.fetch(
            f"SELECT {columns} FROM {recorder.table} WHERE originator_id > ? "
            "AND originator_id <= ? ORDER BY originator_id, originator_version",
            part,
        )
        with fewer_collections():
            list(store._codec.recorded(events))
        with where.writing() as cursor:
            for projection, all_rows in rows.items():
                first, last = (k * len(all_rows) // len(parts) for k in (n, n + 1))
                cursor.insert(where.at(f"bare_{projection.name}"), all_rows[first:last])
    for projection in rows:
        with where.writing() as cursor:
            where.index(cursor, f"bare_{projection.name}", projection)


# --- a runner that commits each event by itself ------------------------------------------------


def one_by_one(folder: Path) -> float:
    """Seconds to bring the tables up to date with the first events, one event in a transaction.

    The ProjectionRunner of the stock library works like this.
    """
    url = f"sqlite:///{folder}/{uuid4()}.db"
    with CaseStore.create(url) as store, Runner(store, batch=1) as runner:
        runner.catch_up()  # the tables must be there, empty, before it is measured
        generate.fill(store, ONE_BY_ONE)
        return seconds(runner.catch_up)


# --- reports and histories --------------------------------------------------------------------

Ask = Callable[[CaseStore, str, str], object]
"""Asks a store about a case or about its customer; both ids are given."""

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


def median(store: CaseStore, ask: Ask) -> float:
    """The median of the seconds to ask about a case, over some similar cases."""
    times = []
    for case, customer in similar_cases(store):
        start = perf_counter()
        ask(store, case, customer)
        times.append(perf_counter() - start)
    return statistics.median(times)


def similar_cases(store: CaseStore) -> Sequence[tuple[str, str]]:
    """Cases of similar length whose customers have no other case, each with its customer."""
    with Runner(store) as runner, runner._live.tables.reading() as cursor:
        table = runner._live.tables.at(runner._live.current()["cases"].table)
        cases = cursor.all(
            f"SELECT max(case_id), customer_id FROM {table} WHERE merged_into IS NULL "
            f"GROUP BY customer_id HAVING count(*) = 1 AND max(events) BETWEEN ? AND ? "
            "ORDER BY customer_id",
            OF_EVENTS,
        )
    return Random(1).sample(cases, min(ASKED, len(cases)))
