"""`conflicts`: statements to one customer that disagree, and the rule `conflicting-statements`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from projections.models.lapses import LapseRow
from projections.models.statements import STATEMENTS, StatementRow
from projections.query.measures import grouped
from projections.query.report import Answer, Line, Report
from projections.query.view import View


class ConflictLine(Line, frozen=True, kw_only=True):
    """A statement that disagrees with an earlier one to the same customer, in whichever case."""

    customer_id: str
    topic: str
    case_id: str
    statement_id: str
    value: str
    stated_at: datetime
    stated_by: str
    team: str | None
    earlier_case_id: str
    earlier_statement_id: str
    earlier_value: str
    earlier_at: datetime
    earlier_by: str


class Judged(NamedTuple):
    """A statement with an earlier one on its topic, and the latest one that it disagrees with."""

    customer_id: str
    statement: StatementRow
    against: StatementRow | None


def _judged(view: View, *, differing: bool = False) -> Iterator[Judged]:
    """Each statement with an earlier one on its topic.

    Args:
        view: the view.
        differing: whether topics may be left out on which one customer was always told the same.
    """
    asked = view.selection.wanted("customer")
    if asked is not None:
        ids = view.same_customers(*asked)
        rows = view.lookup(STATEMENTS, "customer_id", ids)
    elif differing:
        table = view.at(STATEMENTS)
        rows = view.select(
            STATEMENTS,
            f"(customer_id, topic) IN (SELECT customer_id, topic FROM {table} "
            "GROUP BY customer_id, topic HAVING min(value) < max(value)) "
            f"OR customer_id IN ({view.merged_customers})",
        )
    else:
        rows = view.select(STATEMENTS)
    rows.sort(key=lambda row: (row.stated_at, row.position))
    roots = view.roots(row.customer_id for row in rows)
    topics = grouped(rows, lambda row: (roots[row.customer_id], row.topic))
    for (customer_id, _), statements in topics.items():
        for row, against in compared(statements):
            yield Judged(customer_id, row, against)


def compared(
    statements: Iterable[StatementRow],
) -> Iterator[tuple[StatementRow, StatementRow | None]]:
    """Each statement on a topic except the first, with the latest one that it disagrees with."""
    standing: list[StatementRow] = []
    replaced: set[str | None] = set()
    for number, row in enumerate(statements):
        # A statement that was retracted or superseded is no longer what we say.
        standing = [each for each in standing if _stands(each, row)]
        against = [e for e in standing if e.value != row.value and e.supersedes != row.name]
        if number:
            yield row, against[-1] if against else None
        if row.name not in replaced:  # at the same time, the superseding one may stand first
            standing.append(row)
        replaced.add(row.supersedes)


def _stands(earlier: StatementRow, later: StatementRow) -> bool:
    """Whether a statement still held when a later one was made."""
    if earlier.retracted_at is not None and earlier.retracted_at <= later.stated_at:
        return False
    return later.supersedes != earlier.name


def judged_statements(view: View) -> list[LapseRow]:
    """The finding on each statement that has an earlier one on its topic."""
    return list(_found(_judged(view)))


def violated_statements(view: View) -> list[LapseRow]:
    """The finding on each statement that disagrees with an earlier one."""
    return list(_found(each for each in _judged(view, differing=True) if each.against is not None))


def _found(judged: Iterable[Judged]) -> Iterator[LapseRow]:
    for _, row, against in judged:
        yield LapseRow(
            rule="conflicting-statements",
            subject=row.statement_id,
            case_id=row.case_id,
            customer_id=row.customer_id,
            outcome="satisfied" if against is None else "violated",
            at=row.stated_at,
            due_at=None,
            agent=row.stated_by,
            team=row.team,
            evidence=(row.event_id,) if against is None else (row.event_id, against.event_id),
            product=row.product,
            region=row.region,
            category=row.category,
        )


def _answer(view: View) -> Answer[ConflictLine]:
    asked = view.selection
    wanted = asked.wanted("case")
    cases = None if wanted is None else view.families_of(wanted)
    lines = [
        ConflictLine(
            customer_id=customer_id,
            topic=row.topic,
            case_id=row.case_id,
            statement_id=row.statement_id,
            value=row.value,
            stated_at=row.stated_at,
            stated_by=row.stated_by,
            team=row.team,
            earlier_case_id=against.case_id,
            earlier_statement_id=against.statement_id,
            earlier_value=against.value,
            earlier_at=against.stated_at,
            earlier_by=against.stated_by,
        )
        for customer_id, row, against in _judged(view, differing=True)
        if against is not None
        and asked.in_window(row.stated_at)
        and asked.takes("agent", row.stated_by)
        and asked.takes("team", row.team)
        and (cases is None or row.case_id in cases or against.case_id in cases)
    ]
    lines.sort(key=lambda line: (line.stated_at, line.case_id, line.statement_id))
    customers = {line.customer_id for line in lines}
    return Answer(lines, {"conflicts": len(lines), "customers": len(customers)})


CONFLICTS = Report(
    "conflicts",
    "Statements to one customer that disagree.",
    ConflictLine,
    _answer,
    needs=(STATEMENTS,),
    shown="customer_id topic value stated_at stated_by case_id earlier_value earlier_at earlier_by",
    selects=("since", "until", "customer", "case", "agent", "team"),
    example="conflicts --customer C-3318",
)
