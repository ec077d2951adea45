"""The standing of a case: its customer, status, agent and team, product, category, and merge.

All readers use this one fold: `CaseStore.case`, the tables, the reports and the rules give it the
events in the order in which they happened. The checks of an append use the same fold in the order
of recording.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from casestore.events import (
    CaseAssigned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
)

StandingEvent = (
    CaseOpened
    | CaseAssigned
    | CaseReclassified
    | CaseClosed
    | CaseReopened
    | CaseMerged
    | CaseUnmerged
)
STANDING = (
    CaseOpened,
    CaseAssigned,
    CaseReclassified,
    CaseClosed,
    CaseReopened,
    CaseMerged,
    CaseUnmerged,
)
"""The events that change the standing of a case."""


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The standing of a case. `Standing()` is that of a case without events."""

    status: Literal["open", "closed"] | None = None
    customer_id: str | None = None
    channel: str | None = None
    product: str | None = None
    region: str | None = None
    category: str | None = None
    opened_at: datetime | None = None
    received_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason: str | None = None
    agent: str | None = None
    team: str | None = None
    merged_into: str | None = None


S = TypeVar("S", bound=Standing)


def stand(standing: S, event: StandingEvent) -> S:
    """The standing of a case after an event."""
    match event:
        case CaseOpened():
            # CaseOpened is recorded first, but events that happened before it may be recorded
            # later. Their values stay.
            return replace(
                standing,
                status=standing.status or "open",
                customer_id=event.customer_id,
                channel=event.channel,
                product=standing.product or event.product,
                region=standing.region or event.region,
                category=standing.category or event.category,
                opened_at=event.occurred_at,
                received_at=event.received_at,
            )
        case CaseAssigned():
            return _assigned(standing, event)
        case CaseReclassified():
            return replace(
                standing,
                product=event.product or standing.product,
                region=event.region or standing.region,
                category=event.category or standing.category,
            )
        case CaseClosed():
            return replace(
                standing, status="closed", closed_at=event.occurred_at, close_reason=event.reason
            )
        case CaseReopened():
            return replace(standing, status="open", closed_at=None, close_reason=None)
        case CaseMerged():
            return replace(standing, merged_into=event.into)
        case CaseUnmerged():
            # By occurred_at, an earlier unmerge may come after it: undo only its own merge.
            undone = standing.merged_into == event.out_of
            return replace(standing, merged_into=None) if undone else standing


def _assigned(standing: S, event: CaseAssigned) -> S:
    """The standing after an assignment.

    If it names only an agent, the team stays. If it names only another team, the case has no agent.
    """
    if event.team is None:
        return replace(standing, agent=event.agent)
    if event.agent is None and event.team == standing.team:
        return standing
    return replace(standing, agent=event.agent, team=event.team)
