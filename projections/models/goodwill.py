"""One row for each gesture (beyond what was owed) and each remedy (what was owed)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import (
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    Money,
    RemedyGiven,
    RemedyReversed,
)
from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row

Ledger = Literal["goodwill", "remedy"]


class GoodwillRow(Row, frozen=True):
    """A gesture or a remedy."""

    ledger: Ledger
    id: str
    case_id: str
    customer_id: str
    """Who got it. A case that is merged into this one may be of another customer."""
    given_at: datetime
    kind: str
    value: Money | None
    given_by: str
    role: str | None
    team: str | None
    """The team of whoever gave it; if that was not recorded, the team that had the case then."""
    approved_by: str | None
    reason: str | None
    asked_for: bool | None
    conditions: bool | None
    """Whether the customer was told conditions with it."""
    receipt: datetime | None
    """When the complaint reached us; see CaseRow."""
    contacts_before: int
    status: Literal["given", "declined", "reversed"]
    product: str | None
    region: str | None
    category: str | None
    event_id: str
    approver_role: str | None
    position: int
    """The event's position. Rows of one time are sorted by it."""


def rows(case: CaseHistory) -> Iterator[GoodwillRow]:
    """What the customer was given in the case, in order."""
    given = case.of(GestureGiven, RemedyGiven)
    status = _status(case)
    contacts = case.contacts
    product, region, category = case.about
    for each in given:
        event = each.event
        gesture = event if isinstance(event, GestureGiven) else None
        approved_by = gesture.approved_by if gesture else None
        ledger: Ledger = "goodwill" if gesture else "remedy"
        given_id = gesture.gesture_id if gesture else event.remedy_id
        yield GoodwillRow(
            ledger=ledger,
            id=given_id,
            case_id=case.case_id,
            customer_id=case.customer_of(each.case_id),
            given_at=each.at,
            kind=event.kind,
            value=event.value,
            given_by=event.actor.id,
            role=event.actor.role,
            team=case.team_of(each),
            approved_by=approved_by.id if approved_by else None,
            reason=gesture.reason if gesture else None,
            asked_for=gesture.asked_for if gesture else None,
            conditions=gesture.conditions_told if gesture else None,
            receipt=case.receipt,
            contacts_before=sum(contact.moment < each.moment for contact in contacts),
            status=status.get((ledger, given_id), "given"),
            product=product,
            region=region,
            category=category,
            event_id=each.event_id,
            approver_role=approved_by.role if approved_by else None,
            position=each.moment.position,
        )


def _status(case: CaseHistory) -> dict[tuple[Ledger, str], Literal["declined", "reversed"]]:
    """The status of each gesture and remedy that was declined or reversed: the last one counts."""
    status: dict[tuple[Ledger, str], Literal["declined", "reversed"]] = {}
    for each in case.of(GestureDeclined, GestureReversed, RemedyReversed):
        match each.event:
            case GestureDeclined() as declined:
                status["goodwill", declined.gesture_id] = "declined"
            case GestureReversed() as taken_back:
                status["goodwill", taken_back.gesture_id] = "reversed"
            case _:
                status["remedy", each.event.remedy_id] = "reversed"
    return status


GOODWILL = Projection(
    name="goodwill",
    version=2,
    row=GoodwillRow,
    rows=rows,
    on=(GestureGiven, RemedyGiven),
    indexes=("customer_id", "given_by", "team", "given_at"),
)
