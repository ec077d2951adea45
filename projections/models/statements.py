"""One row for each statement: something that we told a customer to be true."""

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
    """Its id as "case_id/statement_id", where case_id is the case whose stream it is in."""
    topic: str
    value: str
    stated_at: datetime
    stated_by: str
    team: str | None
    reply_id: str | None
    supersedes: str | None
    """The name of the statement that it replaces."""
    retracted_at: datetime | None
    retract_reason: str | None
    event_id: str
    product: str | None
    region: str | None
    category: str | None
    position: int
    """The event's position. Rows of one time are sorted by it."""


def rows(case: CaseHistory) -> Iterator[StatementRow]:
    """The case's statements, in order."""
    made = case.of(StatementMade)
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
    """A statement's name. The id of a member's statement already has the form of a name."""
    if statement_id in of_root or "/" not in statement_id:
        return f"{case_id}/{statement_id}"
    return statement_id


STATEMENTS = Projection(
    name="statements",
    version=2,
    row=StatementRow,
    rows=rows,
    on=(StatementMade,),
    indexes=("customer_id", "topic"),
)
