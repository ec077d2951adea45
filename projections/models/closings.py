"""One row for each closing and reopening of a case: who closed it, and whether that counts."""

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
    """Whether the case was open, and is closed by it, or the other way round. What is merged into
    a case neither closes nor opens it."""
    reason: str | None
    """Of a closing."""
    agent: str | None
    team: str | None
    """Of who closed it, also where it is reopened; None where nobody had closed it before."""


def rows(case: CaseHistory) -> Iterator[ClosingRow]:
    """The closings and reopenings of a case and of what is merged into it, in order."""
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


CLOSINGS = Projection(name="closings", version=1, row=ClosingRow, rows=rows, indexes=("at",))
