"""`overdue`: promises, replies, resends and returns that are past their due time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.policy.working_time import due as due_at
from projections.models.cases import CASES, CaseRow
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES, state
from projections.query.measures import counted, seconds
from projections.query.report import Answer, Line, Report
from projections.query.view import View

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


def _lines(view: View) -> Iterator[OverdueLine]:
    as_of = view.as_of
    cases: dict[str, CaseRow] = {row.case_id: row for row in view.cases(time=None, agent=None)}
    roots = view.roots(row.customer_id for row in cases.values())

    def line(
        kind: Kind, of: CaseRow, due_at: datetime, each: str | None, by: str | None = None
    ) -> OverdueLine:
        return OverdueLine(
            owner=of.agent or by,
            team=of.team,
            kind=kind,
            id=each,
            case_id=of.case_id,
            customer_id=roots[of.customer_id],
            due_at=due_at,
            overdue_s=seconds(as_of - due_at),
        )

    for promise in view.lookup(PROMISES, "case_id", set(cases)):
        if state(promise, as_of) == "broken" and promise.released_at is None:
            case = cases[promise.case_id]
            yield line("promise", case, promise.due_at, promise.promise_id, promise.made_by)
    for reply in view.lookup(DELIVERIES, "case_id", set(cases)):
        if reply.made_good_at is None:
            due = _due(view, reply.failed_at, "resend_within")
            yield line("resend", cases[reply.case_id], due, reply.reply_id, reply.agent)
    for case in cases.values():
        if case.waiting:
            yield line("reply", case, _due(view, case.waiting[0], "reply_within"), None)
        for escalation_id, since in zip(
            case.executive_escalations, case.executive_since, strict=True
        ):
            yield line("return", case, _due(view, since, "return_within"), escalation_id)


def _due(view: View, start: datetime, within: str) -> datetime:
    """When something is due, by the policy in force at its start."""
    policy = view.policies.at(start)
    return due_at(start, getattr(policy.conduct, within), policy.calendar)


def _answer(view: View) -> Answer[OverdueLine]:
    asked = view.selection
    lines = [
        line
        for line in _lines(view)
        if line.due_at < view.as_of
        and asked.takes("agent", line.owner)
        and asked.in_window(line.due_at)
    ]
    lines.sort(key=lambda e: (e.owner is None, e.owner or "", e.due_at, e.case_id, e.kind))
    in_force = view.policies.in_force(view.as_of)
    summary = {
        "overdue": len(lines),
        **counted([line.kind for line in lines], KINDS),
        "policy": in_force.name or "built-in",
        "thresholds": {name: getattr(in_force.document.conduct, name) for name in THRESHOLDS},
    }
    return Answer(lines, summary)


OVERDUE = Report(
    "overdue",
    "Promises, replies, resends and returns past their time, by who has to act.",
    OverdueLine,
    _answer,
    needs=(CASES, PROMISES, DELIVERIES),
    shown="owner team kind id case_id customer_id due_at overdue_s",
    example="overdue --agent anna",
)
