"""One row for each case: its present state, and counts and times of what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from casestore.events import (
    CaseEscalated,
    CaseReopened,
    EscalationReturned,
    FindingMade,
    GestureGiven,
    InformationRequested,
    IssueRaised,
    MessageReceived,
    ReplySent,
)
from casestore.events.policy_document import span
from casestore.policy.working_time import after_working_time, due, working_time
from casestore.streams.history import History
from casestore.streams.policies import Policies
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened
from projections.history.waiting import waiting
from projections.projection import Projection, Row

RESOLVED = ("resolved", "final_response")
NOT_COMPLAINTS = ("not_a_complaint", "duplicate")
"""Reasons for a closing after which the case no longer counts as a complaint."""
_SECOND = timedelta(seconds=1)


class CaseRow(Row, frozen=True):
    """A case, together with the cases that are merged into it.

    A merged case has a row of its own, in which all counts are 0.
    """

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
    receipt: datetime | None
    """When it reached us: `received_at`, else `opened_at`. None if `received_at` is after the
    opening, which cannot be."""
    closed_at: datetime | None
    close_reason: str | None
    messages: int
    contacts: int
    """The customer's messages, without automated ones."""
    replies: int
    """Replies by people, not automated ones."""
    agents: tuple[str, ...]
    """The ids of the agents who replied, sorted."""
    handovers: int
    escalations: int
    reopens: int
    first_response_at: datetime | None
    """When the first human reply that arrived was sent, or its resend if that one arrived."""
    first_response_s: int | None
    first_response_working_s: int | None
    responder: str | None
    responder_team: str | None
    """The team of the responder, who gave the first response."""
    resolution_s: int | None
    """Seconds from the receipt to the closing, if it is a resolution or a final response."""
    resolution_working_s: int | None
    resolution_net_s: int | None
    """The same without the seconds in which we waited for the customer."""
    closer: str | None
    closer_team: str | None
    """The team of the closer, who closed the case; None while it is open."""
    opener: str | None
    opener_team: str | None
    """The team of the opener, who had the case when it was opened, or else got it first."""
    resolve_due_at: datetime | None
    waiting: tuple[datetime, ...]
    """For each of the customer's messages that still waits, the time since when; earliest first."""
    reply_due_at: datetime | None
    """When the earliest of them is to be answered, by the policy in force when it began to wait."""
    undelivered: int
    """The number of replies that did not arrive, whether they were sent again or not."""
    issues: int
    issues_open: int
    upheld: bool | None
    """Whether a finding that stands upholds an issue, wholly or partly; None without findings."""
    gestures: int
    """The number of gestures given, also those that were then declined or reversed."""
    executive_escalations: tuple[str, ...]
    """The ids of escalations to an executive that were not returned, the earliest first."""
    executive_since: tuple[datetime, ...]
    """When each of them was escalated, in the same order."""
    return_due_at: datetime | None
    """When the first of them is to be returned."""
    last_event_at: datetime
    events: int
    merged_into: str | None


def rows(case: CaseHistory) -> Iterator[CaseRow]:
    """The case's row, and one for each case that is merged into it."""
    standing, opened = case.standing, case.opened
    answers = case.answers
    humans = [each.event for each in case.of(ReplySent) if not each.event.automated]
    escalations, waits = list(_with_executives(case)), waiting(case)
    response = case.reply_at(answers[0][0]) if answers else None
    closing = case.closing
    resolved = closing is not None and closing.event.reason in RESOLVED
    response_s, response_working_s = _measured(case, response.at if response else None)
    resolution_s, resolution_working_s = _measured(
        case, closing.at if closing is not None and resolved else None
    )
    net = None
    if closing is not None and resolution_s is not None and case.receipt is not None:
        net = resolution_s - waited_for_customer(case, case.receipt, closing.at) // _SECOND
    opener, opener_team = case.first_owners
    yield CaseRow(
        case_id=case.case_id,
        customer_id=case.customer_id,
        status="closed" if closing else "open",
        channel=opened.event.channel,
        product=standing.product,
        region=standing.region,
        category=standing.category,
        agent=standing.agent,
        team=standing.team,
        opened_at=opened.at,
        received_at=case.received_at,
        receipt=case.receipt,
        closed_at=standing.closed_at,
        close_reason=standing.close_reason,
        messages=len(case.of(MessageReceived)),
        contacts=len(case.contacts),
        replies=len(humans),
        agents=tuple(sorted({each.actor.id for each in humans if each.actor.kind == "agent"})),
        handovers=case.handovers,
        escalations=len(case.of(CaseEscalated)),
        reopens=len(case.of(CaseReopened)),
        first_response_at=response.at if response else None,
        first_response_s=response_s,
        first_response_working_s=response_working_s,
        responder=response.event.actor.id if response else None,
        responder_team=case.team_of(response) if response else None,
        resolution_s=resolution_s,
        resolution_working_s=resolution_working_s,
        resolution_net_s=net,
        closer=closing.event.actor.id if closing else None,
        closer_team=case.team_of(closing) if closing else None,
        opener=opener,
        opener_team=opener_team,
        resolve_due_at=None if closing else resolve_due_at(case),
        waiting=waits,
        reply_due_at=due_by(case.policies, waits[0], "reply_within") if waits else None,
        undelivered=len(case.failures),
        issues=len(case.of(IssueRaised)),
        issues_open=len(case.issue_turns[-1][1]) if case.issue_turns else 0,
        upheld=_upheld(case),
        gestures=len(case.of(GestureGiven)),
        executive_escalations=tuple(escalation_id for escalation_id, _ in escalations),
        executive_since=tuple(at for _, at in escalations),
        return_due_at=min(
            (due_by(case.policies, at, "return_within") for _, at in escalations), default=None
        ),
        last_event_at=case.last_event_at,
        events=case.count,
        merged_into=None,
    )
    for member in case.members:
        yield _merged(case, member)


def _merged(case: CaseHistory, member: History) -> CaseRow:
    case_id = member.stream.removeprefix("case:")
    standing = case.standing_of(case_id)
    assert standing.channel is not None  # noqa: S101  (it was opened)
    assert standing.opened_at is not None  # noqa: S101
    return CaseRow(
        case_id=case_id,
        customer_id=case.customer_of(case_id),
        status="merged",
        channel=standing.channel,
        product=standing.product,
        region=standing.region,
        category=standing.category,
        agent=standing.agent,
        team=standing.team,
        opened_at=standing.opened_at,
        received_at=standing.received_at,
        receipt=None,
        closed_at=standing.closed_at,
        close_reason=standing.close_reason,
        messages=0,
        contacts=0,
        replies=0,
        agents=(),
        handovers=0,
        escalations=0,
        reopens=0,
        first_response_at=None,
        first_response_s=None,
        first_response_working_s=None,
        responder=None,
        responder_team=None,
        resolution_s=None,
        resolution_working_s=None,
        resolution_net_s=None,
        closer=None,
        closer_team=None,
        opener=None,
        opener_team=None,
        resolve_due_at=None,
        waiting=(),
        reply_due_at=None,
        undelivered=0,
        issues=0,
        issues_open=0,
        upheld=None,
        gestures=0,
        executive_escalations=(),
        executive_since=(),
        return_due_at=None,
        last_event_at=max(recorded.occurred_at for recorded in member),
        events=0,
        merged_into=case.merged_into(case_id),
    )


def _measured(case: CaseHistory, until: datetime | None) -> tuple[int | None, int | None]:
    """Seconds and working seconds from the receipt to a time.

    None if there is no such time, the receipt is not known, or the time is before the receipt.
    """
    receipt = case.receipt
    if until is None or receipt is None or until < receipt:
        return None, None
    calendar = case.policies.at(receipt).calendar
    return (until - receipt) // _SECOND, working_time(receipt, until, calendar) // _SECOND


def resolve_due_at(case: CaseHistory) -> datetime | None:
    """When a case has to be resolved, by the policy in force at its receipt.

    None if the receipt is not known.
    """
    if case.receipt is None:
        return None
    return due_by(case.policies, case.receipt, "resolve_within")


Within = Literal["reply_within", "resend_within", "return_within", "resolve_within"]


def due_by(policies: Policies, start: datetime, within: Within) -> datetime:
    """When something is due that began to wait at `start`, by the policy in force then."""
    policy = policies.at(start)
    return due(start, getattr(policy.conduct, within), policy.calendar)


def resolution_due(case: CaseHistory) -> datetime | None:
    """When a case has to be resolved, as the rule `too-slow` judges it.

    If the policy says so, the time in which we waited for the customer does not count. None if
    the receipt is not known, or if we still wait for the customer, so that no time is too late.
    """
    begin = case.receipt
    if begin is None:
        return None
    policy = case.policies.at(begin)
    end = due(begin, policy.conduct.resolve_within, policy.calendar)
    if policy.conduct.clock == "all":
        return end
    in_working_time = span(policy.conduct.resolve_within).business
    upto = begin
    for begun, until in sorted(waits_for_customer(case), key=lambda wait: wait[0]):
        since = max(begun, upto)
        if since >= end:
            break
        if until is None:
            return None
        if until > since:
            upto = until
            if in_working_time:
                end = after_working_time(
                    end, working_time(since, until, policy.calendar), policy.calendar
                )
            else:
                end += until - since
    return end


def waits_for_customer(case: CaseHistory) -> Iterator[tuple[datetime, datetime | None]]:
    """The times in which we waited for the customer, in the order of the requests.

    Each begins with a request for information that arrived, and ends with the customer's next
    contact; the end is None if there was none yet. They may overlap.
    """
    contacts = case.contacts
    for request in case.of(InformationRequested):
        event: InformationRequested = request.event
        begun = request.moment
        if event.reply_id in case.replies:
            arrived = case.arrived(event.reply_id)
            if arrived is None:
                continue
            begun = max(begun, arrived)
        after = (contact for contact in contacts if contact.moment > begun)
        contact = next(after, None)
        yield begun.at, None if contact is None else contact.at


def waited_for_customer(case: CaseHistory, begin: datetime, end: datetime) -> timedelta:
    """How long we waited for the customer between two times."""
    total, upto = timedelta(), begin
    for begun, ended in sorted(waits_for_customer(case), key=lambda wait: wait[0]):
        since, until = max(begun, upto), min(ended or end, end)
        if until > since:
            total, upto = total + (until - since), until
    return total


def _with_executives(case: CaseHistory) -> Iterator[tuple[str, datetime]]:
    returned = {each.event.escalation_id for each in case.of(EscalationReturned)}
    for each in case.of(CaseEscalated):
        if each.event.kind == "executive" and each.event.escalation_id not in returned:
            yield each.event.escalation_id, each.at


def _upheld(case: CaseHistory) -> bool | None:
    standing = standing_findings(case)
    if not standing:
        return None
    return any(each.event.outcome in UPHELD for each in standing)


def standing_findings(case: CaseHistory) -> list[Happened]:
    """The findings that no later one has superseded, in order."""
    findings = case.of(FindingMade)
    superseded = {each.event.supersedes for each in findings}
    return [each for each in findings if each.event.finding_id not in superseded]


UPHELD = ("upheld", "partly_upheld")


CASES = Projection(
    name="cases",
    version=4,
    row=CaseRow,
    rows=rows,
    looks_at=frozenset({"policy"}),
    indexes=(
        "customer_id",
        "agent",
        "team",
        "opened_at",
        "last_event_at",
        "merged_into",
        "resolve_due_at",
        "reply_due_at",
        "return_due_at",
    ),
)
