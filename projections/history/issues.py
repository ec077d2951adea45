"""Which issues of a case were open when.

An issue is settled by its acceptance, a remedy, a finding that it is not so, or the closing of
the case, and open again once that resolution is rejected or the case reopened. What names no
issues is for all that have been raised. A finding that was superseded settles nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from casestore.events import (
    CaseClosed,
    CaseReopened,
    FindingMade,
    IssueRaised,
    RemedyGiven,
    ResolutionAccepted,
    ResolutionRejected,
)
from projections.history.happened import Happened, Moment

SETTLING = (ResolutionAccepted, ResolutionRejected, RemedyGiven, CaseClosed, CaseReopened)
"""What settles issues or opens them again, findings aside."""
UNFOUNDED = ("not_upheld", "out_of_scope")


CHANGING = (IssueRaised, FindingMade, *SETTLING)
"""What may change which issues are open."""


def turns(events: Sequence[Happened]) -> list[tuple[Moment, frozenset[str]]]:
    """The issues that are open from each moment on at which that may change, in order.

    Args:
        events: all that are of CHANGING, in the order in which they happened.
    """
    found: list[tuple[Moment, frozenset[str]]] = []
    is_open: dict[str, bool] = {}
    superseded: set[str] = set()
    for place, each in enumerate(events):
        if isinstance(each.event, FindingMade) and each.event.supersedes is not None:
            superseded.add(each.event.supersedes)
            is_open = _folded(events[: place + 1], superseded)
        else:
            _turn(is_open, each, superseded)
        found.append((each.moment, frozenset(i for i, yes in is_open.items() if yes)))
    return found


def _folded(events: Iterable[Happened], superseded: set[str]) -> dict[str, bool]:
    is_open: dict[str, bool] = {}
    for each in events:
        _turn(is_open, each, superseded)
    return is_open


def _turn(is_open: dict[str, bool], each: Happened, superseded: set[str]) -> None:
    event = each.event
    if isinstance(event, IssueRaised):
        is_open[event.issue_id] = True
        return
    if isinstance(event, FindingMade):
        if event.outcome not in UNFOUNDED or event.finding_id in superseded:
            return
        again = False
    else:
        again = isinstance(event, ResolutionRejected | CaseReopened)
    named: Sequence[str] | None = getattr(event, "issue_ids", None)
    for issue_id in is_open if named is None else named:
        if issue_id in is_open:
            is_open[issue_id] = again
