"""Merges of cases, and of customers: which case leads to which, and when.

A case that is merged counts under the case at the end of the chain of merges, its root. Customers
likewise. Merges are read in the order in which they happened. A merge that would close a circle is
left out. So is a merge into a case that was not opened, or not on record, by the time asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar

from casestore.events import CaseMerged, CaseUnmerged, CustomerMerged, CustomerUnmerged
from casestore.streams.history import LAST, History, Moment

N = TypeVar("N")


def closure(start: Iterable[N], neighbours: Callable[[set[N]], Iterable[N]]) -> set[N]:
    """All nodes that can be reached from some nodes (transitive closure), these included.

    Args:
        start: the nodes to begin with.
        neighbours: gives the neighbours of some nodes. It is asked once about each node.
    """
    reached = set(start)
    new = set(reached)
    while new:
        new = set(neighbours(new)) - reached
        reached |= new
    return reached


def linked(links: Iterable[tuple[str, str]]) -> Callable[[set[str]], set[str]]:
    """The neighbours along undirected links, as a function for `closure`."""
    next_to: dict[str, set[str]] = {}
    for one, other in links:
        next_to.setdefault(one, set()).add(other)
        next_to.setdefault(other, set()).add(one)
    return lambda nodes: set().union(*(next_to.get(node, ()) for node in nodes))


class Merge(NamedTuple):
    """A case (or customer) `one` was merged into `other`, or the merge was undone."""

    moment: Moment
    one: str
    other: str
    undone: bool


def merges_in(history: History) -> Iterable[Merge]:
    """The merges and unmerges in a case's (or customer's) stream. Ids are without the kind."""
    one = history.stream.partition(":")[2]
    for recorded in history:
        match recorded.event:
            case CaseMerged() | CustomerMerged() as merged:
                yield Merge(recorded.moment, one, merged.into, undone=False)
            case CaseUnmerged() | CustomerUnmerged() as unmerged:
                yield Merge(recorded.moment, one, unmerged.out_of, undone=True)
            case _:
                pass


def merged_into(history: History, other: Callable[[str], History]) -> str | None:
    """The id that a case (or customer) is merged into; None if it is not.

    Args:
        history: its own history.
        other: gives the history of another id, with the same `as_of` and `known_at`. It is called
            once for each id that the merges lead to.
    """
    one = history.stream.partition(":")[2]
    histories = {one: history}

    def next_to(names: set[str]) -> set[str]:
        for name in names - histories.keys():
            histories[name] = other(name)
        return {merge.other for name in names for merge in merges_in(histories[name])}

    closure([one], next_to)
    there = {name for name, history in histories.items() if history.effective}
    merges = [merge for history in histories.values() for merge in merges_in(history)]
    return Roots(merges, there).into(one)


class Roots:
    """The roots of some cases (or customers) at any time.

    Args:
        merges: all merges and unmerges of them, in any order.
        there: the ids that exist by the time asked for. A merge into any other id is left out.
    """

    def __init__(self, merges: Iterable[Merge], there: Container[str]) -> None:
        self._moments: dict[str, list[Moment]] = {}
        self._into: dict[str, list[str | None]] = {}
        for merge in sorted(merges):
            now = self.into(merge.one)
            if merge.undone:
                if now == merge.other:
                    self._turn(merge, None)
            elif merge.other in there and merge.one not in self._line(merge.other):
                self._turn(merge, merge.other)

    def _turn(self, merge: Merge, into: str | None) -> None:
        self._moments.setdefault(merge.one, []).append(merge.moment)
        self._into.setdefault(merge.one, []).append(into)

    def into(self, one: str, before: Moment = LAST) -> str | None:
        """The id that one was merged into right before a moment, or at present; None if none."""
        moments = self._moments.get(one)
        if moments is None:
            return None
        place = bisect_left(moments, before)
        return self._into[one][place - 1] if place else None

    def root(self, one: str, before: Moment = LAST) -> str:
        """The root of one right before a moment, or at present: itself, if it was not merged."""
        return self._line(one, before)[-1]

    def _line(self, one: str, before: Moment = LAST) -> list[str]:
        """The chain of merges: the id itself, the id it was merged into, and so on to its root."""
        line = [one]
        while (into := self.into(line[-1], before)) is not None:
            line.append(into)
        return line

    def root_at(self, one: str, at: datetime) -> str:
        """The root of one at a time, with all merges that happened by then."""
        return self.root(one, Moment(at, LAST.position))

    @property
    def changes(self) -> bool:
        """Whether anything was ever merged."""
        return bool(self._moments)
