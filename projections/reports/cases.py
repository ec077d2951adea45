"""`cases`: every case and how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from projections.models.cases import CASES, CaseRow
from projections.models.promises import PROMISES, PromiseRow, state
from projections.query.measures import counted, grouped, percentile
from projections.query.merged_cases import Family, families, tops
from projections.query.report import Answer, Line, Report
from projections.query.view import View
from projections.reports.waiting import waits

STATUSES = ("open", "closed", "merged")


class CaseLine(Line, frozen=True, kw_only=True):
    """A case. One that others were merged into is measured from the earliest receipt, and in it
    waits whoever waits in one of them; what else it counts is its own, as in each of them."""

    case_id: str
    customer_id: str
    status: Literal["open", "closed", "merged"]
    channel: str
    product: str | None
    region: str | None
    category: str | None
    agent: str | None
    team: str | None
    opened_at: datetime
    received_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    messages: int
    replies: int
    agents: int
    handovers: int
    escalations: int
    reopens: int
    first_response_at: datetime | None
    first_response_s: int | None
    waiting_since: datetime | None
    undelivered: int
    issues: int
    issues_open: int
    promises_open: int
    promises_broken: int
    next_due_at: datetime | None
    gestures: int
    last_event_at: datetime
    events: int
    merged_into: str | None


def _line(
    family: Family, customer_id: str, promises: list[PromiseRow], as_of: datetime, merged: bool
) -> CaseLine:
    row = family.case
    states = [(state(promise, as_of), promise.due_at) for promise in promises]
    due = [due_at for now, due_at in states if now == "open" and due_at is not None]
    return CaseLine(
        case_id=row.case_id,
        customer_id=customer_id,
        status="merged" if merged else row.status,
        channel=row.channel,
        product=row.product,
        region=row.region,
        category=row.category,
        agent=row.agent,
        team=row.team,
        opened_at=row.opened_at,
        received_at=family.received_at,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        messages=row.messages,
        replies=row.replies,
        agents=len(row.agents),
        handovers=row.handovers,
        escalations=row.escalations,
        reopens=row.reopens,
        first_response_at=family.first_response_at,
        first_response_s=family.first_response_s,
        waiting_since=None if merged else family.waiting_since,
        undelivered=row.undelivered,
        issues=row.issues,
        issues_open=row.issues_open,
        promises_open=sum(now in ("open", "undated") for now, _ in states),
        promises_broken=sum(now in ("late", "broken", "withdrawn") for now, _ in states),
        next_due_at=min(due, default=None),
        gestures=row.gestures,
        last_event_at=row.last_event_at,
        events=row.events,
        merged_into=row.merged_into if merged else None,
    )


def _answer(view: View) -> Answer[CaseLine]:
    rows: list[CaseRow] = view.chosen(CASES, time="opened_at")
    rows.sort(key=lambda row: (row.opened_at, row.case_id))
    roots = view.roots(row.customer_id for row in rows)
    found = view.lookup(PROMISES, "case_id", {row.case_id for row in rows})
    promises: Any = grouped(found, lambda promise: promise.case_id)
    top = tops(view, rows)
    of_cases = list(families(view, rows))
    lines = [
        _line(
            each,
            roots[each.case.customer_id],
            promises.get(each.case.case_id, []),
            view.as_of,
            merged=top[each.case.case_id] is not each.case,
        )
        for each in of_cases
    ]
    once = [line for line in lines if line.status != "merged"]
    responses = [line.first_response_s for line in once if line.first_response_s is not None]
    summary = {
        "cases": len(once),
        **counted((line.status for line in lines), STATUSES),
        "reopened": sum(line.reopens > 0 for line in once),
        "first_response_median_s": percentile(responses, 50),
        "first_response_p90_s": percentile(responses, 90),
        "waiting": sum(
            waits(each) is not None for each in of_cases if top[each.case.case_id] is each.case
        ),
    }
    return Answer(lines, summary)


CASES_REPORT = Report(
    "cases",
    "Every case and how it stands.",
    CaseLine,
    _answer,
    needs=(CASES, PROMISES),
    shown="case_id customer_id status agent opened_at messages replies agents "
    "promises_broken issues_open waiting_since",
    example="cases --team north --sort -opened_at --limit 20",
)
