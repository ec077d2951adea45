"""What was merged with what: walking over merges, of cases or of customers.

A case that is merged counts under the case that it leads to, its root; customers likewise. Merges
are read in the order in which they happened. A merge that would lead a case to itself is left out,
and so is one into what had not happened, or was not on record, by the time asked for.
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
    """All that can be reached from some nodes, these included.

    Args:
        start: the nodes to begin with.
        neighbours: gives those that are next to some nodes; it is asked of each node once.
    """
    reached = set(start)
    new = set(reached)
    while new:
        new = set(neighbours(new)) - reached
        reached |= new
    return reached


def linked(links: Iterable[tuple[str, str]]) -> Callable[[set[str]], set[str]]:
    """The neighbours by links that hold both ways, for `closure`."""
    next_to: dict[str, set[str]] = {}
    for one, other in links:
        next_to.setdefault(one, set()).add(other)
        next_to.setdefault(other, set()).add(one)
    return lambda nodes: set().union(*(next_to.get(node, ()) for node in nodes))


class Merge(NamedTuple):
    """Something was merged into another, or taken out of it again."""

    moment: Moment
    one: str
    other: str
    undone: bool


def merges_in(history: History) -> Iterable[Merge]:
    """The merges, and their undoing, of a case or a customer. Ids are without the kind."""
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
    """What a case or a customer is merged into, as far as it is read.

    Args:
        history: its own.
        other: gives that of another, as of the same time. It is asked of those that the merges
            lead to, one after the other.
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
    """What each of some cases (or customers) led to, at any time.

    Args:
        merges: all that concern them, in any order.
        there: those that are there by the time asked for; a merge into another is left out.
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
        """What something was merged into right before a moment; at present, if left out."""
        moments = self._moments.get(one)
        if moments is None:
            return None
        place = bisect_left(moments, before)
        return self._into[one][place - 1] if place else None

    def root(self, one: str, before: Moment = LAST) -> str:
        """What something led to right before a moment: itself, if it was not merged."""
        return self._line(one, before)[-1]

    def _line(self, one: str, before: Moment = LAST) -> list[str]:
        """Something, what it was merged into, and so on up to its root."""
        line = [one]
        while (into := self.into(line[-1], before)) is not None:
            line.append(into)
        return line

    def root_at(self, one: str, at: datetime) -> str:
        """What something led to at a time, with all that happened by then."""
        return self.root(one, Moment(at, LAST.position))

    @property
    def changes(self) -> bool:
        """Whether anything was ever merged."""
        return bool(self._moments)
