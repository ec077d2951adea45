"""One row for each thing that we told a customer was so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from casestore.events import StatementMade, StatementRetracted
from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row


class StatementRow(Row, frozen=True):
    """A statement."""

    statement_id: str
    case_id: str
    customer_id: str
    name: str
    """As "case_id/statement_id", of the case on whose stream it stands."""
    topic: str
    value: str
    stated_at: datetime
    stated_by: str
    team: str | None
    reply_id: str | None
    supersedes: str | None
    """The name of another statement."""
    retracted_at: datetime | None
    retract_reason: str | None
    event_id: str
    product: str | None
    region: str | None
    category: str | None
    position: int
    """Of several at one time, those that were recorded first come first."""


def rows(case: CaseHistory) -> Iterator[StatementRow]:
    """The case's statements, in order."""
    made = case.of(StatementMade)
    if not made:
        return
    retracted: dict[str, StatementRetracted] = {}
    for each in case.of(StatementRetracted):
        retracted.setdefault(each.event.statement_id, each.event)
    of_root = {each.event.statement_id for each in made if each.case_id == case.case_id}
    product, region, category = case.about
    for each in made:
        event: StatementMade = each.event
        taken_back = retracted.get(event.statement_id)
        yield StatementRow(
            statement_id=event.statement_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            name=_name(event.statement_id, case.case_id, of_root),
            topic=event.topic,
            value=event.value,
            stated_at=each.at,
            stated_by=event.actor.id,
            team=case.team_of(each),
            reply_id=event.reply_id,
            supersedes=event.supersedes and _name(event.supersedes, case.case_id, of_root),
            retracted_at=None if taken_back is None else taken_back.occurred_at,
            retract_reason=None if taken_back is None else taken_back.reason,
            event_id=each.event_id,
            product=product,
            region=region,
            category=category,
            position=each.moment.position,
        )


def _name(statement_id: str, case_id: str, of_root: Collection[str]) -> str:
    """A statement's name: one of another case is read as "case_id/statement_id" already."""
    if statement_id in of_root or "/" not in statement_id:
        return f"{case_id}/{statement_id}"
    return statement_id


STATEMENTS = Projection(
    name="statements",
    version=2,
    row=StatementRow,
    rows=rows,
    indexes=("customer_id", "topic"),
)
