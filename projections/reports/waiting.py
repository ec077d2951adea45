"""`waiting`: customers whom nobody has answered."""

from __future__ import annotations

from datetime import datetime

from projections.models.cases import CASES
from projections.query.measures import percentile, seconds
from projections.query.merged_cases import Family, counted_cases
from projections.query.report import Answer, Line, Report
from projections.query.view import View


class WaitingLine(Line, frozen=True, kw_only=True):
    """A case whose customer wrote, and whom no human reply that arrived has answered since."""

    case_id: str
    customer_id: str
    status: str
    agent: str | None
    team: str | None
    waiting_since: datetime
    waiting_s: int
    """Seconds to as-of."""
    unanswered: int
    """Messages."""


def waits(family: Family) -> datetime | None:
    """Since when a customer waits. In a closed case only who wrote after the closing does: a
    word of thanks before it asks for nothing."""
    closed_at = family.case.closed_at
    return next((at for at in family.unanswered if closed_at is None or at > closed_at), None)


def _answer(view: View) -> Answer[WaitingLine]:
    found = [
        (since, each)
        for each in counted_cases(view, time=None)
        if (since := waits(each)) is not None and view.selection.in_window(since)
    ]
    roots = view.roots(each.case.customer_id for _, each in found)
    lines = [
        WaitingLine(
            case_id=each.case.case_id,
            customer_id=roots[each.case.customer_id],
            status=each.case.status,
            agent=each.case.agent,
            team=each.case.team,
            waiting_since=since,
            waiting_s=seconds(view.as_of - since),
            unanswered=sum(at >= since for at in each.unanswered),
        )
        for since, each in found
    ]
    lines.sort(key=lambda line: (line.waiting_since, line.case_id))
    waited = [line.waiting_s for line in lines]
    summary = {
        "waiting": len(lines),
        "median_s": percentile(waited, 50),
        "p90_s": percentile(waited, 90),
        "longest_s": max(waited, default=None),
    }
    return Answer(lines, summary)


WAITING = Report(
    "waiting",
    "Customers whom nobody has answered, the longest waiting first.",
    WaitingLine,
    _answer,
    needs=(CASES,),
    shown="case_id customer_id status agent team waiting_since waiting_s unanswered",
    example="waiting --team north",
)
