"""Makes the rows of every projection from the events of given streams of a store.

It reads the events and what stands beside them; `projections.engine.fold` makes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from heapq import merge
from itertools import groupby

from casestore import CaseStore
from casestore.journal.rows import PlainRow
from casestore.streams.policies import Policies
from projections.engine.fold import (
    Beside,
    How,
    Made,
    customers_of,
    fold,
    read_policies,
    stream_of,
)
from projections.engine.links import links_of
from projections.history.case_history import NO_POLICIES
from projections.projection import Projection

CHUNK = 400
"""How many streams one query asks for by name: every database takes so many parameters."""


class Maker:
    """Makes rows from the events of a store.

    Args:
        store: where the events are.
        projections: the projections to make rows of.
        until: the last position to read; all events if left out.
        as_of: leave out what happened after this time.
    """

    def __init__(
        self,
        store: CaseStore,
        projections: Sequence[Projection],
        *,
        until: int,
        as_of: datetime | None = None,
    ) -> None:
        self.url = store.url
        self._store, self._recorder = store, store._recorder
        self.until = until
        self._links = links_of(store)
        self._how = How(projections, as_of, store._codec, park_gaps=True)

    def of_streams(self, names: Iterable[str]) -> Iterator[Made]:
        """The rows of some streams and of all that were ever merged with them, in chunks."""
        self._links.look(self._store, self.until)
        left = set(names)
        some: list[list[str]] = []
        for name in sorted(left):
            if name in left:
                some.append(self._links.related(name, self.until))
                left.difference_update(some[-1])
                if sum(map(len, some)) >= CHUNK:
                    yield self._made_of(some)
                    some = []
        if some:
            yield self._made_of(some)

    def _made_of(self, together: list[list[str]]) -> Made:
        names = [name for related in together for name in related]
        return self._make(self._rows_of(sorted(names)), together, asked=names)

    def of_range(self, after: str, last: str) -> Made:
        """The rows of all streams whose names come after `after`, up to and including `last`.

        The rows of streams that were ever merged with one another are made together, in the range
        that holds the first of them.
        """
        self._links.look(self._store, self.until)
        rows = self._recorder.rows_of_range(after, last, self.until)
        together: list[list[str]] = []
        elsewhere: set[str] = set()
        more: list[str] = []
        known: dict[str, list[str]] = {}  # a family is looked up once, however many are in it
        for name in dict.fromkeys(map(stream_of, rows)):
            related = known.get(name) or self._links.related(name, self.until)
            if len(related) > 1 and name not in known:
                known.update(dict.fromkeys(related, related))
            if related[0] != name:
                elsewhere.add(name)
            elif len(related) > 1:
                together.append(related)
                more += related[1:]
        if elsewhere:
            rows = [row for row in rows if row[1] not in elsewhere]
        if more:
            rows = list(merge(rows, self._rows_of(sorted(more)), key=stream_of))
        return self._make(rows, together)

    def _rows_of(self, names: Sequence[str]) -> list[PlainRow]:
        return self._recorder.rows_of_streams(names, self.until)

    def _make(
        self,
        rows: list[PlainRow],
        together: Sequence[Sequence[str]],
        *,
        asked: Sequence[str] = (),
    ) -> Made:
        policies = self.policies if self._how.looks_at("policy") else NO_POLICIES
        customers: dict[str, Sequence[PlainRow]] = {}
        if self._how.looks_at("customer"):
            names = customers_of(rows)
            for start in range(0, len(names), CHUNK):
                found = self._rows_of(names[start : start + CHUNK])
                customers |= {name: list(each) for name, each in groupby(found, key=stream_of)}
        return fold(rows, self._how, Beside(customers, policies, together), asked=asked)

    @cached_property
    def policies(self) -> Policies | Exception:
        """The adopted policies, or the error if their stream cannot be read."""
        return read_policies(self._rows_of(["policy"]), self._how)
