"""What is held on a person: a customer with all ids, and all cases of these.

A person is every id of a customer, as merges say now. The streams are those of these ids and of
their cases, whoever wrote in them: what is noted of a person is about that person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from casestore.events import CaseOpened, CustomerMerged, CustomerUnmerged
from casestore.journal.rows import Row
from casestore.privacy.erasure import same_person
from casestore.store import CaseStore
from casestore.streams.history import Recorded


class Unreadable(NamedTuple):
    """Words that cannot be read any more, because they were erased."""

    stream: str
    type: str
    field: str
    events: int


class Held(NamedTuple):
    """All that a store holds on a person, at one moment."""

    store_id: str
    made_at: datetime
    customer_ids: Sequence[str]
    """The id that was asked for first, then the person's others."""
    streams: dict[str, list[Recorded]]
    """Of each stream its events, words revealed, in order of recording: the person's own first."""
    named_elsewhere: Sequence[Recorded]
    """Events in records of others that name the person, without words."""
    erased: Sequence[Unreadable]

    @property
    def events(self) -> list[Recorded]:
        """The events of all streams."""
        return [recorded for events in self.streams.values() for recorded in events]

    @property
    def since(self) -> datetime:
        """When the first of them happened."""
        return min(recorded.occurred_at for recorded in self.events)


def held_on(store: CaseStore, customer_id: str) -> Held:
    """All that is held on a person, by one of the ids.

    Raises:
        StreamNotFound: there is no such customer.
        KeyFileError: the key file is missing, or has not the right key.
        StoreDamaged: an event cannot be read.
        InvalidStream, StoreUnavailable.
    """
    last = store._recorder.last_position()
    store.history(f"customer:{customer_id}", at_version=1)  # raises StreamNotFound
    ids = [customer_id, *same_person(store, customer_id)]
    names = [*(f"customer:{each}" for each in ids), *sorted(store._recorder.cases_of(ids))]
    streams = {}
    for name in names:
        events = [
            recorded
            for recorded in store.history(name, reveal=True).originals
            # A case that was voided whole may have been opened anew for somebody else.
            if recorded.customer_id in ids and (recorded.position or 0) <= last
        ]
        if events:
            streams[name] = events
    elsewhere = list(_named_elsewhere(store, ids, last))
    erased = _erased(recorded for events in streams.values() for recorded in events)
    return Held(store.meta["store_id"], store.now(), ids, streams, elsewhere, erased)


def _named_elsewhere(store: CaseStore, ids: Sequence[str], last: int) -> Iterator[Recorded]:
    """The events that name the person and are about others, in order of position."""
    rows: dict[int, Row] = {}
    for one_id in ids:
        for row in map(Row._make, store._recorder.rows_that_mention(one_id, last)):
            if row.customer_id not in ids:
                rows[row.position] = row
    for recorded in store._codec.recorded(rows[position] for position in sorted(rows)):
        if _names(recorded) & {*ids}:
            yield recorded


def _names(recorded: Recorded) -> set[str]:
    """The customers that an event names, beside the one whose record it is in."""
    event, named = recorded.event, set()
    if event.actor.kind == "customer":
        named.add(event.actor.id)
    if isinstance(event, CustomerMerged):
        named.add(event.into)
    if isinstance(event, CustomerUnmerged):
        named.add(event.out_of)
    if isinstance(event, CaseOpened):
        named.add(event.customer_id)
    return named


def _erased(events: Iterator[Recorded]) -> list[Unreadable]:
    counts = Counter(
        (recorded.stream, recorded.type, field)
        for recorded in events
        if recorded.privacy == "erased"
        for field in recorded.personal
    )
    return [Unreadable(*where, number) for where, number in counts.items()]
