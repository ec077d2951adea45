"""What an undoing of an import would void, and what hangs on it. Nothing is written.

What others recorded since may need what is to be voided: a service's reply in an imported case, a
later import's case that was merged into one. That hangs on the import, and while anything does,
nothing is undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, cast

from casestore.events import (
    CaseUnmerged,
    CustomerRegistered,
    CustomerUnmerged,
    ErasureRequested,
    EventCorrected,
    HoldPlaced,
    HoldReleased,
    PersonalDataErased,
)
from casestore.events.markers import FAMILY_KINDS, IdKey, brings, needs, places
from casestore.journal.rows import PlainRow
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.case import Case
from casestore.streams.checks import NO_CONTEXT
from casestore.streams.customer import STORE, Customer
from casestore.streams.history import History, Recorded, from_microseconds
from casestore.streams.kinds import State
from casestore.streams.merged import closure, linked
from casestore.streams.policies import Policies

_AT_ONCE = 400
"""Streams to read at a time."""
_READ = 5000
_SHOWN = 1000
"""The most events that a plan names as hanging on what is to be voided; the others are counted."""
_FINAL = (CaseUnmerged, CustomerUnmerged, PersonalDataErased)
_RESTS_ON_REGISTRATION = (ErasureRequested, PersonalDataErased, HoldPlaced, HoldReleased)
_stream_of = itemgetter(1)


class Hanging(NamedTuple):
    """An event that prevents the undoing: somebody else recorded it, or it cannot be voided."""

    stream: str
    version: int
    type: str
    event_id: str
    source: str | None
    """Where it came from, if its append said so."""
    why: str


class Plan(NamedTuple):
    """What an undoing would do."""

    source: str
    sources: tuple[str, ...]
    """The sources whose events are meant: that one, and what the same reader calls end states."""
    events: int
    """How many events would be voided."""
    types: Mapping[str, int]
    """How many of each type."""
    cases_gone: int
    """Cases of which nothing would be left."""
    cases_changed: int
    """Other cases that would lose some events."""
    customers_gone: int
    """Customers of whom nothing would be left."""
    registrations: int
    """How many of the events are registrations that the store made by itself for the import."""
    kept: int
    """Registrations that stay, as an erasure or a legal hold of the customer rests on them."""
    corrected: int
    """Corrections of events that would be voided: they have no effect then."""
    voided_before: int
    """Events of the import that are voided already."""
    first_recorded: datetime | None
    last_recorded: datetime | None
    """When the first and the last of the events were recorded."""
    hanging: tuple[Hanging, ...]
    """What is in the way: the first of it."""
    hanging_count: int
    batches: tuple[tuple[str, tuple[str, ...]], ...]
    """The streams, each with the ids of its events, in the order in which they would be voided."""
    position: int
    """The last position of the store that was looked at."""


def sources_of(source: str) -> tuple[str, ...]:
    """The sources under which an import appends: zendesk:acme, and zendesk-end-state:acme."""
    name, colon, instance = source.partition(":")
    return source, f"{name}-end-state{colon}{instance}"


def plan_undo(
    store: CaseStore, source: str, *, progress: Callable[[int], None] | None = None
) -> Plan:
    """Find out what an undoing would void, and what hangs on it. Nothing is written.

    Args:
        store: the store that was imported into.
        source: as the events have it: the reader's name and the instance, like zendesk:acme.
        progress: called with the number of events looked at.

    Raises:
        StoreUnavailable: the database does not answer.
        StoreDamaged: an event cannot be read.
    """
    return _Planning(store, source, progress or (lambda _: None)).plan()


def events_of(
    store: CaseStore, sources: Iterable[str], after: int, until: int
) -> Iterator[PlainRow]:
    """The events of some sources."""
    for source in sources:
        place = after
        while rows := store._recorder.of_source(source, place, until, _READ):
            yield from rows
            place = rows[-1][0]


class _Left(NamedTuple):
    """What a stream would be like after an undoing."""

    history: History
    voids: tuple[str, ...]
    """The ids of the events to void, the last one first."""
    rest: tuple[Recorded, ...]
    """The events that are left, without corrections."""
    refused: list[tuple[Recorded, str]]
    """Those among them that need what is to be voided, each with the reason."""
    kept: int
    """How many registrations of the import stay."""
    state: State
    before: State

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of the case or the customer."""
        return _is_empty(self.state) and not _is_empty(self.before)


class _Planning:
    def __init__(self, store: CaseStore, source: str, progress: Callable[[int], None]) -> None:
        self._store, self._recorder = store, store._recorder
        self._source, self._sources = source, sources_of(source)
        self._progress = progress
        self._until = store._recorder.last_position()
        self._uids: dict[str, set[str]] = {}
        """The ids of the import's events, by stream."""
        self._voids: dict[str, tuple[str, ...]] = {}
        self._gone: set[str] = set()
        """The streams of which nothing would be left."""
        self._into: dict[str, str] = {}
        """What streams are merged into before the undoing, by stream."""
        self._owners: set[str] = set()
        """The customers of the cases that would be gone."""
        self._types: Counter[str] = Counter()
        self._hanging: dict[str, Hanging] = {}
        self._hanging_count = 0
        self._corrected = self._before = self._registrations = self._kept = 0
        self._first, self._last = 1 << 63, 0

    def plan(self) -> Plan:
        self._gather()
        for left in self._lefts(sorted(self._uids)):
            self._take(left)
        self._registered_for_it()
        self._merged_into_it()
        self._referring_to_it()
        cases = sum(each.startswith("case:") for each in self._gone)
        changed = sum(each.startswith("case:") for each in self._voids) - cases
        times = (self._first, self._last) if self._last else ()
        first, last = map(from_microseconds, times) if times else (None, None)
        return Plan(
            self._source,
            self._sources,
            sum(map(len, self._voids.values())),
            dict(sorted(self._types.items())),
            cases,
            changed,
            len(self._gone) - cases,
            self._registrations,
            self._kept,
            self._corrected,
            self._before,
            first,
            last,
            tuple(self._hanging.values()),
            self._hanging_count,
            self._in_order(),
            self._until,
        )

    def _gather(self) -> None:
        count = 0
        for count, row in enumerate(events_of(self._store, self._sources, 0, self._until), 1):
            self._uids.setdefault(row[1], set()).add(row[7])
            if count % 1000 == 0:
                self._progress(count)
        self._progress(count)

    def _histories(self, streams: Sequence[str]) -> Iterator[History]:
        for start in range(0, len(streams), _AT_ONCE):
            rows = self._recorder.rows_of_streams(streams[start : start + _AT_ONCE], self._until)
            for stream, of_stream in groupby(rows, key=_stream_of):
                yield History(stream, list(self._store._codec.recorded(of_stream)))

    def _lefts(self, streams: Sequence[str]) -> Iterator[_Left]:
        for history in self._histories(streams):
            yield _left(history, self._uids.get(history.stream, set()))

    def _take(self, left: _Left) -> None:
        """Note what would become of a stream."""
        history, stream = left.history, left.history.stream
        uids, voids = self._uids[stream], set(left.voids)
        for recorded in history.originals:
            if isinstance(recorded.event, EventCorrected) and recorded.uid in uids:
                self._check_correction(recorded, uids)
        self._kept += left.kept
        self._before += sum(uid in history.voided for uid in uids)
        if not voids:
            return
        self._voids[stream] = left.voids
        for recorded in history:
            if recorded.uid in voids:
                self._types[recorded.type] += 1
                self._first = min(self._first, recorded.recorded_us or self._first)
                self._last = max(self._last, recorded.recorded_us or 0)
                if isinstance(recorded.event, _FINAL) or stream == "policy":
                    self._hang(recorded, f"{recorded.type} cannot be voided")
            elif isinstance(recorded.event, EventCorrected):
                self._corrected += str(recorded.event.event_id) in voids
        for recorded, why in left.refused:
            self._hang(recorded, why)
        if not isinstance(left.before, Policies) and left.before.merged_into is not None:
            kind = stream.partition(":")[0]
            self._into[stream] = f"{kind}:{left.before.merged_into}"
        if left.is_empty:
            self._gone.add(stream)
            if isinstance(left.before, Case) and left.before.customer_id is not None:
                self._owners.add(left.before.customer_id)

    def _check_correction(self, recorded: Recorded, uids: AbstractSet[str]) -> None:
        """A correction of the import's own events has no effect once they are voided."""
        corrected = cast(EventCorrected, recorded.event)
        if str(corrected.event_id) not in uids:
            self._hang(recorded, "it corrects what others recorded, and cannot be voided")

    def _hang(self, recorded: Recorded, why: str) -> None:
        if recorded.uid in self._hanging:
            return
        self._hanging_count += 1
        if len(self._hanging) < _SHOWN:
            self._hanging[recorded.uid] = Hanging(
                recorded.stream,
                recorded.version,
                recorded.type,
                recorded.uid,
                recorded.metadata.source,
                why.partition("; ")[0],
            )

    # --- customers -------------------------------------------------------------------------------

    def _registered_for_it(self) -> None:
        """Void also the registrations that the store made for the import's cases by itself.

        So it is with customers of whom nothing else is left, in no case either.
        """
        customers = {f"customer:{each}" for each in self._owners}
        customers |= {each for each in self._voids if each.startswith("customer:")}
        for left in self._lefts(sorted(customers)):
            own = [recorded for recorded in left.rest if _by_store(recorded)]
            stream = left.history.stream
            if not own or len(own) < len(left.rest) or self._has_case(stream):
                continue
            uids = {*left.voids, *(recorded.uid for recorded in own)}
            self._voids[stream] = _last_first(left.history, uids)
            self._gone.add(stream)
            self._registrations += len(own)
            self._types[CustomerRegistered.__name__] += len(own)

    def _has_case(self, stream: str) -> bool:
        """Whether a customer has a case of which something would be left."""
        customer_id = stream.removeprefix("customer:")
        others = sorted(self._recorder.cases_of([customer_id]) - self._gone)
        return any(
            isinstance(left.state, Case) and left.state.customer_id == customer_id
            for left in self._lefts(others)
        )

    # --- what hangs on them in other streams -----------------------------------------------------

    def _merged_into_it(self) -> None:
        """Cases and customers of others that are merged into what would be gone."""
        for topic in ("CaseMerged", "CustomerMerged"):
            rows = self._recorder.merges(topic)
            streams = {row[1] for row in rows if row[0] <= self._until} - self._gone
            for left in self._lefts(sorted(streams)) if self._gone else ():
                kind, _, name = left.history.stream.partition(":")
                into = getattr(left.state, "merged_into", None)
                if into is not None and f"{kind}:{into}" in self._gone:
                    merge = next(r for r in reversed(left.rest) if r.type == topic)
                    self._hang(merge, f"it merges {kind} {name!r} into {into!r}, which would go")

    def _referring_to_it(self) -> None:
        """Events of others that name something in another case of their family."""
        rows = [row for row in self._recorder.merges("CaseMerged") if row[0] <= self._until]
        links = [
            (row[1], f"case:{self._store._codec.decode(row[3], row[4]).into}")  # type: ignore[attr-defined]
            for row in rows
        ]
        merged = {stream for link in links for stream in link} & self._voids.keys()
        lefts = list(self._lefts(sorted(closure(merged, linked(links)) if merged else ())))
        brought = {
            left.history.stream.removeprefix("case:"): (
                _brought(left.history) - _brought(left.rest)
            )
            for left in lefts
        }
        for left in lefts:
            for recorded in left.rest:
                if name := _named(recorded, brought):
                    self._hang(recorded, f"it refers to {name}, which would go")

    # --- the order -------------------------------------------------------------------------------

    def _in_order(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The streams: cases before customers, and what is merged before what it is merged into."""

        def depth(stream: str) -> int:
            line = [stream]
            while (into := self._into.get(line[-1])) is not None and into not in line:
                line.append(into)
            return len(line)

        def place(stream: str) -> tuple[bool, int, str]:
            return stream.startswith("customer:"), -depth(stream), stream

        return tuple((stream, self._voids[stream]) for stream in sorted(self._voids, key=place))


def _left(history: History, uids: AbstractSet[str]) -> _Left:
    left = _without(history, uids)
    others = [recorded.event for recorded, _ in left.refused]
    if not others or not all(isinstance(each, _RESTS_ON_REGISTRATION) for each in others):
        return left
    kept = {r.uid for r in history if r.uid in uids and isinstance(r.event, CustomerRegistered)}
    return _without(history, uids - kept)._replace(kept=len(kept))


def _without(history: History, uids: AbstractSet[str]) -> _Left:
    voids = _last_first(history, uids)
    gone = set(voids)
    events = [each for each in history if not isinstance(each.event, EventCorrected)]
    rest = [recorded for recorded in events if recorded.uid not in gone]
    state, refused = _folded(history.stream, rest)
    if voids and rest and not refused:
        refused = _refused_on_the_way(history.stream, events, voids)
    before = kinds.advance(kinds.empty(history.stream), events).state
    return _Left(history, voids, tuple(rest), refused, 0, state, before)


def _refused_on_the_way(
    stream: str, events: Sequence[Recorded], voids: Sequence[str]
) -> list[tuple[Recorded, str]]:
    """What would be refused after some of the corrections, though not after all of them.

    Each must be allowed by itself: where the store is exported, they are imported one by one.
    """
    gone: set[str] = set()
    for uid in voids:
        gone.add(uid)
        rest = [recorded for recorded in events if recorded.uid not in gone]
        if refused := _folded(stream, rest)[1]:
            return refused
    return []


def _last_first(history: History, uids: AbstractSet[str]) -> tuple[str, ...]:
    """The ids of the effective events among some that are no corrections, the last one first."""
    return tuple(
        recorded.uid
        for recorded in reversed(history.effective)
        if recorded.uid in uids and not isinstance(recorded.event, EventCorrected)
    )


def _folded(stream: str, events: Iterable[Recorded]) -> tuple[State, list[tuple[Recorded, str]]]:
    """The state after events, and which of them structure refuses there, each with the reason."""
    begun = kinds.empty(stream)
    state, kind = begun.state, begun.kind
    refused = []
    for recorded in events:
        if why := kind.check(state, recorded.event, NO_CONTEXT):
            refused.append((recorded, why))
        else:
            state = kind.evolve(state, recorded.event)
    return state, refused


def _is_empty(state: State) -> bool:
    if isinstance(state, Case):
        return state.status is None
    return isinstance(state, Customer) and state.registrations == 0


def _by_store(recorded: Recorded) -> bool:
    return isinstance(recorded.event, CustomerRegistered) and recorded.event.actor == STORE


def _brought(events: Iterable[Recorded]) -> set[IdKey]:
    return {key for recorded in events for key in brings(recorded.event)}


def _named(recorded: Recorded, brought: Mapping[str, AbstractSet[IdKey]]) -> str | None:
    """What an event names as "case_id/id" of what some cases would lose; None if nothing."""
    for kind, full_id in needs(recorded.event):
        if kind in FAMILY_KINDS:
            for case_id, inner in places(full_id):
                if (kind, inner) in brought.get(case_id, ()):
                    return f"{kind} {inner!r} of case {case_id!r}"
    return None
