"""The one function that makes rows: those of every projection, from the events of whole streams.

The live tables, a rebuild, a report as of another time and the fold of an archive all make their
rows here; they differ only in where the events are read. It reads nothing itself: what else rows
depend on is given beside the events. Personal text is not read: it stays sealed.

Whoever brings the events may be an engine that sorts, divides and sends them itself. So nothing
is taken on trust: the streams must come in the order of their names, each with its versions 1, 2,
3 and so on. Where they do not, this raises; no row is made of a part of a history.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, cast

from casestore.errors import StoreDamaged
from casestore.events import CaseMerged
from casestore.journal.answering import brief
from casestore.journal.rows import PlainRow
from casestore.streams.codec import Codec
from casestore.streams.history import History
from casestore.streams.kinds import fold_history
from casestore.streams.policies import Policies
from projections.history.case_history import NO_POLICIES, CaseHistory
from projections.history.customer_history import customer_histories
from projections.history.family import Family, families
from projections.projection import Projection, to_stored

stream_of = itemgetter(1)
"""The name of the stream that a row is in."""
_version_of = itemgetter(2)
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


class How(NamedTuple):
    """How rows are made."""

    projections: Sequence[Projection]
    as_of: datetime | None = None
    """Leave out what happened after this time."""
    codec: Codec = Codec()
    park_gaps: bool = False
    """Park a stream that lacks a version, alone, as any other that cannot be read. For a store,
    whose database has put the rows in order: there somebody took an event away."""

    def looks_at(self, what: str) -> bool:
        """Whether the rows of cases depend on "customer" or "policy"."""
        return any(what in each.looks_at for each in self.projections)


class Beside(NamedTuple):
    """What the rows of a partition depend on beside its events."""

    customers: Mapping[str, Sequence[PlainRow]] = {}
    """By stream: the events of the customers of its cases (see `customers_of`)."""
    policies: Policies | Exception = NO_POLICIES
    together: Sequence[Sequence[str]] = ()
    """Lists of its streams that were ever merged with one another: their rows are made together."""


NOTHING = Beside()


def fold(
    rows: Iterable[PlainRow],
    how: How,
    beside: Beside = NOTHING,
    *,
    after: str = "",
    asked: Sequence[str] = (),
) -> Made:
    """Make the rows of all projections for a partition of whole streams.

    A stream whose rows cannot be made is parked with its error, and so are those that were ever
    merged with it.

    Args:
        rows: the events, ordered by stream and version.
        how: the projections, and the time that is asked about.
        beside: what the rows depend on beside the events.
        after: the name that all streams come after: the last of the partition before, if the
            caller divides one into several.
        asked: the streams that were asked for by name. It is only passed on.

    Raises:
        StoreDamaged: the streams are not in order, or the versions of one are not 1, 2, 3 and so
            on. With `how.park_gaps`, the latter is parked.
    """
    streams = _by_stream(rows, after)
    made = Made(asked, sum(map(len, streams.values())))
    unread = {stream: gap for stream, each in streams.items() if (gap := _gap(stream, each))}
    if unread and not how.park_gaps:
        raise next(iter(unread.values()))
    one = _Fold(made, how, _read_beside(how, beside), unread)
    merged = [related for related in beside.together if len(related) > 1]
    in_some = {name for related in merged for name in related}
    for stream, of_stream in streams.items():
        if stream not in in_some:
            one.make({stream: of_stream})
    for related in merged:
        one.make({name: streams[name] for name in related if name in streams})
    return made


def customers_of(rows: Iterable[PlainRow]) -> list[str]:
    """The streams of the customers of the cases in some rows, in order."""
    found = {row[6] for row in rows if row[1].startswith("case:")}
    return sorted(f"customer:{each}" for each in found)


def read_policies(rows: Iterable[PlainRow], how: How) -> Policies | Exception:
    """The policies adopted, or the error if their stream cannot be read.

    Raises StoreDamaged where the versions are not 1, 2, 3 and so on, unless `how` parks that.
    """
    history = _read_whole("policy", list(rows), how)
    return history if isinstance(history, Exception) else cast(Policies, fold_history(history))


def _by_stream(rows: Iterable[PlainRow], before: str) -> dict[str, list[PlainRow]]:
    found: dict[str, list[PlainRow]] = {}
    for stream, each in groupby(rows, key=stream_of):
        if stream <= before:
            raise StoreDamaged(
                f"the streams of a partition are not in order: {stream} comes after {before}; no "
                "row was made of it"
            )
        found[stream] = list(each)
        before = stream
    return found


def _gap(stream: str, rows: Sequence[PlainRow]) -> StoreDamaged | None:
    """What is wrong with the versions of a stream; None if they are 1, 2, 3 and so on."""
    versions = list(map(_version_of, rows))
    if versions == list(range(1, len(versions) + 1)):
        return None
    n = next(n for n, version in enumerate(versions, 1) if version != n)
    return StoreDamaged(
        f"{stream} has version {versions[n - 1]!r} in the place of version {n}: an event is "
        "missing, stands there twice or is out of order; `casestore doctor` looks at the store"
    )


def _read_beside(how: How, beside: Beside) -> dict[str, Any]:
    """Customers and policies, by stream. In the place of one that cannot be read is the error."""
    read: dict[str, Any] = {}
    if how.looks_at("policy"):
        read["policy"] = beside.policies
    if how.looks_at("customer"):
        for stream, rows in beside.customers.items():
            read[stream] = _read_whole(stream, rows, how)
    return read


def _read_whole(stream: str, rows: Sequence[PlainRow], how: How) -> History | Exception:
    gap = _gap(stream, rows)
    if gap is not None and not how.park_gaps:
        raise gap
    return gap or _read(stream, rows, how)


def _read(stream: str, rows: Iterable[PlainRow], how: How) -> History | Exception:
    try:
        return history_of(stream, rows, how)
    except Exception as error:  # streams whose rows depend on it are parked with this error
        return error


def history_of(stream: str, rows: Iterable[PlainRow], how: How) -> History:
    """The history of a stream. Raises StoreDamaged."""
    rows = list(rows)
    if "\0" in stream or (_may_have_nul(rows) and any(_nul_in(row[4]) for row in rows)):
        # An append refuses a NUL, but somebody may have altered the store.
        raise StoreDamaged("a text has a NUL, which no database takes")
    return History(stream, list(how.codec.recorded(rows)), as_of=how.as_of)


class _Fold:
    """Makes rows, stream by stream, or family by family."""

    def __init__(
        self, made: Made, how: How, beside: dict[str, Any], unread: Mapping[str, Exception]
    ) -> None:
        self._made, self._how, self._beside, self._gaps = made, how, beside, unread
        kinds = ("case", "customer")
        self._of = {kind: [e for e in how.projections if e.of == kind] for kind in kinds}

    def make(self, streams: Mapping[str, list[PlainRow]]) -> None:
        """Make the rows of one stream, or of streams that were ever merged with one another."""
        projections = self._of.get(next(iter(streams), "").partition(":")[0])
        if not projections:
            return
        made, beside = self._made, self._beside
        read = {
            stream: self._gaps.get(stream) or _read(stream, rows, self._how)
            for stream, rows in streams.items()
        }
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


def _stored(
    projection: Projection, stream: str, subject: Any, amiss: dict[str, Exception]
) -> list[list[Any]]:
    for what, error in amiss.items():
        if what in projection.looks_at:
            raise error
    if projection.on and subject.types.isdisjoint(projection.on):
        return []
    rows = list(projection.rows(subject))
    stored = to_stored(stream, projection.row, rows)
    if projection.of == "case" and subject.members:
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
