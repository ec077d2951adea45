"""Families of cases at present, read inside the write lock: what is merged with what, and what the
cases of a family tell together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from casestore.events import Event
from casestore.events.markers import as_named
from casestore.journal.recorder import Writing
from casestore.journal.rows import Row
from casestore.streams import kinds
from casestore.streams.case import Case, evolve
from casestore.streams.codec import Codec
from casestore.streams.history import History

Cases = Mapping[str, Case]
"""Cases by id."""


class Families:
    """The families of cases, as a commit will leave them.

    Args:
        writing: the transaction; it holds the lock, unless only `line` and `named` are asked.
        pending: rows that the same commit will write.
        merges: those of them that are CaseMerged.
        codec: of the store.
        case: gives the present state of a case.
    """

    def __init__(
        self,
        writing: Writing,
        pending: Sequence[Row],
        merges: Sequence[Row],
        *,
        codec: Codec,
        case: Callable[[str], Case],
    ) -> None:
        self._writing = writing
        self._pending = pending
        self._merges = merges
        self._codec = codec
        self._case = case
        self._on_record: dict[str, set[str]] = {}
        """The streams of a customer's cases that were ever merged."""

    def line(self, case: Case) -> list[Case]:
        """A case, what it is merged into, and so on up to the root."""
        line = [case]
        while (into := line[-1].merged_into) is not None:
            if any(case.case_id == into for case in line):
                break  # a circle, which no append makes: the store was altered
            line.append(self._case(into))
        return line

    def root(self, case: Case) -> str:
        """The id of the case that a case leads to: its own, if it is not merged."""
        return self.line(case)[-1].case_id

    def named(self, case: Case, names: Iterable[str]) -> Cases:
        """The cases of a case's family, without itself, that have one of some names."""
        there = {name for name in names if kinds.is_stream(f"case:{name}")}
        others = [self._case(name) for name in there - {case.case_id}]
        return {
            other.case_id: other
            for other in others
            if other.status is not None and self.root(other) == self.root(case)
        }

    def members(self, case: Case, named: Iterable[Case] = ()) -> Cases:
        """All cases of a case's family, itself among them.

        What is merged into them is looked for among the cases of their customers.

        Args:
            case: any of them.
            named: others that are known to be of the family.
        """
        root = self.root(case)
        found = {each.case_id: each for known in (case, *named) for each in self.line(known)}
        looked_at: set[str | None] = {None}
        while customers := {each.customer_id for each in found.values()} - looked_at:
            looked_at |= customers
            for stream in self._ever_merged(customers):
                line = self.line(self._case(stream.removeprefix("case:")))
                if line[-1].case_id == root:
                    found |= {each.case_id: each for each in line}
        return found

    def _ever_merged(self, customers: set[str | None]) -> set[str]:
        streams = {row.stream for row in self._merges if row.customer_id in customers}
        for customer_id in customers:
            assert customer_id is not None  # noqa: S101  (cases have a customer)
            if customer_id not in self._on_record:
                rows = self._writing.rows_of_customers("CaseMerged", [customer_id])
                self._on_record[customer_id] = {row.stream for row in rows}
            streams |= self._on_record[customer_id]
        return streams

    def as_one(self, case: Case, members: Cases) -> Case:
        """A case's family as one case, with the ids by which that case names what is in it."""
        whole = Case(case_id=case.case_id)
        for _, event in self.events(members, case.case_id):
            whole = evolve(whole, event)  # type: ignore[arg-type]  # of a case's stream
        return whole

    def events(self, members: Cases, reader: str) -> Iterator[tuple[Case, Event]]:
        """What happened in a family, with the case that tells it, in the order of recording.

        Args:
            members: all cases of it.
            reader: the id of the case whose ids are plain; those of others are "case_id/id".
        """

        def has(case_id: str, kind: str, name: str) -> bool:
            return case_id in members and name in members[case_id].ids.get(kind, ())

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
            yield case, as_named(recorded.event, case.case_id, reader, has)

    def _history(self, stream: str) -> History:
        pending = (row for row in self._pending if row.stream == stream)
        rows = [*self._writing.rows(stream, 0), *pending]
        return History(stream, list(self._codec.recorded(rows)))
