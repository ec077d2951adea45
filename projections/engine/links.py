"""Which streams of a store were ever merged with one another: their rows are made together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import cast
from weakref import WeakKeyDictionary

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.events import CaseMerged, CustomerMerged
from casestore.journal.questions import MERGES
from casestore.journal.rows import PlainRow
from casestore.streams.codec import Codec
from casestore.streams.merged import closure


class Links:
    """The merges on record of cases and of customers. An undone or voided merge stays a link.

    An unneeded link changes no row: it only means that more streams are read together.
    """

    def __init__(self) -> None:
        self._next_to: dict[str, list[tuple[int, str]]] = {}
        """By stream: the streams it is linked to, each with the position of the merge."""
        self._merged: set[str] = set()
        self.merges: list[tuple[int, str, str]] = []
        """Each merge: its position, the stream, and the one that it was merged into."""

    def add(self, rows: Iterable[PlainRow], codec: Codec) -> bool:
        """Add the merges in some rows. Returns whether all of them could be read."""
        whole = True
        for position, stream, _, topic, state, *_ in rows:
            try:
                merged = cast(CaseMerged | CustomerMerged, codec.decode(topic, state))
            except StoreDamaged:  # nor can its stream's rows be made, until it is mended
                whole = False
            else:
                self.link(position, stream, f"{stream.partition(':')[0]}:{merged.into}")
        return whole

    def link(self, position: int, stream: str, other: str) -> None:
        """Add the merge of a stream into another one, which is on record at a position."""
        self.merges.append((position, stream, other))
        self._merged.add(stream)
        self._next_to.setdefault(stream, []).append((position, other))
        self._next_to.setdefault(other, []).append((position, stream))

    def next_to(self, streams: Iterable[str], until: int) -> Iterator[str]:
        """The streams that were merged with one of the given ones, by merges up to a position."""
        for stream in streams:
            yield from (other for at, other in self._next_to.get(stream, ()) if at <= until)

    def related(self, stream: str, until: int) -> list[str]:
        """The stream and all that were ever merged with it, by merges up to a position.

        The first of them was merged into another one, and so surely has events.
        """
        if stream not in self._next_to:
            return [stream]
        related = closure([stream], lambda streams: self.next_to(streams, until))
        return sorted(related, key=lambda name: (name not in self._merged, name))


class StreamLinks(Links):
    """The links of a store, which are read as they are needed.

    For why appends have their own, see `casestore.append.families.CaseLinks`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._upto = 0
        self._mark: str | None = ""
        """The mark of the event at that position; None if all merges have to be read anew."""
        self._lock = Lock()
        self.pid = os.getpid()
        """The process that made this. A forked child makes its own: the lock that it inherits may
        be held for ever."""

    def look(self, store: CaseStore, until: int) -> None:
        """Read the merges that were recorded since the last call, at least up to a position."""
        with self._lock:
            # If an older copy of the store was put back, another event is at that position.
            if store._recorder.mark(self._upto) != self._mark:
                self._next_to, self._merged, self.merges, self._upto = {}, set(), [], 0
            if self._upto < until:
                head = store._recorder.last_position()
                found = (store._recorder.merges(topic, self._upto) for topic in MERGES)
                rows = [row for rows in found for row in rows if row[0] <= head]
                whole = self.add(rows, store._codec)
                self._upto, self._mark = head, store._recorder.mark(head) if whole else None


_LINKS: WeakKeyDictionary[CaseStore, StreamLinks] = WeakKeyDictionary()


def links_of(store: CaseStore) -> StreamLinks:
    """The links of a store. Each process keeps its own, as long as the store is open."""
    links = _LINKS.setdefault(store, StreamLinks())
    if links.pid != os.getpid():
        links = _LINKS[store] = StreamLinks()
    return links
