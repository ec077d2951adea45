"""`repeats`: customers who had to complain again."""

from __future__ import annotations

from datetime import datetime

from casestore.policy.authority import YEAR
from projections.models.cases import CASES
from projections.projection import Row
from projections.query.measures import grouped
from projections.query.report import Answer, Line, Report
from projections.query.view import View


class RepeatLine(Line, frozen=True, kw_only=True):
    """A customer with at least two cases in the 365 days up to as-of, or to an earlier --to."""

    customer_id: str
    cases: int
    open: int
    first_opened_at: datetime
    last_opened_at: datetime
    categories: tuple[str, ...]
    case_ids: tuple[str, ...]


class _Case(Row, frozen=True):
    """Of a case what is shown: see CaseRow."""

    case_id: str
    customer_id: str
    status: str
    category: str | None
    opened_at: datetime
    close_reason: str | None


def _answer(view: View) -> Answer[RepeatLine]:
    found = view.complaints(row=_Case)
    end = min(view.as_of, view.selection.until or view.as_of)
    recent = [case for case in found if end - case.opened_at < YEAR]
    roots = view.roots(case.customer_id for case in recent)
    by_customer = grouped(recent, lambda case: roots[case.customer_id])
    lines = [
        RepeatLine(
            customer_id=customer_id,
            cases=len(cases),
            open=sum(case.status == "open" for case in cases),
            first_opened_at=cases[0].opened_at,
            last_opened_at=cases[-1].opened_at,
            categories=tuple(sorted({case.category for case in cases if case.category})),
            case_ids=tuple(case.case_id for case in cases),
        )
        for customer_id, cases in by_customer.items()
        if len(cases) > 1
    ]
    lines.sort(key=lambda line: (-line.cases, line.customer_id))
    summary = {
        "customers": len(by_customer),
        "repeating": len(lines),
        "cases": sum(line.cases for line in lines),
    }
    return Answer(lines, summary)


REPEATS = Report(
    "repeats",
    "Customers with two cases or more in 365 days.",
    RepeatLine,
    _answer,
    needs=(CASES,),
    shown="customer_id cases open first_opened_at last_opened_at case_ids",
    example="repeats --sort -last_opened_at --limit 20",
)
