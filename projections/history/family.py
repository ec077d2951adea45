"""Families: cases that are merged are read as one history, that of the case that they lead to.

A member's ids are read as "case_id/id", so that they stay apart from those of the root. Nobody who
reads a family's history needs to know of merges.
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
    """A case with all that is merged into it.

    Attributes:
        root: the case that the others lead to.
        members: the others.
        related: all cases that were ever merged with these, by id, as they may have had one of
            these at some time.
        roots: what each of them led to, at any time.
    """

    root: History
    members: tuple[History, ...]
    related: Mapping[str, History]
    roots: Roots


def families(histories: Sequence[History]) -> Iterator[Family]:
    """The families of cases that were ever merged with one another, by root.

    Args:
        histories: of all of them that had been opened by the time asked for.
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
    """All that happened in a family, in order, with ids that are apart."""
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
    """The events of all, less those that refer to something of another member that had not
    happened; and what refers to these."""
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
