"""Which issues of a case were open when.

An issue is settled by its acceptance, a remedy, a finding that it is not so, or the closing of
the case, and open again once that resolution is rejected or the case reopened. What names no
issues is for all that have been raised. A finding that was superseded, and a remedy that was taken
back, settle nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from casestore.events import (
    CaseClosed,
    CaseReopened,
    FindingMade,
    IssueRaised,
    RemedyGiven,
    RemedyReversed,
    ResolutionAccepted,
    ResolutionRejected,
)
from casestore.events.markers import IdKey
from projections.history.happened import Happened, Moment

SETTLING = (ResolutionAccepted, ResolutionRejected, RemedyGiven, CaseClosed, CaseReopened)
"""What settles issues or opens them again, findings aside."""
UNFOUNDED = ("not_upheld", "out_of_scope")
CHANGING = (IssueRaised, FindingMade, RemedyReversed, *SETTLING)
"""What may change which issues are open."""

Covers = Callable[[Happened, str], bool]
"""Whether what names no issues is for an issue: that of a case which was then one with its own."""


def turns(events: Sequence[Happened], covers: Covers | None) -> list[tuple[Moment, frozenset[str]]]:
    """The issues that are open from each moment on at which that may change, in order.

    Args:
        events: all that are of CHANGING, in the order in which they happened.
        covers: asked of each issue that an event does not name; None: it is for all of them.
    """
    found: list[tuple[Moment, frozenset[str]]] = []
    is_open: dict[str, bool] = {}
    undone: set[IdKey] = set()
    for place, happened in enumerate(events):
        event = happened.event
        if isinstance(event, FindingMade) and event.supersedes is not None:
            undone.add(("finding", event.supersedes))
            is_open = _folded(events[: place + 1], undone, covers)
        elif isinstance(event, RemedyReversed):
            undone.add(("remedy", event.remedy_id))
            is_open = _folded(events[: place + 1], undone, covers)
        else:
            _turn(is_open, happened, undone, covers)
        found.append((happened.moment, frozenset(i for i, yes in is_open.items() if yes)))
    return found


def _folded(
    events: Iterable[Happened], undone: set[IdKey], covers: Covers | None
) -> dict[str, bool]:
    is_open: dict[str, bool] = {}
    for happened in events:
        _turn(is_open, happened, undone, covers)
    return is_open


def _turn(
    is_open: dict[str, bool], happened: Happened, undone: set[IdKey], covers: Covers | None
) -> None:
    event = happened.event
    if isinstance(event, IssueRaised):
        is_open[event.issue_id] = True
        return
    again = False
    if isinstance(event, FindingMade):
        if event.outcome not in UNFOUNDED or ("finding", event.finding_id) in undone:
            return
    elif isinstance(event, RemedyGiven):
        if ("remedy", event.remedy_id) in undone:
            return
    elif isinstance(event, RemedyReversed):
        return
    else:
        again = isinstance(event, ResolutionRejected | CaseReopened)
    named: Iterable[str] | None = getattr(event, "issue_ids", None)
    if named is None:
        named = is_open if covers is None else [i for i in is_open if covers(happened, i)]
    for issue_id in named:
        if issue_id in is_open:
            is_open[issue_id] = again
