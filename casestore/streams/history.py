"""One stream as it is read: `Recorded`, an event with its envelope, and `History`.

A History applies corrections once, so that every reader sees effective events and can still ask
for the originals. `as_of` keeps what had happened by a time, `known_at` what was on record by
then; which corrections apply is decided by `known_at` alone. What was on record by a time is all up
to the last event that was recorded by then, also where a clock was wrong in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

import msgspec

from casestore.errors import StoreDamaged, quoted
from casestore.events import CaseOpened, Event, EventCorrected
from casestore.events.made import making
from casestore.events.markers import IdKey, brings, needs

Privacy = Literal["withheld", "revealed", "erased"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00:00Z, exact."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Moment(NamedTuple):
    """A place in the order in which things happened: by time, then by position."""

    at: datetime
    position: int


LAST = Moment(datetime.max.replace(tzinfo=UTC), 1 << 63)
"""After everything."""


@dataclass(frozen=True)
class Withheld:
    """What stands in the place of words that were not asked for: `reveal=True` reads them."""

    def __str__(self) -> str:
        return "[withheld]"


@dataclass(frozen=True)
class Erased:
    """What stands in the place of words whose key was destroyed: no text, and not nothing."""

    def __str__(self) -> str:
        return "[erased]"


class Cursor(NamedTuple):
    """A place in the history of a store, and the mark by which it is known to be the same history.

    A position alone would fit the history of a restored store too, and mean something else in it.
    """

    position: int
    uid: str
    """The id of the event at the position."""
    recorded_us: int
    """When it was recorded, in microseconds since 1970."""

    def __str__(self) -> str:
        """Like "4711:5d0c…:1772445600000000", to be kept as text."""
        return f"{self.position}:{self.uid}:{self.recorded_us}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """A cursor from its text. Raises ValueError."""
        match = _CURSOR.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"{quoted(text, 80)} is not a cursor; it is what str() of one gave")
        return cls(int(match[1]), match[2], int(match[3]))


_CURSOR = re.compile(r"([0-9]{1,19}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,19})")


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an append said about its events, stored as exact JSON bytes beside each."""

    key: str | None = None
    events: int | None = None
    """How many events the append with that key had."""
    personal: tuple[str, ...] = ()
    """The names of the Personal fields that the event has."""
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


_decode_metadata = msgspec.json.Decoder(Metadata).decode


def decode_metadata(raw: bytes) -> Metadata:
    """What an append said, from its stored bytes. Raises StoreDamaged."""
    try:
        return _decode_metadata(raw)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StoreDamaged(
            f"the stored metadata of an event does not fit: {str(error)[:200]}; run `casestore "
            "doctor`, which names the event"
        ) from None


encode_metadata = msgspec.json.Encoder().encode


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event with its envelope.

    It satisfies eventsourcing's DomainEventProtocol. What is seldom asked for is kept as it was
    read and decoded when asked: reading a store is mostly making these. Nothing in it refers back
    to it, so the garbage collector need not look at it.
    """

    event: Event
    stream: str
    version: int
    """1..n in its stream, without gaps."""
    position: int | None
    """The place in the whole store, rising; None until the store has given it."""
    uid: str
    customer_id: str | None
    recorded_us: int | None
    raw_metadata: bytes = b"{}"
    sealed: bytes | None = None
    """The personal part as stored."""
    privacy: Privacy | None = None
    """How its personal fields stand; None where it has none."""

    def __repr__(self) -> str:
        """Without words, as of the event: in a store that is not sealed, `sealed` holds them."""
        return (
            f"Recorded({self.event!r}, stream={self.stream!r}, version={self.version}, "
            f"position={self.position}, uid={self.uid!r}, customer_id={self.customer_id!r}, "
            f"recorded_us={self.recorded_us}, raw_metadata={self.raw_metadata!r}, "
            f"privacy={self.privacy!r})"
        )

    @property
    def originator_id(self) -> str:
        """The stream, in eventsourcing's words."""
        return self.stream

    @property
    def originator_version(self) -> int:
        """The version, in eventsourcing's words."""
        return self.version

    @property
    def type(self) -> str:
        """The event's type name."""
        return type(self.event).__name__

    @property
    def occurred_at(self) -> datetime:
        """When it happened, in UTC."""
        return self.event.occurred_at

    @property
    def moment(self) -> Moment:
        """Its place in the order in which things happened."""
        # What has no position yet comes after all that has one.
        position = LAST.position if self.position is None else self.position
        return Moment(self.event.occurred_at, position)

    @property
    def event_id(self) -> UUID:
        """Unique in the store."""
        return UUID(self.uid)

    @property
    def recorded_at(self) -> datetime | None:
        """When the store took it, in UTC; never decreasing with position, unless a clock was more
        than five minutes wrong."""
        return None if self.recorded_us is None else from_microseconds(self.recorded_us)

    @property
    def cursor(self) -> Cursor:
        """Where `follow` goes on after this event. Raises ValueError where it has no position."""
        if self.position is None or self.recorded_us is None:
            raise ValueError("the event is not recorded yet, so it has no position")
        return Cursor(self.position, self.uid, self.recorded_us)

    @property
    def metadata(self) -> Metadata:
        """Key, source and the rest of what the append said. Raises StoreDamaged."""
        try:
            return decode_metadata(self.raw_metadata)
        except StoreDamaged as error:
            raise StoreDamaged(f"{self.stream} version {self.version}: {error}") from None

    @property
    def personal(self) -> tuple[str, ...]:
        """The names of the Personal fields that the event has, whether they can be read or not."""
        return self.metadata.personal

    @property
    def words(self) -> dict[str, str | Withheld | Erased]:
        """Each Personal field that the event has: its text, or what stands in its place.

        In the event itself such a field is None, like one that was never recorded.
        """
        if self.privacy == "revealed":
            return {name: getattr(self.event, name) for name in self.personal}
        return dict.fromkeys(self.personal, Erased() if self.privacy == "erased" else Withheld())


def stored_data(event: Event) -> dict[str, Any]:
    """The event's fields as plain JSON values, None left out, Personal fields included."""
    data: dict[str, Any] = making(type(event)).serializer.to_python(
        event, mode="json", exclude_none=True
    )
    return data


def amended(event: Event, values: dict[str, Any]) -> Event:
    """The event with other JSON values in some fields (None leaves the field out), validated.

    Raises pydantic's ValidationError.
    """
    data = stored_data(event) | values
    given = msgspec.json.encode({name: value for name, value in data.items() if value is not None})
    return cast(Event, making(type(event)).validator.validate_json(given, strict=True))


class History:
    """A stream's events as they are to be read.

    Args:
        stream: the stream's name.
        originals: all its events as recorded, in version order.
        as_of: keep only what had happened by then (occurred_at, after corrections).
        known_at: keep only what was on record by then: up to the last event recorded by then.
        until: the last position in the store that was on record by `known_at`, if it is known.
            Without it, the stream's own events tell.
    """

    def __init__(
        self,
        stream: str,
        originals: Sequence[Recorded],
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        until: int | None = None,
    ) -> None:
        self.stream = stream
        self.as_of = as_of
        self.known_at = known_at
        if known_at is not None:
            last = _last_by(to_microseconds(known_at), originals) if until is None else until
            originals = [r for r in originals if r.position is None or r.position <= last]
        self.until = until
        """The last position that was on record by `known_at`, if it is known."""
        self.originals = tuple(originals)
        """Every event on record by `known_at`, as it was recorded."""
        self.voided: dict[str, Recorded] = {}
        """The events that a correction took out, as they last read, by event id."""
        self.not_yet: frozenset[IdKey] = frozenset()
        """The ids of what had not happened by `as_of`."""
        self.effective = self._apply_corrections()
        if as_of is not None:
            self.effective = self._that_had_happened(as_of)

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.effective)

    def __len__(self) -> int:
        return len(self.effective)

    @cached_property
    def in_order(self) -> tuple[Recorded, ...]:
        """The effective events in the order in which they happened: the order of reading."""
        times = [recorded.event.occurred_at for recorded in self.effective]
        if times == sorted(times):  # versions are in the order of positions
            return self.effective
        return tuple(sorted(self.effective, key=_occurred_at))

    def find(self, event_id: UUID | str) -> Recorded | None:
        """The effective event with an id; None where there is none, or it was voided."""
        uid = str(event_id)
        return next((r for r in self.effective if r.uid == uid), None)

    def _apply_corrections(self) -> tuple[Recorded, ...]:
        corrections = [r.event for r in self.originals if isinstance(r.event, EventCorrected)]
        if not corrections:
            return self.originals
        effective = {r.uid: r for r in self.originals}
        for correction in corrections:
            target = effective.get(str(correction.event_id))
            if target is None:
                continue  # nothing that this store accepted: only seen in altered stores
            if correction.kind == "voided":
                self.voided[target.uid] = effective.pop(target.uid)
            elif correction.changes:
                values = {name: change.get("to") for name, change in correction.changes.items()}
                event = amended(target.event, values)
                effective[target.uid] = msgspec.structs.replace(target, event=event)
        return tuple(effective.values())

    def _that_had_happened(self, as_of: datetime) -> tuple[Recorded, ...]:
        """What had happened by then, less what refers to something of this stream that had not.

        An id that is not of this stream names something of another case, or nothing: the event
        stays.
        """
        own: set[IdKey] = {key for recorded in self.effective for key in brings(recorded.event)}
        known: set[IdKey] = set()
        uids = {uid for uid, r in self.voided.items() if r.occurred_at <= as_of}
        needs_opening = self.stream.startswith("case:")
        kept: list[Recorded] = []
        for recorded in self.effective:
            event = recorded.event
            if event.occurred_at > as_of:
                continue
            if needs_opening and not kept and not isinstance(event, CaseOpened):
                break  # the opening, which is the first on record, had not happened
            if any(key not in known and key in own for key in needs(event)):
                continue
            if isinstance(event, EventCorrected) and str(event.event_id) not in uids:
                continue
            known.update(brings(event))
            uids.add(recorded.uid)
            kept.append(recorded)
        self.not_yet = frozenset(own - known)
        return tuple(kept)


_occurred_at = attrgetter("event.occurred_at")


def _last_by(limit: int, originals: Sequence[Recorded]) -> int:
    """The last position of an event that was recorded by a time; 0 without one."""
    for recorded in reversed(originals):
        if recorded.position is not None and (recorded.recorded_us or 0) <= limit:
            return recorded.position
    return 0
