"""From events to rows: every projection's rows of whatever streams are asked for.

The live tables, a rebuild and a report on another time differ only in which streams they ask for
and what they do with the rows. Nothing personal is read: events come as they are stored.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.journal.answering import brief
from casestore.journal.rows import PlainRow
from casestore.streams.history import History
from casestore.streams.kinds import fold_history
from casestore.streams.policies import Policies
from projections.history.case_history import NO_POLICIES, CaseHistory
from projections.projection import Projection, to_stored

CHUNK = 400
"""Streams to read in one query by their names: as many as any database takes as parameters."""

_stream_of = itemgetter(1)
_nul_in = re.compile(rb"(?<!\\)(\\\\)*\\u0000").search
"""Finds an escaped NUL in JSON; after a backslash that is itself escaped it is text like any."""


def _may_have_nul(rows: Sequence[Any]) -> bool:
    return b"\\u0000" in b"".join([row[4] for row in rows])


class Made:
    """The rows of some streams, for each projection by name."""

    def __init__(self, streams: Sequence[str], events: int) -> None:
        self.streams = streams
        """Those that were asked for by name."""
        self.events = events
        self.rows: defaultdict[str, list[list[Any]]] = defaultdict(list)
        self.parked: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        """The streams whose rows could not be made, each with the error."""

    def park(self, projection: str, stream: str, error: Exception) -> None:
        """Take note that a stream's rows could not be made."""
        told = f"{type(error).__name__}: {brief(error)}"[:500].replace("\0", "\N{SYMBOL FOR NULL}")
        self.parked[projection].append((stream, told))


class Maker:
    """Makes rows of the events of a store.

    Args:
        store: where the events are.
        projections: whose rows to make.
        until: only of what was on record by that position.
        as_of: only of what had happened by then.
    """

    def __init__(
        self,
        store: CaseStore,
        projections: Sequence[Projection],
        *,
        until: int,
        as_of: datetime | None = None,
    ) -> None:
        self._recorder = store._recorder
        self._codec = store._codec
        self.until, self._as_of = until, as_of
        self._of = {
            kind: [each for each in projections if each.of == kind] for kind in ("case", "customer")
        }
        looked_at = {what for each in projections for what in each.looks_at}
        self._with_customer = "customer" in looked_at
        self._with_policy = "policy" in looked_at

    def of_streams(self, names: Iterable[str]) -> Iterator[Made]:
        """The rows of some streams, some at a time."""
        wanted = sorted(names)
        for start in range(0, len(wanted), CHUNK):
            some = wanted[start : start + CHUNK]
            yield self._make(some, self._rows_of(some))

    def of_range(self, after: str, last: str) -> Made:
        """The rows of all streams after one name up to another, which is included."""
        return self._make((), self._recorder.rows_of_range(after, last, self.until))

    def _rows_of(self, names: Sequence[str]) -> list[PlainRow]:
        return self._recorder.rows_of_streams(names, self.until)

    def _make(self, names: Sequence[str], found: list[Any]) -> Made:
        made = Made(names, len(found))
        beside = self._beside(found)
        for stream, rows in groupby(found, key=_stream_of):
            kind = stream.partition(":")[0]
            projections = self._of.get(kind)
            if not projections:
                continue
            amiss: dict[str, Exception] = {}
            try:
                subject: Any = self._history(stream, rows)
                if not subject.effective:  # nothing had happened by then
                    continue
                if kind == "case":
                    subject, amiss = _reading(subject, beside)
            except Exception as error:
                for projection in projections:
                    made.park(projection.name, stream, error)
                continue
            for projection in projections:
                try:
                    stored = _stored(projection, stream, subject, amiss)
                except Exception as error:
                    made.park(projection.name, stream, error)
                else:
                    made.rows[projection.name] += stored
        return made

    def _history(self, stream: str, rows: Iterable[Any]) -> History:
        rows = list(rows)
        if "\0" in stream or (_may_have_nul(rows) and any(_nul_in(row[4]) for row in rows)):
            # No event may have one, but a store that was altered can.
            raise StoreDamaged("a text has a NUL, which no database takes")
        return History(stream, list(self._codec.recorded(rows)), as_of=self._as_of)

    def _beside(self, found: list[Any]) -> dict[str, Any]:
        """What the rows of cases may look at: their customers and the policies, by stream. One
        that cannot be read is the error."""
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
        """The policies adopted by then; what is wrong with their stream, if anything is."""
        history = self._read("policy", self._rows_of(["policy"]))
        return history if isinstance(history, Exception) else cast(Policies, fold_history(history))

    def _read(self, stream: str, rows: Iterable[Any]) -> History | Exception:
        try:
            return self._history(stream, rows)
        except Exception as error:  # whoever looks at it is parked with it
            return error


def _stored(
    projection: Projection, stream: str, subject: Any, amiss: dict[str, Exception]
) -> list[list[Any]]:
    for what, error in amiss.items():
        if what in projection.looks_at:
            raise error
    return to_stored(stream, projection.row, projection.rows(subject))


def _reading(case: History, beside: dict[str, Any]) -> tuple[CaseHistory, dict[str, Exception]]:
    """A case with what its rows may look at, and the errors of what of that cannot be read."""
    if not beside:
        return CaseHistory(case), {}
    seen = {
        "customer": beside.get(f"customer:{case.effective[0].customer_id}"),
        "policy": beside.get("policy"),
    }
    amiss = {what: each for what, each in seen.items() if isinstance(each, Exception)}
    sound = seen | dict.fromkeys(amiss)
    return CaseHistory(case, sound["customer"], sound["policy"] or NO_POLICIES), amiss
