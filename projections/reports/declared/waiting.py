"""`waiting`: cases whose customers still wait for an answer."""

from __future__ import annotations

from datetime import datetime

from projections.models.cases import CASES
from projections.projection import Row
from projections.query.measures import percentile, seconds
from projections.query.report import Answer, Line, Report
from projections.query.view import View


class WaitingLine(Line, frozen=True, kw_only=True):
    """A case whose customer waits: no human reply has answered a message, or the receipt."""

    case_id: str
    customer_id: str
    status: str
    agent: str | None
    team: str | None
    waiting_since: datetime
    waiting_s: int
    """Seconds from the earliest of them to as-of."""
    unanswered: int
    """The number of messages that wait; 1 if it is the receipt that waits."""


class _Waits(Row, frozen=True):
    """Of a case what is shown: see CaseRow."""

    case_id: str
    customer_id: str
    status: str
    agent: str | None
    team: str | None
    waiting: tuple[datetime, ...]


def _answer(view: View) -> Answer[WaitingLine]:
    rows = [
        row
        for row in view.chosen(CASES, "reply_due_at IS NOT NULL", time=None, row=_Waits)
        if view.selection.in_window(row.waiting[0])
    ]
    roots = view.roots(row.customer_id for row in rows)
    lines = [
        WaitingLine(
            case_id=row.case_id,
            customer_id=roots[row.customer_id],
            status=row.status,
            agent=row.agent,
            team=row.team,
            waiting_since=row.waiting[0],
            waiting_s=seconds(view.as_of - row.waiting[0]),
            unanswered=len(row.waiting),
        )
        for row in rows
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
