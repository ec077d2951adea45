"""The rules, and the rows of the lapses that they find."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from projections.history.case_history import CaseHistory
from projections.history.happened import MOMENT, Happened
from projections.models.lapses import LapseRow
from projections.rules.facts import Facts
from projections.rules.rule import RULES, judged

# Importing a module declares its rules. `casestore lessons` lists them in this order.
# isort: off
from projections.rules import statements, grudging, contact, course, gestures  # noqa: F401
from projections.rules import judgement, preferences, promises, questions  # noqa: F401
from projections.rules import remedies, replies  # noqa: F401
# isort: on

__all__ = ["RULES", "LapseRow", "rows"]


_EVENT_ID = attrgetter("event_id")
_OUTSIDERS = ("customer", "system", "third_party")
"""Kinds of actors who do not belong to the house. The owner answers for what they did."""


def rows(case: CaseHistory) -> Iterator[LapseRow]:
    """A row for each finding of the rules on a case."""
    case_id, customer_id = case.case_id, case.customer_id
    product, region, category = case.about
    for rule, found in judged(Facts(case)):
        event = found.event
        actor = None if found.by_owner else event.event.actor
        if actor is not None and actor.kind in _OUTSIDERS:
            actor = None  # the owner at that time answers for it
        known = actor is not None and actor.team is not None
        owner = None if known else case.standing_at(found.at, event.case_id)
        yield LapseRow(
            rule=rule.name,
            subject=found.subject,
            case_id=case_id,
            customer_id=customer_id,
            outcome=found.outcome,
            at=found.at,
            due_at=found.due_at,
            agent=actor.id if actor else owner.agent if owner else None,
            team=(actor.team if actor else None) or (owner.team if owner else None),
            evidence=_in_order(event, found.evidence) if found.evidence else (event.event_id,),
            product=product,
            region=region,
            category=category,
        )


def _in_order(event: Happened, evidence: tuple[Happened, ...]) -> tuple[str, ...]:
    ordered = sorted((event, *evidence), key=MOMENT)
    return tuple(dict.fromkeys(map(_EVENT_ID, ordered)))
