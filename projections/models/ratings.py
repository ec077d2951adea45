"""One row for each rating that a customer gave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from casestore.events import SatisfactionRated
from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row


class RatingRow(Row, frozen=True):
    """A rating."""

    case_id: str
    customer_id: str
    at: datetime
    rating: int
    scale: int
    """The best that can be given; the worst is 1."""
    agent: str | None
    team: str | None
    """The team that had the case at that time, as `agent` is the agent who had it."""
    product: str | None
    region: str | None
    category: str | None


def rows(case: CaseHistory) -> Iterator[RatingRow]:
    """The case's ratings, in order."""
    for rated in case.of(SatisfactionRated):
        event: SatisfactionRated = rated.event
        owner = case.standing_at(rated.at, rated.case_id)
        product, region, category = case.about
        yield RatingRow(
            case_id=case.case_id,
            customer_id=case.customer_id,
            at=rated.at,
            rating=event.rating,
            scale=event.scale,
            agent=owner.agent,
            team=owner.team,
            product=product,
            region=region,
            category=category,
        )


RATINGS = Projection(
    name="ratings",
    version=1,
    row=RatingRow,
    rows=rows,
    on=(SatisfactionRated,),
    indexes=("customer_id", "at"),
)
