"""One row for each gesture (beyond what was owed) and each remedy (what was owed)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import (
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    MessageReceived,
    Money,
    RemedyGiven,
)
from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row


class GoodwillRow(Row, frozen=True):
    """A gesture or a remedy."""

    ledger: Literal["goodwill", "remedy"]
    id: str
    case_id: str
    customer_id: str
    given_at: datetime
    kind: str
    value: Money | None
    given_by: str
    role: str | None
    team: str | None
    """Of who gave it; where that was not recorded, the case's at that time."""
    approved_by: str | None
    reason: str | None
    asked_for: bool | None
    conditions: bool | None
    """Whether conditions were told with it."""
    receipt: datetime
    """When the complaint reached us: received, else opened."""
    contacts_before: int
    status: Literal["given", "declined", "reversed"]
    product: str | None
    region: str | None
    category: str | None
    event_id: str
    approver_role: str | None


def rows(case: CaseHistory) -> Iterator[GoodwillRow]:
    """What the customer was given in the case, in order."""
    given = case.of(GestureGiven, RemedyGiven)
    if not given:
        return
    status: dict[str, Literal["declined", "reversed"]] = {}
    for each in case.of(GestureDeclined, GestureReversed):
        reversed_ = isinstance(each.event, GestureReversed)
        status[each.event.gesture_id] = "reversed" if reversed_ else "declined"
    contacts = case.of(MessageReceived)
    product, region, category = case.about
    for each in given:
        event = each.event
        gesture = event if isinstance(event, GestureGiven) else None
        approved_by = gesture.approved_by if gesture else None
        yield GoodwillRow(
            ledger="goodwill" if gesture else "remedy",
            id=gesture.gesture_id if gesture else event.remedy_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
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
            status=status.get(gesture.gesture_id, "given") if gesture else "given",
            product=product,
            region=region,
            category=category,
            event_id=each.event_id,
            approver_role=approved_by.role if approved_by else None,
        )


GOODWILL = Projection(
    name="goodwill",
    version=1,
    row=GoodwillRow,
    rows=rows,
    indexes=("customer_id", "given_by", "team", "given_at"),
)
