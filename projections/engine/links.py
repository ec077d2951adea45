"""What was ever merged with what in a store: the streams whose rows are made together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.events import CaseMerged, CustomerMerged
from casestore.journal.rows import PlainRow
from casestore.streams.merged import closure

_TOPICS = ("CaseMerged", "CustomerMerged")
_SOME = 1000


class Links:
    """The merges on record, also those that were undone or voided: links are never taken away.

    To know of a link too many makes no difference to any row.
    """

    def __init__(self, store: CaseStore) -> None:
        self._store = store
        self._next_to: dict[str, list[tuple[int, str]]] = {}
        """Of a stream, others and the positions from which on they are linked."""
        self._merged: set[str] = set()
        self._upto: int | None = None

    def look(self) -> None:
        """Take note of the merges that were recorded since the last look."""
        recorder = self._store._recorder
        if self._upto is None:
            self._upto = recorder.last_position()
            for topic in _TOPICS:
                self._note(recorder.merges(topic))
            return
        while rows := recorder.rows(self._upto, _SOME, topics=_TOPICS):
            self._note(rows)
            self._upto = rows[-1][0]

    def _note(self, rows: Iterable[PlainRow]) -> None:
        decode = self._store._codec.decode
        for position, stream, _, topic, state, *_ in rows:
            try:
                merged = cast(CaseMerged | CustomerMerged, decode(topic, state))
            except StoreDamaged:  # then the rows of its stream cannot be made either
                continue
            other = f"{stream.partition(':')[0]}:{merged.into}"
            self._merged.add(stream)
            self._next_to.setdefault(stream, []).append((position, other))
            self._next_to.setdefault(other, []).append((position, stream))

    def related(self, stream: str, until: int) -> list[str]:
        """The streams that were ever merged with one, by merges up to a position; itself included.

        The first is one that was merged, and so surely has events.
        """
        if stream not in self._next_to:
            return [stream]

        def neighbours(streams: set[str]) -> Iterator[str]:
            for each in streams:
                yield from (other for at, other in self._next_to[each] if at <= until)

        related = closure([stream], neighbours)
        return sorted(related, key=lambda name: (name not in self._merged, name))
