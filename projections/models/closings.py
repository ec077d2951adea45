"""One row for each closing and reopening of a case, with who closed it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import CaseClosed, CaseReopened
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened
from projections.projection import Projection, Row


class ClosingRow(Row, frozen=True):
    """A closing or a reopening."""

    case_id: str
    what: Literal["closed", "reopened"]
    at: datetime
    turns: bool
    """Whether this changes the case from open to closed, or from closed to open. The closing or
    reopening of a case that is merged into this one does not."""
    reason: str | None
    """The reason for a closing; None for a reopening."""
    agent: str | None
    """Who closed the case; for a reopening, who had closed it last. None if nobody had."""
    team: str | None
    """The team of that agent."""


def rows(case: CaseHistory) -> Iterator[ClosingRow]:
    """The closings and reopenings of a case and of the cases merged into it, in order."""
    last: dict[str, Happened] = {}
    closed: dict[str, Happened] = {}
    for happened in case.of(CaseClosed, CaseReopened):
        case_id, before = happened.case_id, last.get(happened.case_id)
        last[case_id] = happened
        closes = isinstance(happened.event, CaseClosed)
        if closes:
            closed[case_id] = happened
        closing = closed.get(case_id)
        yield ClosingRow(
            case_id=case.case_id,
            what="closed" if closes else "reopened",
            at=happened.at,
            turns=case_id == case.case_id
            and closes != (before is not None and isinstance(before.event, CaseClosed)),
            reason=happened.event.reason if closes else None,
            agent=None if closing is None else closing.event.actor.id,
            team=None if closing is None else case.team_of(closing),
        )


CLOSINGS = Projection(
    name="closings",
    version=1,
    row=ClosingRow,
    rows=rows,
    on=(CaseClosed, CaseReopened),
    indexes=("at",),
)
