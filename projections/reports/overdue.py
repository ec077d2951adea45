"""`overdue`: promises, replies, resends and returns past their time, by who has to act."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.policy.working_time import due as due_at
from projections.models.cases import CASES, CaseRow
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES, state
from projections.query.measures import counted, seconds
from projections.query.merged_cases import counted_cases, made_good
from projections.query.report import Answer, Line, Report
from projections.query.view import View
from projections.reports.waiting import waits

THRESHOLDS = ("reply_within", "resend_within", "return_within")
Kind = Literal["promise", "reply", "resend", "return"]
KINDS: tuple[Kind, ...] = ("promise", "reply", "resend", "return")


class OverdueLine(Line, frozen=True, kw_only=True):
    """Something past its time and still to be done."""

    owner: str | None
    """Who has the case now, or else made the promise or sent the reply."""
    team: str | None
    kind: Kind
    id: str | None
    """Of the promise, the reply to send again, or the escalation to return; None for a reply."""
    case_id: str
    customer_id: str
    due_at: datetime
    overdue_s: int
    """Seconds to as-of."""


def _lines(view: View) -> Iterator[OverdueLine]:
    as_of = view.as_of
    families = list(counted_cases(view, time=None, agent=None))
    family_of = {row.case_id: each for each in families for row in each.all}
    roots = view.roots(each.case.customer_id for each in families)

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

    for promise in view.lookup(PROMISES, "case_id", set(family_of)):
        if state(promise, as_of) == "broken" and promise.released_at is None:
            case = family_of[promise.case_id].case
            yield line("promise", case, promise.due_at, promise.promise_id, promise.made_by)
    for reply in view.lookup(DELIVERIES, "case_id", set(family_of)):
        family = family_of[reply.case_id]
        if not made_good(reply, family):
            due = _due(view, reply.failed_at, "resend_within")
            yield line("resend", family.case, due, reply.reply_id, reply.agent)
    for family in families:
        if (since := waits(family)) is not None:
            yield line("reply", family.case, _due(view, since, "reply_within"), None)
        for row in family.all:
            if row.executive_since is not None:
                due = _due(view, row.executive_since, "return_within")
                yield line("return", family.case, due, row.executive_escalation)


def _due(view: View, start: datetime, within: str) -> datetime:
    """When something is due by the policy in force when it began."""
    policy = view.policies.at(start)
    return due_at(start, getattr(policy.conduct, within), policy.calendar)


def _answer(view: View) -> Answer[OverdueLine]:
    asked = view.selection
    lines = [
        line
        for line in _lines(view)
        if line.due_at < view.as_of
        and (asked.agent is None or line.owner == asked.agent)
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
