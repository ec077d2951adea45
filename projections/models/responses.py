"""One row for each customer message that waited: when it was answered, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from casestore.events import MessageReceived
from casestore.policy.working_time import due, working_time
from projections.history.case_history import CaseHistory
from projections.history.waiting import waited
from projections.projection import Projection, Row

_SECOND = timedelta(seconds=1)


class ResponseRow(Row, frozen=True):
    """A customer's message, and the human reply that arrived first after it."""

    message_id: str
    case_id: str
    customer_id: str
    channel: str
    at: datetime
    due_at: datetime
    """When an answer was due, by the policy in force when the message came."""
    answered_at: datetime | None
    answered_by: str | None
    """Who sent the reply that arrived; if it was a resend, who sent the resend."""
    seconds: int | None
    working_seconds: int | None
    agent: str | None
    team: str | None
    """The team of whoever answered; for an unanswered message, the team that has the case now."""
    product: str | None
    region: str | None
    category: str | None


def rows(case: CaseHistory) -> Iterator[ResponseRow]:
    """A row for each message that waited for an answer or still waits, in order."""
    standing = case.standing
    for message, reply in waited(case):
        at = message.at
        policy = case.policies.at(at)
        seconds = working = None
        if reply is not None:
            seconds = (reply.at - at) // _SECOND
            working = working_time(at, reply.at, policy.calendar) // _SECOND
        yield ResponseRow(
            message_id=message.event.message_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            channel=message.event.channel,
            at=at,
            due_at=due(at, policy.conduct.reply_within, policy.calendar),
            answered_at=reply.at if reply else None,
            answered_by=reply.event.actor.id if reply else None,
            seconds=seconds,
            working_seconds=working,
            agent=reply.event.actor.id if reply else standing.agent,
            team=case.team_of(reply) if reply else standing.team,
            product=standing.product,
            region=standing.region,
            category=standing.category,
        )


RESPONSES = Projection(
    name="responses",
    version=1,
    row=ResponseRow,
    rows=rows,
    on=(MessageReceived,),
    looks_at=frozenset({"policy"}),
    indexes=("customer_id", "agent", "team", "at"),
)
