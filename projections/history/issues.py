"""When which issues of a case were open.

An issue is settled when the customer accepts its resolution, a remedy is given, a finding says that
it was unfounded, or the case is closed. It is open again when the customer rejects the resolution
or the case is reopened. An event that names no issues holds for all that have been raised. A
superseded finding and a reversed remedy settle nothing.
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
"""Events that settle issues or open them again, except findings."""
UNFOUNDED = ("not_upheld", "out_of_scope")
CHANGING = (IssueRaised, FindingMade, RemedyReversed, *SETTLING)
"""Events that may change which issues are open."""

Covers = Callable[[Happened, str], bool]
"""Whether an event that names no issues holds for an issue.

It does if the issue's case and the event's case were merged at that moment.
"""


def turns(events: Sequence[Happened], covers: Covers | None) -> list[tuple[Moment, frozenset[str]]]:
    """The open issues after each event that may change them, with its moment, in order.

    Args:
        events: all events of the types in CHANGING, in the order of happening.
        covers: asked about each issue where an event names none. None means that such an event
            holds for every issue.
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
