"""One row for each case: its present state, and what happened how often and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import (
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseMerged,
    CaseReopened,
    CaseUnmerged,
    EscalationReturned,
    FindingMade,
    GestureGiven,
    IssueRaised,
    MessageReceived,
    ReplySent,
)
from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row


class CaseRow(Row, frozen=True):
    """A case, on its own: what is merged into it has its own row."""

    case_id: str
    customer_id: str
    status: Literal["open", "closed"]
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
    """Human ones."""
    agents: tuple[str, ...]
    """Those who replied."""
    handovers: int
    escalations: int
    reopens: int
    first_response_at: datetime | None
    """Of the first human reply that arrived, or whose resend did."""
    unanswered: tuple[datetime, ...]
    """The times of the customer's messages since the last human reply that arrived."""
    answered_at: datetime | None
    """Of that reply."""
    undelivered: int
    """Replies that did not arrive, whether sent again or not."""
    issues: int
    issues_open: int
    upheld: bool | None
    """Whether a finding that stands upholds an issue, or part of one; None without findings."""
    gestures: int
    """Given, whether or not they were declined or reversed then."""
    executive_escalation: str | None
    """The earliest escalation to an executive that was not returned."""
    executive_since: datetime | None
    last_event_at: datetime
    events: int
    merged_into: str | None


def rows(case: CaseHistory) -> Iterator[CaseRow]:
    """The case's row."""
    opened = case.opened
    product, region, category = case.about
    closing: CaseClosed | None = None
    for change in case.in_order(CaseClosed, CaseReopened):
        closing = change if isinstance(change, CaseClosed) else None
    owner: CaseAssigned | None = None
    handovers = 0
    for each in case.in_order(CaseAssigned):
        if owner is not None and (each.agent, each.team) != (owner.agent, owner.team):
            handovers += 1
        owner = each
    merged_into: str | None = None
    for change in case.in_order(CaseMerged, CaseUnmerged):
        merged_into = change.into if isinstance(change, CaseMerged) else None
    answers = case.answers
    answered = answers[-1][0] if answers else None
    messages = case.of(MessageReceived)
    humans = [each.event for each in case.of(ReplySent) if not each.event.automated]
    escalation = next(_with_executives(case), None)
    yield CaseRow(
        case_id=case.case_id,
        customer_id=opened.customer_id,
        status="open" if closing is None else "closed",
        channel=opened.channel,
        product=product,
        region=region,
        category=category,
        agent=None if owner is None else owner.agent,
        team=None if owner is None else owner.team,
        opened_at=opened.occurred_at,
        received_at=opened.received_at,
        closed_at=None if closing is None else closing.occurred_at,
        close_reason=None if closing is None else closing.reason,
        messages=len(messages),
        replies=len(humans),
        agents=tuple(sorted({each.actor.id for each in humans if each.actor.kind == "agent"})),
        handovers=handovers,
        escalations=len(case.of(CaseEscalated)),
        reopens=len(case.of(CaseReopened)),
        first_response_at=answers[0][0].at if answers else None,
        unanswered=tuple(m.at for m in messages if answered is None or m.moment > answered),
        answered_at=None if answered is None else answered.at,
        undelivered=len(case.failures),
        issues=len(case.of(IssueRaised)),
        issues_open=len(case.issue_turns[-1][1]) if case.issue_turns else 0,
        upheld=_upheld(case),
        gestures=len(case.of(GestureGiven)),
        executive_escalation=None if escalation is None else escalation[0],
        executive_since=None if escalation is None else escalation[1],
        last_event_at=case.last_event_at,
        events=len(case.history),
        merged_into=merged_into,
    )


def _with_executives(case: CaseHistory) -> Iterator[tuple[str, datetime]]:
    returned = {each.event.escalation_id for each in case.of(EscalationReturned)}
    for each in case.of(CaseEscalated):
        if each.event.kind == "executive" and each.event.escalation_id not in returned:
            yield each.event.escalation_id, each.at


def _upheld(case: CaseHistory) -> bool | None:
    findings: list[FindingMade] = [each.event for each in case.of(FindingMade)]
    superseded = {each.supersedes for each in findings}
    standing = [each for each in findings if each.finding_id not in superseded]
    if not standing:
        return None
    return any(each.outcome in _UPHELD for each in standing)


_UPHELD = ("upheld", "partly_upheld")


CASES = Projection(
    name="cases",
    version=1,
    row=CaseRow,
    rows=rows,
    indexes=(
        "customer_id",
        "agent",
        "team",
        "opened_at",
        "last_event_at",
        "merged_into",
    ),
)
