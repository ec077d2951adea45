"""The kinds of stream, `case:<id>`, `customer:<id>` and `policy`, and how to fold and check each.

`Stream` is a stream's folded state at a version. eventsourcing's repository keeps it in its cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, NamedTuple, cast

import msgspec

from casestore.errors import InvalidStream
from casestore.events import (
    EVENTS,
    CaseMerged,
    CaseOpened,
    CustomerMerged,
    Event,
    EventCorrected,
)
from casestore.events.base import is_id
from casestore.events.markers import IdKey, brings, needs
from casestore.streams import case, customer, policies
from casestore.streams.case import Case
from casestore.streams.checks import NO_CONTEXT, Context
from casestore.streams.customer import Customer
from casestore.streams.growing import plain
from casestore.streams.history import History, Recorded
from casestore.streams.policies import Policies

State = Case | Customer | Policies


class Kind(NamedTuple):
    """A kind of stream: which events it takes, and how it is folded and checked."""

    events: frozenset[type[Event]]
    initial: Callable[[str], State]
    evolve: Callable[[Any, Any], State]
    check: Callable[[Any, Any, Context], str | None]


KINDS: dict[str, Kind] = {
    "case": Kind(frozenset(EVENTS["case"]), lambda i: Case(case_id=i), case.evolve, case.check),
    "customer": Kind(
        frozenset(EVENTS["customer"]),
        lambda i: Customer(customer_id=i),
        customer.evolve,
        customer.check,
    ),
    "policy": Kind(
        frozenset(EVENTS["policy"]), lambda _: Policies(), policies.evolve, policies.check
    ),
}


class Stream(msgspec.Struct, frozen=True, gc=False):
    """A stream's state at a version, folded in the order of recording. Checks of appends use it.

    Nothing in it or in its state refers back to it, so the garbage collector need not track them.
    """

    id: str
    version: int
    state: Any
    kind: Kind
    """The kind of the stream."""
    latest: datetime | None = None
    """The latest occurred_at of its events."""
    plain: bool = True
    """Whether its events happened in the order of recording, and none is a merge. If so, readers
    get the same state."""

    def after(self, event: Event, version: int) -> Stream:
        """The stream after one more event, which must not be a correction."""
        at, latest = event.occurred_at, self.latest
        late = latest is not None and at < latest
        return Stream(
            self.id,
            version,
            self.kind.evolve(self.state, event),
            self.kind,
            latest if late else at,
            self.plain and not late and not isinstance(event, CaseMerged),
        )


def parse(stream: str) -> tuple[str, str]:
    """A stream's kind and id. Raises InvalidStream."""
    if not isinstance(stream, str):
        raise InvalidStream(
            f"the name of a stream is text, like case:<case_id>, not {type(stream).__name__}"
        )
    return _parse(stream)


@lru_cache(maxsize=10_000)
def _parse(stream: str) -> tuple[str, str]:
    kind, colon, each = stream.partition(":")
    if stream == "policy":
        return "policy", ""
    if kind not in ("case", "customer") or not colon:
        raise InvalidStream(
            f"{_shown(stream)} is not a stream; write case:<case_id>, customer:<customer_id> "
            "or policy"
        )
    if not is_id(each):
        raise InvalidStream(
            f"the id in {_shown(stream)} must have 1 to 200 characters and no control characters"
        )
    return kind, each


def is_stream(name: str) -> bool:
    """Whether a text is the name of a stream."""
    try:
        parse(name)
    except InvalidStream:
        return False
    return True


def named(kind: str, each: str) -> str:
    """The name of a stream of a kind. Raises InvalidStream."""
    if not isinstance(each, str):
        raise InvalidStream(f"the id of a {kind} is text, not {type(each).__name__}")
    name = f"{kind}:{each}"
    _parse(name)
    return name


def _shown(stream: str) -> str:
    text = ascii(stream)
    return text if len(text) <= 60 else f"{text[:57]}…'"


def empty(stream: str) -> Stream:
    """A stream without events."""
    name, each = parse(stream)
    kind = KINDS[name]
    return Stream(stream, 0, kind.initial(each), kind)


def fold(stream: str, events: Iterable[Recorded]) -> Stream:
    """Fold a stream's events as recorded; corrections are applied first."""
    originals = tuple(events)
    if not originals:
        return empty(stream)
    history = History(stream, originals)
    folded = empty(stream)
    for recorded in history:
        folded = folded.after(recorded.event, recorded.version)
    return msgspec.structs.replace(folded, version=originals[-1].version)


def advance(stream: Stream, events: Iterable[Recorded]) -> Stream:
    """The stream after more events, none of which is a correction."""
    for recorded in events:
        stream = stream.after(recorded.event, recorded.version)
    return stream


def as_read(state: State) -> State:
    """A state as readers get it, with plain dicts: see `casestore.streams.growing`."""
    return state if isinstance(state, Policies) else plain(state, state.ids)


def fold_history(history: History) -> State:
    """Fold a history in the order in which its events happened."""
    begun = empty(history.stream)
    state, evolve = begun.state, begun.kind.evolve
    in_order = history.in_order
    # In the order of recording, what an event refers to always comes before it.
    events = in_order if in_order is history.effective else _named_first(in_order)
    for recorded in events:
        state = evolve(state, recorded.event)
    return as_read(cast(State, state))


def _named_first(events: Sequence[Recorded]) -> Iterator[Recorded]:
    """Events in the given order, but each event after the events that it refers to.

    If a clock was wrong, a bounce may have happened before the reply that bounced. It must still be
    folded after that reply.
    """
    to_come = {key for recorded in events for key in brings(recorded.event)}
    lacking: dict[int, set[IdKey]] = {}
    waiting: defaultdict[IdKey, list[int]] = defaultdict(list)
    for place, recorded in enumerate(events):
        ready = [place]
        if lacks := to_come.intersection(needs(recorded.event)):
            lacking[place] = lacks
            for key in lacks:
                waiting[key].append(place)
            continue
        while ready:
            now = events[heappop(ready)]
            yield now
            for key in brings(now.event):
                to_come.discard(key)
                for other in waiting.pop(key, ()):
                    lacking[other].discard(key)
                    if not lacking[other]:
                        heappush(ready, other)


def check(stream: Stream, event: Event, context: Context = NO_CONTEXT) -> str | None:
    """The reason why structure refuses an event on a stream, as text; None if it does not."""
    kind = stream.kind
    if type(event) not in kind.events:
        return f"it does not belong into this kind of stream; {_belongs(type(event))}"
    refusal = kind.check(stream.state, event, context)
    if refusal is not None or not isinstance(event, EventCorrected):
        return refusal
    if context.history is None or context.voids_last:
        return None
    return _replay(context.history, event)


def _belongs(cls: type[Event]) -> str:
    homes = [f"{name}:<id>" if name != "policy" else name for name in EVENTS if cls in EVENTS[name]]
    return f"append it to {' or '.join(homes)}" if homes else "it is not in the vocabulary"


def _replay(history: History, correction: EventCorrected) -> str | None:
    """Replay a history with a correction, and return the first refusal.

    Each event is checked again, but not against the clock or other streams.
    """
    last = history.originals[-1]
    added = Recorded(correction, history.stream, last.version + 1, None, "", None, None)
    corrected = History(history.stream, [*history.originals, added])
    begun = empty(history.stream)
    state, kind = begun.state, begun.kind
    for recorded in corrected:
        if refusal := kind.check(state, recorded.event, NO_CONTEXT):
            which = f"{recorded.type} (version {recorded.version})"
            return f"after it {which} would not hold: {refusal}"
        state = kind.evolve(state, recorded.event)
    return None


def related(event: Event) -> str | None:
    """The name of the other stream whose state the check of an event needs; None if none."""
    if isinstance(event, CaseOpened):
        return f"customer:{event.customer_id}"
    if isinstance(event, CaseMerged):
        return f"case:{event.into}"
    return f"customer:{event.into}" if isinstance(event, CustomerMerged) else None


def customer_of(stream: Stream, event: Event) -> str | None:
    """The id of the customer whom an event of a stream is about; None on the policy stream."""
    if isinstance(event, CaseOpened):
        return event.customer_id
    match stream.state:
        case Case():
            return stream.state.customer_id
        case Customer():
            return stream.state.customer_id
        case _:
            return None
