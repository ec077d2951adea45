"""From events to rows: every projection's rows of whatever streams are asked for.

The live tables, a rebuild and a report on another time differ only in which streams they ask for
and what they do with the rows. Nothing personal is read: events come as they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any

from casestore import CaseStore
from casestore.errors import StreamNotFound
from casestore.history import History
from casestore.opening import answering, brief
from casestore.policy import Policies
from casestore.streams import fold_history
from projections.projection import Projection, to_stored
from projections.reading import NO_POLICIES, Reading

CHUNK = 400
"""Streams to read in one query: as many names as any database takes as parameters."""

_stream_of = itemgetter(1)


@dataclass
class Made:
    """The rows of some streams, for each projection by name."""

    streams: dict[str, set[str]] = field(default_factory=dict)
    """Those whose rows these are, or would be."""
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    parked: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """The streams whose rows could not be made, each with the error."""
    events: int = 0

    def add(self, projection: str, stream: str, rows: list[tuple[Any, ...]]) -> None:
        """Take a stream's rows."""
        self.streams.setdefault(projection, set()).add(stream)
        self.rows.setdefault(projection, []).extend(rows)

    def park(self, projection: str, stream: str, error: Exception) -> None:
        """Take note that a stream's rows could not be made."""
        self.streams.setdefault(projection, set()).add(stream)
        told = f"{type(error).__name__}: {brief(error)}"[:500]
        self.parked.setdefault(projection, []).append((stream, told))


class Maker:
    """Makes rows of the events of a store.

    Args:
        store: where the events are.
        projections: whose rows to make.
        as_of: only what had happened by then.
        until: only what was on record by that position.
    """

    def __init__(
        self,
        store: CaseStore,
        projections: Sequence[Projection],
        *,
        as_of: datetime | None = None,
        until: int | None = None,
    ) -> None:
        self._store = store
        self._recorder = store.recorder
        self._codec = store.journal.codec
        self._as_of, self._until = as_of, until
        self._of = {
            kind: [each for each in projections if each.of == kind] for kind in ("case", "customer")
        }
        looked_at = {what for each in projections for what in each.looks_at}
        self._with_customer = "customer" in looked_at
        self._with_policy = "policy" in looked_at

    def of_streams(self, names: Iterable[str]) -> Made:
        """The rows of some streams."""
        made = Made()
        wanted = sorted(names)
        for start in range(0, len(wanted), CHUNK):
            self._make(made, self._rows_of(wanted[start : start + CHUNK]))
        return made

    def of_range(self, first: str, last: str) -> Made:
        """The rows of all streams from one name to another, both included."""
        made = Made()
        self._make(made, self._fetch("originator_id >= ? AND originator_id <= ?", (first, last)))
        return made

    def _rows_of(self, names: Sequence[str]) -> list[Any]:
        return self._fetch(f"originator_id IN ({', '.join('?' * len(names))})", names)

    def _fetch(self, where: str, params: Sequence[Any]) -> list[Any]:
        until = "" if self._until is None else f" AND position <= {self._until}"
        with answering("the store"):
            return self._recorder.fetch(
                f"SELECT {self._recorder.columns} FROM {self._recorder.table} "
                f"WHERE {where}{until} ORDER BY originator_id, originator_version",
                params,
            )

    def _make(self, made: Made, found: list[Any]) -> None:
        customers = self._customers(found)
        policies = self._policies if self._with_policy else NO_POLICIES
        made.events += len(found)
        for stream, rows in groupby(found, key=_stream_of):
            projections = self._of.get(stream.partition(":")[0], ())
            if not projections:
                continue
            try:
                history = self._history(stream, rows)
                if not history.effective:  # nothing had happened by then
                    continue
                subject: Any = history
                if stream.startswith("case:"):
                    customer_id = history.effective[0].customer_id
                    subject = Reading(history, customers.get(f"customer:{customer_id}"), policies)
            except Exception as error:
                for projection in projections:
                    made.park(projection.name, stream, error)
                continue
            for projection in projections:
                try:
                    made.add(
                        projection.name, stream, list(to_stored(stream, projection.rows(subject)))
                    )
                except Exception as error:
                    made.park(projection.name, stream, error)

    def _history(self, stream: str, rows: Iterable[Any]) -> History:
        return History(stream, list(self._codec.recorded(rows)), as_of=self._as_of)

    def _customers(self, found: list[Any]) -> dict[str, History]:
        if not self._with_customer:
            return {}
        names = sorted({f"customer:{row[6]}" for row in found if row[1].startswith("case:")})
        histories = {}
        for start in range(0, len(names), CHUNK):
            rows = self._rows_of(names[start : start + CHUNK])
            for stream, each in groupby(rows, key=_stream_of):
                histories[stream] = self._history(stream, each)
        return histories

    @cached_property
    def _policies(self) -> Policies:
        try:
            originals = self._store.history("policy").originals
        except StreamNotFound:
            return NO_POLICIES
        if self._until is not None:
            originals = tuple(each for each in originals if (each.position or 0) <= self._until)
        history = History("policy", originals, as_of=self._as_of)
        policies = fold_history(history)
        assert isinstance(policies, Policies)  # noqa: S101  (of the policy stream)
        return policies
