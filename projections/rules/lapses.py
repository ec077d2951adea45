"""The lessons of the stories as rules, and what they find: one row for each judged subject."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row
from projections.rules.facts import Facts
from projections.rules.rule import RULES, Outcome, judged

# Each module declares its rules; `casestore lessons` lists them in this order.
# isort: off
from projections.rules import statements, grudging, contact, course, gestures  # noqa: F401
from projections.rules import judgement, preferences, promises, questions  # noqa: F401
from projections.rules import remedies, replies  # noqa: F401
# isort: on

__all__ = ["LAPSES", "RULES", "LapseRow"]


class LapseRow(Row, frozen=True):
    """What a rule finds of one subject."""

    rule: str
    subject: str
    case_id: str
    customer_id: str
    outcome: Outcome
    at: datetime
    due_at: datetime | None
    """Where time alone decides: there is no finding before it has passed."""
    agent: str | None
    team: str | None
    evidence: tuple[str, ...]
    """Event ids."""
    product: str | None
    region: str | None
    category: str | None


def rows(case: CaseHistory) -> Iterator[LapseRow]:
    """What all rules find of a case."""
    product, region, category = case.about
    for rule, found in judged(Facts(case)):
        actor = None if found.event is None else found.event.event.actor
        if actor is not None and actor.kind in ("customer", "system", "third_party"):
            actor = None  # somebody of the house answers for it: who has the case
        where = case.case_id if found.event is None else found.event.case_id
        owner = None if actor is not None and actor.team else case.standing_at(found.at, where)
        evidence = [each.event_id for each in found.evidence]
        if found.event is not None:
            evidence.insert(0, found.event.event_id)
        yield LapseRow(
            rule=rule.name,
            subject=found.subject,
            case_id=case.case_id,
            customer_id=case.customer_id,
            outcome=found.outcome,
            at=found.at,
            due_at=found.due_at,
            agent=actor.id if actor else owner.agent if owner else None,
            team=(actor.team if actor else None) or (owner.team if owner else None),
            evidence=tuple(dict.fromkeys(evidence) if len(evidence) > 1 else evidence),
            product=product,
            region=region,
            category=category,
        )


LAPSES = Projection(
    name="lapses",
    version=3,
    row=LapseRow,
    rows=rows,
    looks_at=frozenset({"customer", "policy"}),
    indexes=("customer_id", "rule", "at"),
)
