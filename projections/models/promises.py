"""One row for each promise: what it was, when it was due, and how it ended, if it has.

Whether a promise is broken depends on the time that is asked about: see `state`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import (
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
)
from casestore.streams.promise_state import PromiseState, promise_state
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened
from projections.history.kept import kept
from projections.projection import Projection, Row


class PromiseRow(Row, frozen=True):
    """A promise."""

    promise_id: str
    case_id: str
    customer_id: str
    kind: str
    made_at: datetime
    made_by: str
    team: str | None
    """The team of whoever made it; if that was not recorded, the team that had the case then."""
    first_due_at: datetime | None
    due_at: datetime | None
    """The time that it is judged by. A new time counts only if the customer agreed to it before
    the old one had passed."""
    kept_at: datetime | None
    """When it was first kept. If the reply that should keep it did not arrive, this is when a
    resend of it arrived."""
    withdrawn_at: datetime | None
    released_at: datetime | None
    pending_due_at: datetime | None
    """The same as `due_at`, as long as nothing has ended it: it was not kept, nor withdrawn, and
    the customer has not released us from it."""
    renegotiations: int
    """The number of new times, whether the customer agreed to them or not."""
    owner_at_due: str | None
    status_at_due: Literal["open", "closed"] | None
    product: str | None
    region: str | None
    category: str | None


def state(promise: PromiseRow, at: datetime) -> PromiseState:
    """The state of a promise at a time."""
    return promise_state(
        at,
        due_at=promise.due_at,
        kept_at=promise.kept_at,
        released_at=promise.released_at,
        withdrawn=promise.withdrawn_at is not None,
    )


@kept
def rows(case: CaseHistory) -> Iterator[PromiseRow]:
    """The case's promises, in the order in which they were made."""
    made = case.of(PromiseMade)
    course: dict[str, list[Happened]] = {}
    for each in case.of(PromiseKept, PromiseRenegotiated, PromiseReleased, PromiseWithdrawn):
        course.setdefault(each.event.promise_id, []).append(each)
    product, region, category = case.about
    for each in made:
        promise: PromiseMade = each.event
        due = promise.due_at
        kept: datetime | None = None
        withdrawn: datetime | None = None
        released: datetime | None = None
        renegotiations = 0
        for later in course.get(promise.promise_id, ()):
            match later.event:
                case PromiseRenegotiated() as moved:
                    renegotiations += 1
                    if moved.agreed_by_customer and (due is None or later.at <= due):
                        due = moved.due_at
                case PromiseReleased():
                    released = released or later.at
                case PromiseWithdrawn():
                    withdrawn = withdrawn or later.at
                case _:
                    at = kept_at(case, later)
                    kept = at if kept is None or (at is not None and at < kept) else kept
        then = None if due is None else case.standing_at(due, each.case_id)
        yield PromiseRow(
            promise_id=promise.promise_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            kind=promise.kind,
            made_at=each.at,
            made_by=promise.actor.id,
            team=case.team_of(each),
            first_due_at=promise.due_at,
            due_at=due,
            kept_at=kept,
            withdrawn_at=withdrawn,
            released_at=released,
            pending_due_at=None if kept or withdrawn or released else due,
            renegotiations=renegotiations,
            owner_at_due=then.agent if then else None,
            status_at_due=then.status if then else None,
            product=product,
            region=region,
            category=category,
        )


def kept_at(case: CaseHistory, keeping: Happened) -> datetime | None:
    """From when a PromiseKept holds; None if it was kept by a reply that did not arrive."""
    by = keeping.event.by
    if by is None or by.kind != "reply" or by.id not in case.failures:
        return keeping.at
    arrived = case.arrived(by.id)
    return None if arrived is None else max(keeping.at, arrived.at)


PROMISES = Projection(
    name="promises",
    version=3,
    row=PromiseRow,
    rows=rows,
    on=(PromiseMade,),
    indexes=("customer_id", "made_by", "team", "made_at", "due_at", "pending_due_at"),
)
