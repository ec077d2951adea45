"""`today`: what a desk has to do, what has waited longest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from projections.models.cases import CASES
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES
from projections.query.measures import TICK, counted, seconds, shifted
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View
from projections.reports.declared.to_do import KINDS, Kind, to_do

WEEK = timedelta(days=7)
_LATER = ("promise", "resolve")
"""What may be due a long time from now. For everything else somebody waits already."""


class TodayLine(Line, frozen=True, kw_only=True):
    """Something that has to be done."""

    kind: Kind
    owner: str | None
    """Who has to act: who has the case now, or else made the promise or sent the reply."""
    team: str | None
    id: str | None
    """The id of the promise, of the reply to send again, or of the escalation to return. None if a
    reply has to be written, or the case to be resolved."""
    case_id: str
    customer_id: str
    since: datetime
    """When it began: the promise was made, the customer began to wait, the reply failed, the case
    was escalated, or it reached us."""
    due_at: datetime
    overdue_s: int | None
    """Seconds from the due time to as-of; None if it is not past."""


def lines(
    view: View, kinds: Sequence[Kind] = KINDS, *, within: timedelta | None = None
) -> list[TodayLine]:
    """The rows of some kinds, in no order."""
    asked, as_of = view.selection, view.as_of
    return [
        TodayLine(
            kind=kind,
            owner=each.owner,
            team=each.team,
            id=each.id,
            case_id=each.case_id,
            customer_id=each.customer_id,
            since=each.since,
            due_at=each.due_at,
            overdue_s=seconds(as_of - each.due_at) if each.due_at < as_of else None,
        )
        for kind in kinds
        for each in to_do(view, kind, due_before(view, kind, within))
        if asked.takes("agent", each.owner) and asked.in_window(each.due_at)
    ]


def _answer(view: View, *, within: timedelta | None = None) -> Answer[TodayLine]:
    found = lines(view, within=within)
    found.sort(key=lambda line: (line.due_at, line.case_id, line.kind, line.id or ""))
    summary = {
        "to_do": len(found),
        "overdue": sum(line.overdue_s is not None for line in found),
        **counted((line.kind for line in found), KINDS),
    }
    return Answer(found, summary)


def due_before(view: View, kind: Kind, within: timedelta | None = None) -> datetime | None:
    """Before when something of a kind has to be due to be among it; None: whenever it is due."""
    if kind not in _LATER:
        return None
    return shifted(shifted(view.as_of, WEEK if within is None else within), TICK)


TODAY = Report(
    "today",
    "What there is to do: what is due, who waits, what is overdue; the longest first.",
    TodayLine,
    _answer,
    needs=(CASES, PROMISES, DELIVERIES),
    shown="kind owner team case_id customer_id id since due_at overdue_s",
    options=(
        Option(
            "within",
            "Promises and open cases that are due within that time. Default: 7d.",
            timedelta,
        ),
    ),
    example="today --team north",
)
