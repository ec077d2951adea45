"""Families: cases that are merged with each other at present, and the events of all of them.

Appends read them under the write lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from casestore.events import CaseMerged, Event
from casestore.events.markers import as_named, names_apart
from casestore.journal.recorder import Writing
from casestore.journal.rows import Row
from casestore.streams import kinds
from casestore.streams.case import Case, evolve
from casestore.streams.codec import Codec
from casestore.streams.history import History
from casestore.streams.merged import closure, linked

Cases = Mapping[str, Case]
"""Cases by id."""


def link_of(row: Row, codec: Codec) -> tuple[str, str]:
    """The ids in a row of CaseMerged: the merged case, and the case that it was merged into."""
    merged = cast(CaseMerged, codec.decode(row.topic, row.state))
    return row.stream.removeprefix("case:"), merged.into


class CaseLinks:
    """The merges of cases that this process remembers, also those that were undone since.

    Appends and read models keep their merges apart. An append reads them in its own transaction
    under the write lock, and fails if one cannot be read. `projections.engine.links` reads them
    without a lock, of customers too and up to a position, and goes on without a damaged one. What
    both share is the walk, `casestore.streams.merged.closure`.
    """

    def __init__(self) -> None:
        self._links: dict[str, set[str]] = {}
        self._until = 0

    def look(self, writing: Writing, codec: Codec) -> None:
        """Read the merges that were recorded since the last call. Needs the write lock."""
        merges, last = writing.merges_of_cases(self._until)
        if last < self._until:  # the database was replaced by an older copy
            self._links.clear()
            merges, last = writing.merges_of_cases(0)
        for row in merges:
            one, other = link_of(row, codec)
            self._links.setdefault(one, set()).add(other)
            self._links.setdefault(other, set()).add(one)
        self._until = last

    def next_to(self, cases: set[str]) -> set[str]:
        """The cases that were ever merged directly with one of some cases, by id."""
        return set().union(*(self._links.get(case_id, ()) for case_id in cases))


class Families:
    """The families of cases, with the events that a commit adds.

    Args:
        writing: the transaction. It must hold the lock, except for `line`, `root` and `named`.
        pending: the rows that the same commit will write.
        merges: the rows of CaseMerged among them.
        links: the merges of cases that this process remembers.
        codec: the store's codec.
        case: gives the present state of a case by its id.
    """

    def __init__(
        self,
        writing: Writing,
        pending: Sequence[Row],
        merges: Sequence[Row],
        *,
        links: CaseLinks,
        codec: Codec,
        case: Callable[[str], Case],
    ) -> None:
        self._writing = writing
        self._pending = pending
        self._merges = merges
        self._links = links
        self._looked = False
        self._codec = codec
        self._case = case

    def line(self, case: Case) -> list[Case]:
        """The chain of merges: the case, the case that it is merged into, and so on to the root."""
        line = [case]
        while (into := line[-1].merged_into) is not None:
            if any(case.case_id == into for case in line):
                break  # a circle; no append makes one: the store was altered
            line.append(self._case(into))
        return line

    def root(self, case: Case) -> str:
        """The id of the case at the end of the chain of merges: its own, if it is not merged."""
        return self.line(case)[-1].case_id

    def named(self, case: Case, names: Iterable[str]) -> Cases:
        """The other cases of a case's family whose ids are among some texts."""
        there = {name for name in names if kinds.is_stream(f"case:{name}")}
        others = [self._case(name) for name in there - {case.case_id}]
        return {
            other.case_id: other
            for other in others
            if other.status is not None and self.root(other) == self.root(case)
        }

    def members(self, case: Case) -> Cases:
        """All cases of a case's family, with the case itself. Needs the write lock."""
        if not self._looked:
            self._links.look(self._writing, self._codec)
            self._looked = True
        pending = linked(link_of(row, self._codec) for row in self._merges)

        def next_to(names: set[str]) -> set[str]:
            return self._links.next_to(names) | pending(names)

        ever = map(self._case, closure([case.case_id], next_to))
        root = self.root(case)
        return {each.case_id: each for each in ever if self.root(each) == root}

    def as_one(self, case: Case, members: Cases) -> Case:
        """A case's family as one case.

        Ids of the given case are plain; those of the others are "case_id/id".
        """
        whole = Case(case_id=case.case_id)
        for _, event in self.events(members, case.case_id):
            whole = evolve(whole, event)  # type: ignore[arg-type]  # of a case's stream
        return whole

    def events(self, members: Cases, reader: str) -> Iterator[tuple[Case, Event]]:
        """The events of a family, each with the case in which it is recorded.

        They come in the order of recording.

        Args:
            members: all cases of the family.
            reader: the id of the case whose ids stay plain; those of the others are "case_id/id".
        """

        def has(case_id: str, kind: str, name: str) -> bool:
            return case_id in members and name in members[case_id].ids.get(kind, ())

        names = names_apart(
            reader,
            {
                case_id: [(kind, name) for kind, ids in case.ids.items() for name in ids]
                for case_id, case in members.items()
            },
        )
        pending = {row.event_id: place for place, row in enumerate(self._pending)}
        found = [
            (
                recorded.uid in pending,
                pending.get(recorded.uid, recorded.position or 0),
                case,
                recorded,
            )
            for case in members.values()
            for recorded in self._history(f"case:{case.case_id}")
        ]
        for _, _, case, recorded in sorted(found, key=lambda each: each[:2]):
            yield case, as_named(recorded.event, case.case_id, reader, has, names)

    def _history(self, stream: str) -> History:
        pending = (row for row in self._pending if row.stream == stream)
        rows = [*self._writing.rows(stream, 0), *pending]
        return History(stream, list(self._codec.recorded(rows)))
