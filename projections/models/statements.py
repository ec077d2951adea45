"""One row for each thing that we told a customer was so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from casestore.events import StatementMade, StatementRetracted
from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row


class StatementRow(Row, frozen=True):
    """A statement."""

    statement_id: str
    case_id: str
    customer_id: str
    topic: str
    value: str
    stated_at: datetime
    stated_by: str
    team: str | None
    reply_id: str | None
    supersedes: str | None
    """As "case_id/statement_id"."""
    retracted_at: datetime | None
    retract_reason: str | None
    event_id: str


def rows(case: CaseHistory) -> Iterator[StatementRow]:
    """The case's statements, in order."""
    retracted: dict[str, StatementRetracted] = {}
    for each in case.of(StatementRetracted):
        retracted.setdefault(each.event.statement_id, each.event)
    known = {each.event.statement_id for each in case.of(StatementMade)}
    for each in case.of(StatementMade):
        event: StatementMade = each.event
        taken_back = retracted.get(event.statement_id)
        earlier = event.supersedes
        if earlier is not None and (earlier in known or "/" not in earlier):
            earlier = f"{case.case_id}/{earlier}"
        yield StatementRow(
            statement_id=event.statement_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            topic=event.topic,
            value=event.value,
            stated_at=each.at,
            stated_by=event.actor.id,
            team=case.team_of(each),
            reply_id=event.reply_id,
            supersedes=earlier,
            retracted_at=None if taken_back is None else taken_back.occurred_at,
            retract_reason=None if taken_back is None else taken_back.reason,
            event_id=each.event_id,
        )


STATEMENTS = Projection(
    name="statements",
    version=1,
    row=StatementRow,
    rows=rows,
    indexes=("customer_id", "topic"),
)
