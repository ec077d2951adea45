"""One row for each finding that stands: the cause of a grievance, and its cost.

A finding stands if no later one has superseded it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from casestore.events import FindingMade, GestureGiven, RemedyGiven
from projections.history.case_history import CaseHistory
from projections.models.cases import standing_findings
from projections.projection import Projection, Row


class FindingRow(Row, frozen=True):
    """A finding."""

    finding_id: str
    case_id: str
    customer_id: str
    at: datetime
    outcome: str
    root_cause: str | None
    issues: tuple[str, ...]
    """The issues that it is on, in the order in which they were raised."""
    losses: tuple[str, ...]
    """The loss for each of these issues, like "25.00 EUR"; "" if none was recorded."""
    given: tuple[str, ...]
    """The event ids of the remedies and gestures for one of these issues."""
    agent: str
    team: str | None
    """The team of whoever made the finding."""
    product: str | None
    region: str | None
    category: str | None


def rows(case: CaseHistory) -> Iterator[FindingRow]:
    """The findings that stand, in order."""
    given = [(each.event_id, case.matters(each)) for each in case.of(RemedyGiven, GestureGiven)]
    product, region, category = case.about
    for found in standing_findings(case):
        event: FindingMade = found.event
        issues = case.matters(found)
        on = tuple(issue_id for issue_id in case.issues if issue_id in issues)
        losses = (case.issues[issue_id].event.loss for issue_id in on)
        yield FindingRow(
            finding_id=event.finding_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            at=found.at,
            outcome=event.outcome,
            root_cause=event.root_cause,
            issues=on,
            losses=tuple(f"{loss.amount:f} {loss.currency}" if loss else "" for loss in losses),
            given=tuple(event_id for event_id, of in given if not issues.isdisjoint(of)),
            agent=event.actor.id,
            team=case.team_of(found),
            product=product,
            region=region,
            category=category,
        )


FINDINGS = Projection(
    name="findings",
    version=1,
    row=FindingRow,
    rows=rows,
    on=(FindingMade,),
    indexes=("customer_id", "agent", "team", "at"),
)
