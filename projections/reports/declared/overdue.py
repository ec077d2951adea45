"""`overdue`: promises, replies, resends and returns that are past their due time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from projections.models.cases import CASES
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES
from projections.query.measures import counted, seconds
from projections.query.report import Answer, Line, Report
from projections.query.view import View
from projections.reports.declared.to_do import to_do

THRESHOLDS = ("reply_within", "resend_within", "return_within")
Kind = Literal["promise", "reply", "resend", "return"]
KINDS: tuple[Kind, ...] = ("promise", "reply", "resend", "return")


class OverdueLine(Line, frozen=True, kw_only=True):
    """Something that is past its due time and still has to be done."""

    owner: str | None
    """Who has to act: who has the case now, or else made the promise or sent the reply."""
    team: str | None
    kind: Kind
    id: str | None
    """The id of the promise, of the reply to send again, or of the escalation to return. None if a
    reply has to be written."""
    case_id: str
    customer_id: str
    due_at: datetime
    overdue_s: int
    """Seconds from the due time to as-of."""


def lines(view: View, kinds: Sequence[Kind] = KINDS) -> list[OverdueLine]:
    """The rows of some kinds, in no order."""
    asked = view.selection
    return [
        OverdueLine(
            owner=each.owner,
            team=each.team,
            kind=kind,
            id=each.id,
            case_id=each.case_id,
            customer_id=each.customer_id,
            due_at=each.due_at,
            overdue_s=seconds(view.as_of - each.due_at),
        )
        for kind in kinds
        for each in to_do(view, kind, view.as_of)
        if asked.takes("agent", each.owner) and asked.in_window(each.due_at)
    ]


def _answer(view: View) -> Answer[OverdueLine]:
    found = lines(view)
    found.sort(key=lambda e: (e.owner is None, e.owner or "", e.due_at, e.case_id, e.kind))
    in_force = view.policies.in_force(view.as_of)
    summary = {
        "overdue": len(found),
        **counted([line.kind for line in found], KINDS),
        "policy": in_force.name or "built-in",
        "thresholds": {name: getattr(in_force.document.conduct, name) for name in THRESHOLDS},
    }
    return Answer(found, summary)


OVERDUE = Report(
    "overdue",
    "Promises, replies, resends and returns past their time, by who has to act.",
    OverdueLine,
    _answer,
    needs=(CASES, PROMISES, DELIVERIES),
    shown="owner team kind id case_id customer_id due_at overdue_s",
    example="overdue --agent anna",
)
