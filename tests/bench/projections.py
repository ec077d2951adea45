"""Rebuilding projections, reports, and one case's history, on histories shaped like real ones."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any
from uuid import uuid4

from eventsourcing.persistence import Tracking
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder

from casestore import CaseStore
from casestore.journal import Journal
from projections import reports
from projections.rebuild import rebuild
from projections.runner import Runner
from tests import generate
from tests.bench.race import Floor, race, seconds

ONE_BY_ONE = 1_000
"""Events for the runner that commits each by itself."""
ASKED = 60
"""Cases and customers that each report, and the history, is asked for."""
OF_EVENTS = (8, 12)
"""How many events a case has that is asked for: the same in a small store and in a big one."""


def bench_projections(folder: Path, count: int, rounds: int) -> list[Floor]:
    """Rebuild, report and read histories."""
    os.environ["CASESTORE_KEY_FILE"] = str(folder / "generated.key")
    tiny, small, big = (filled(folder, count // part) for part in (100, 10, 1))
    times = race(
        rounds,
        one=lambda: built(big, 1),
        two=lambda: built(big, 2),
        stock=lambda: one_by_one(folder, big),
    )
    a_second = count / times["one"]
    found = [
        Floor(
            f"rebuild, {a_second:,.0f} events a second",
            "an event a transaction",
            a_second / (ONE_BY_ONE / times["stock"]),
            100,
        ),
        Floor("rebuild with 2 workers", "1 worker", times["one"] / times["two"], 1.6),
    ]
    with opened(small) as less, opened(big) as more:
        for name, ask in REPORTS.items():
            told = race(rounds, less=lambda: middle(less, ask), more=lambda: middle(more, ask))  # noqa: B023
            growth = told["less"] / told["more"]
            found.append(Floor(f"{name} of {count:,} events", "of a tenth", growth, 1 / 1.5))
    with opened(tiny) as less, opened(big) as more:
        told = race(rounds, less=lambda: middle(less, history), more=lambda: middle(more, history))
        growth = told["less"] / told["more"]
        found.append(Floor(f"a history of {count:,} events", "of a hundredth", growth, 1 / 1.5))
    return found


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


# --- the stock library's runner ---------------------------------------------------------------


class CountsView(SQLiteTrackingRecorder):
    """Events by stream: less than any of our projections keeps."""

    def construct_create_table_statements(self) -> list[str]:
        """Its table."""
        own = "CREATE TABLE IF NOT EXISTS counts (stream TEXT PRIMARY KEY, events INTEGER)"
        return [*super().construct_create_table_statements(), own]

    def add(self, stream: str, tracking: Tracking) -> None:
        """Count one event, in a transaction of its own."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO counts VALUES (?, 1) "
                "ON CONFLICT (stream) DO UPDATE SET events = events + 1",
                (stream,),
            )


class Counts(Projection[CountsView]):
    """The stock library's own way of keeping a read model."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event, one transaction."""
        self.view.add(domain_event.stream, tracking)


def one_by_one(folder: Path, url: str) -> float:
    """Seconds for the first events, each in a transaction of its own."""
    view = folder / f"{uuid4()}.view"
    settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "COUNTS_SQLITE_DBNAME": str(view)}
    runner: ProjectionRunner[Journal, CountsView] = ProjectionRunner(
        application_class=Journal,
        projection_class=Counts,
        view_class=CountsView,
        env={"CASESTORE_URL": url, **settings},
    )
    with runner:
        taken = seconds(lambda: runner.wait(ONE_BY_ONE, timeout=600))
    runner.view.datastore.close()
    return taken


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
        table = runner.tables.at(runner.live()["cases"].table)
        found = cursor.all(
            f"SELECT max(case_id), customer_id FROM {table} WHERE merged_into IS NULL "
            f"GROUP BY customer_id HAVING count(*) = 1 AND max(events) BETWEEN ? AND ? "
            "ORDER BY customer_id",
            OF_EVENTS,
        )
    return Random(1).sample(found, ASKED)
