"""Made-up projections: one that reads all that a projection can read, and one that often fails."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from threading import Event as Signal
from typing import Any

from projections import PROJECTIONS
from projections.engine.runner import Runner
from projections.history.case_history import CaseHistory
from projections.models.cases import CASES
from projections.models.closings import CLOSINGS
from projections.models.customers import CUSTOMERS
from projections.models.promises import PROMISES
from projections.projection import Projection, Row


class LookingRow(Row, frozen=True):
    """An event of a case."""

    case_id: str
    version: int
    policies: tuple[str, ...]
    """Those in force when it happened."""
    customer: tuple[str, ...]
    """What happened to the customer, as it reads at present: version, type and time."""


def looking(case: CaseHistory) -> Iterator[LookingRow]:
    customer = [f"{r.version} {r.type} {r.occurred_at}" for r in case.customer or ()]
    for recorded in case.history:
        names = tuple(
            str(policy.name)
            for policy in case.policies.adopted
            if policy.effective_from is None or policy.effective_from <= recorded.occurred_at
        )
        yield LookingRow(case.case_id, recorded.version, names, tuple(customer))


class FragileRow(Row, frozen=True):
    """A case."""

    case_id: str
    events: int


def fragile(case: CaseHistory) -> Iterator[FragileRow]:
    """Fails after every third event of a case: not before, but after it has made a row."""
    yield FragileRow(case.case_id, len(case.history))
    if len(case.history) % 3 == 0:
        raise ValueError(f"it is the third\0 time in {case.case_id}")


LOOKING = Projection(
    "looking_" + 60 * "x",
    version=1,
    row=LookingRow,
    rows=looking,
    looks_at=frozenset({"customer", "policy"}),
    indexes=("case_id", "version"),
)
FRAGILE = Projection("fragile", version=1, row=FragileRow, rows=fragile)
ALL = (*PROJECTIONS, LOOKING, FRAGILE)
SOME = (CASES, PROMISES, CLOSINGS, CUSTOMERS, LOOKING, FRAGILE)
"""Fewer projections, for tests that are about how tables are kept, not about what is in them. The
report of cases needs no other."""


def contents(runner: Runner) -> dict[str, list[Any]]:
    """Every row of the live tables, and what is parked."""
    with runner._live.tables.reading() as cursor:
        rows: dict[str, list[Any]] = {"parked": runner._live.parked(cursor)}
        for name, table in runner._live.current(cursor).items():
            rows[name] = sorted(
                cursor.all(f"SELECT * FROM {runner._live.tables.at(table.table)}"), key=repr
            )
    return rows


def some_work(runner: Runner, random: Random) -> None:
    """Do with a store's projections what may be done, in a random order."""
    some = random.sample([each.name for each in ALL], random.randrange(1, len(ALL)))
    match random.randrange(6):
        case 0:
            runner.rebuild(some)
        case 1:
            runner.retry()
        case 2:
            after_some, steps = Signal(), random.randrange(3)
            runner.catch_up(stop=after_some, tick=lambda _: after_some.set() if not steps else None)
        case 3:
            runner.catch_up()
        case _:
            runner.catch_up(some)
