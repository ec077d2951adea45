"""One row for each closing that found its case open, and each reopening that found it closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import CaseClosed
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened
from projections.projection import Projection, Row


class ClosingRow(Row, frozen=True):
    """A closing or a reopening."""

    case_id: str
    of_root: bool
    """Whether it is of the case that the family leads to: only that one opens and closes it."""
    what: Literal["closed", "reopened"]
    at: datetime
    reason: str | None
    """Of a closing."""
    agent: str | None
    team: str | None
    """Of who closed it, also where it is reopened."""


def rows(case: CaseHistory) -> Iterator[ClosingRow]:
    """The turns of a case, in order, and those of what is merged into it from before it was."""
    closings: dict[str, Happened | None] = {}
    for turn in case.closings:
        closing = closings.get(turn.case_id)
        if (closing is None) != isinstance(turn.event, CaseClosed):
            continue
        closed_by = closing or turn
        closings[turn.case_id] = closing = turn if closing is None else None
        yield ClosingRow(
            case_id=case.case_id,
            of_root=turn.case_id == case.case_id,
            what="reopened" if closing is None else "closed",
            at=turn.at,
            reason=None if closing is None else turn.event.reason,
            agent=closed_by.event.actor.id,
            team=case.team_of(closed_by),
        )


CLOSINGS = Projection(name="closings", version=1, row=ClosingRow, rows=rows, indexes=("at",))
