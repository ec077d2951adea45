"""Makes the rows of every projection from the events of given streams.

The live tables, a rebuild and a report as of another time all make their rows here. They differ
only in which streams they ask for and what they do with the rows. Personal text is not read: it
stays sealed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.events import CaseMerged
from casestore.journal.answering import brief
from casestore.journal.rows import PlainRow
from casestore.streams.history import History
from casestore.streams.kinds import fold_history
from casestore.streams.policies import Policies
from projections.engine.links import links_of
from projections.history.case_history import NO_POLICIES, CaseHistory
from projections.history.customer_history import customer_histories
from projections.history.family import Family, families
from projections.projection import Projection, to_stored

CHUNK = 400
"""How many streams one query asks for by name: every database takes so many parameters."""

_stream_of = itemgetter(1)
_nul_in = re.compile(rb"(?<!\\)(\\\\)*\\u0000").search
"""Finds an escaped NUL in JSON. Where the backslash is itself escaped, it is ordinary text."""


def _may_have_nul(rows: Sequence[Any]) -> bool:
    return b"\\u0000" in b"".join([row[4] for row in rows])


class Made:
    """The rows of some streams, by the projection's name."""

    def __init__(self, streams: Sequence[str], events: int) -> None:
        self.streams = streams
        """The streams that were asked for by name."""
        self.events = events
        self.rows: defaultdict[str, list[list[Any]]] = defaultdict(list)
        self.parked: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        """By projection: the streams whose rows could not be made, each with the error."""

    def park(self, projection: str, stream: str, error: Exception) -> None:
        """Note that a stream's rows could not be made."""
        told = f"{type(error).__name__}: {brief(error)}"[:500].replace("\0", "\N{SYMBOL FOR NULL}")
        self.parked[projection].append((stream, told))


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
        self._codec = store._codec
        self.until, self._as_of = until, as_of
        self._links = links_of(store)
        self._of = {
            kind: [each for each in projections if each.of == kind] for kind in ("case", "customer")
        }
        looked_at = {what for each in projections for what in each.looks_at}
        self._with_customer = "customer" in looked_at
        self._with_policy = "policy" in looked_at

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
        return self._make(names, self._rows_of(names), together)

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
        for name in dict.fromkeys(map(_stream_of, rows)):
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
            rows += self._rows_of(more)
        return self._make((), rows, together)

    def _rows_of(self, names: Sequence[str]) -> list[PlainRow]:
        return self._recorder.rows_of_streams(names, self.until)

    def _make(
        self, names: Sequence[str], rows: list[PlainRow], together: Sequence[Sequence[str]]
    ) -> Made:
        """Make rows.

        Args:
            names: the streams that were asked for by name.
            rows: the events as stored; those of one stream stand together.
            together: lists of streams that were ever merged with one another.
        """
        made = Made(names, len(rows))
        beside = self._beside(rows)
        by_stream = {stream: list(each) for stream, each in groupby(rows, key=_stream_of)}
        merged = [related for related in together if len(related) > 1]
        in_some = {name for related in merged for name in related}
        for stream, of_stream in by_stream.items():
            if stream not in in_some:
                self._make_some(made, {stream: of_stream}, beside)
        for related in merged:
            self._make_some(made, {n: by_stream[n] for n in related if n in by_stream}, beside)
        return made

    def _make_some(
        self, made: Made, streams: Mapping[str, list[PlainRow]], beside: dict[str, Any]
    ) -> None:
        """Make the rows of one stream, or of streams that were ever merged with one another."""
        projections = self._of.get(next(iter(streams), "").partition(":")[0])
        if not projections:
            return
        read = {stream: self._read(stream, rows) for stream, rows in streams.items()}
        unread = {stream: each for stream, each in read.items() if isinstance(each, Exception)}
        try:
            histories = cast(Iterable[History], () if unread else read.values())
            subjects = list(_subjects([each for each in histories if each.effective], beside))
        except Exception as error:
            unread = dict.fromkeys(streams, error)
        if unread:
            for stream in streams:
                why = unread.get(stream) or _unread(*next(iter(unread.items())))
                for projection in projections:
                    made.park(projection.name, stream, why)
            return
        for stream, subject, amiss in subjects:
            for projection in projections:
                try:
                    stored = _stored(projection, stream, subject, amiss)
                except Exception as error:
                    made.park(projection.name, stream, error)
                else:
                    made.rows[projection.name] += stored

    def _history(self, stream: str, rows: Iterable[Any]) -> History:
        rows = list(rows)
        if "\0" in stream or (_may_have_nul(rows) and any(_nul_in(row[4]) for row in rows)):
            # An append refuses a NUL, but somebody may have altered the store.
            raise StoreDamaged("a text has a NUL, which no database takes")
        return History(stream, list(self._codec.recorded(rows)), as_of=self._as_of)

    def _beside(self, found: list[Any]) -> dict[str, Any]:
        """What the rows of cases may depend on: customers and policies, by stream.

        In the place of one that cannot be read stands the error.
        """
        beside: dict[str, Any] = {}
        if self._with_policy:
            beside["policy"] = self.policies
        if self._with_customer:
            customers = {row[6] for row in found if row[1].startswith("case:")}
            names = sorted(f"customer:{each}" for each in customers)
            for start in range(0, len(names), CHUNK):
                rows = self._rows_of(names[start : start + CHUNK])
                for stream, each in groupby(rows, key=_stream_of):
                    beside[stream] = self._read(stream, each)
        return beside

    @cached_property
    def policies(self) -> Policies | Exception:
        """The adopted policies, or the error if their stream cannot be read."""
        history = self._read("policy", self._rows_of(["policy"]))
        return history if isinstance(history, Exception) else cast(Policies, fold_history(history))

    def _read(self, stream: str, rows: Iterable[Any]) -> History | Exception:
        try:
            return self._history(stream, rows)
        except Exception as error:  # streams whose rows depend on it are parked with this error
            return error


def _stored(
    projection: Projection, stream: str, subject: Any, amiss: dict[str, Exception]
) -> list[list[Any]]:
    for what, error in amiss.items():
        if what in projection.looks_at:
            raise error
    rows = list(projection.rows(subject))
    stored = to_stored(stream, projection.row, rows)
    if isinstance(subject, CaseHistory) and subject.members:
        for values, row in zip(stored, rows, strict=True):
            # The row of a merged case is stored under the stream of that case.
            values[0] = f"case:{getattr(row, 'case_id', subject.case_id)}"
    return stored


_Subject = tuple[str, Any, dict[str, Exception]]
"""A stream, the history that its rows are made from, and the errors by what could not be read
("customer", "policy")."""


def _subjects(histories: Sequence[History], beside: dict[str, Any]) -> Iterator[_Subject]:
    if not histories:
        return
    if histories[0].stream.startswith("customer:"):
        for customer in customer_histories(histories):
            yield customer.history.stream, customer, {}
    elif len(histories) == 1 and not _was_merged(histories[0]):
        yield _case(histories[0], histories[0], beside)
    else:
        for family in families(histories):
            yield _case(family.root, family, beside)


def _unread(stream: str, error: Exception) -> StoreDamaged:
    """The error of a stream that was ever merged with one that cannot be read."""
    return StoreDamaged(f"{stream}, which was merged with it, cannot be read: {brief(error)}")


def _was_merged(history: History) -> bool:
    return any(isinstance(recorded.event, CaseMerged) for recorded in history.originals)


def _case(root: History, case: History | Family, beside: dict[str, Any]) -> _Subject:
    """A case with its customer and the policies, and the errors of those that cannot be read."""
    amiss: dict[str, Exception] = {}
    if not beside:
        return root.stream, CaseHistory(case), amiss
    looked_at = {
        "customer": beside.get(f"customer:{root.effective[0].customer_id}"),
        "policy": beside.get("policy"),
    }
    amiss = {what: each for what, each in looked_at.items() if isinstance(each, Exception)}
    sound = looked_at | dict.fromkeys(amiss)
    history = CaseHistory(case, sound["customer"], sound["policy"] or NO_POLICIES)
    return root.stream, history, amiss
