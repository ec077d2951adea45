"""Families: merged cases are read as one history, that of their root.

The root is the case that all merges end at; the others are its members. An id of a member is read
as "case_id/id", so that it differs from the root's ids. Code that reads a family's history needs to
know nothing of merges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from casestore.events import Event
from casestore.events.markers import IdKey, as_named, brings, names_apart, needs, places
from casestore.streams.history import History, Recorded
from casestore.streams.merged import Roots, merges_in
from projections.history.happened import Happened


@dataclass(frozen=True)
class Family:
    """A case with all cases that are merged into it.

    Attributes:
        root: the case that the others are merged into, directly or by way of another one.
        members: the others.
        related: all cases that were ever merged with these, by id. One of them may have been the
            root of one of these at an earlier time.
        roots: the root of each related case, at any time.
    """

    root: History
    members: tuple[History, ...]
    related: Mapping[str, History]
    roots: Roots


def families(histories: Sequence[History]) -> Iterator[Family]:
    """Divide cases that were ever merged with one another into the families they form now.

    Args:
        histories: the events of each of these cases, without those that had not been opened by
            the time that is asked about.
    """
    related = {history.stream.partition(":")[2]: history for history in histories}
    merges = [merge for history in histories for merge in merges_in(history)]
    roots = Roots(merges, related)
    members: dict[str, list[History]] = {}
    for case_id, history in related.items():
        members.setdefault(roots.root(case_id), []).append(history)
    for root, of_root in members.items():
        others = tuple(each for each in of_root if each is not related[root])
        yield Family(related[root], others, related, roots)


def happenings(family: Family) -> list[Happened]:
    """All events of a family in the order of happening; a member's ids are "case_id/id"."""
    histories = {each.stream.partition(":")[2]: each for each in (family.root, *family.members)}
    own = {
        case_id: {key for recorded in history for key in brings(recorded.event)}
        for case_id, history in histories.items()
    }

    def has(case_id: str, kind: str, name: str) -> bool:
        return (kind, name) in own.get(case_id, ())

    root, *_ = histories
    found = []
    happened = _that_had_happened(histories, own)
    names = names_apart(root, own)
    for case_id, recorded in happened:
        event = as_named(recorded.event, case_id, root, has, names)
        moment = recorded.moment
        found.append(Happened(moment.at, moment, event, recorded.uid, case_id))
    found.sort(key=lambda happened: happened.moment)
    return found


def _that_had_happened(
    histories: Mapping[str, History], own: Mapping[str, set[IdKey]]
) -> list[tuple[str, Recorded]]:
    """The events of all cases, each with its case's id, that refer only to what had happened.

    An event may refer to something of another member that had not happened by the time that is
    asked about. It is left out, and so is every event that refers to it.
    """
    events = [(case_id, each) for case_id, history in histories.items() for each in history]
    not_yet = {case_id: set(history.not_yet) for case_id, history in histories.items()}
    if not any(not_yet.values()):
        return events
    while True:
        left = [
            (case_id, recorded)
            for case_id, recorded in events
            if not _is_early(recorded.event, case_id, not_yet)
        ]
        if len(left) == len(events):
            return events
        kept = {recorded.uid for _, recorded in left}
        for case_id, recorded in events:
            if recorded.uid not in kept:
                gone = set(brings(recorded.event))
                not_yet[case_id] |= gone
                own[case_id].difference_update(gone)
        events = left


def _is_early(event: Event, case_id: str, not_yet: Mapping[str, set[IdKey]]) -> bool:
    for kind, name in needs(event):
        if (kind, name) in not_yet[case_id]:
            return True
        for other, inner in places(name):
            if (kind, inner) in not_yet.get(other, ()):
                return True
    return False
