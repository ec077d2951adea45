"""One stream as it is read: `Recorded` is an event with its envelope, `History` is the stream.

A History applies corrections once, so every reader sees the effective events and can still ask for
the originals. `as_of` keeps the events that had happened by a time. `known_at` keeps the events
that were on record by a time: all up to the last one that was recorded by then, even if a clock was
wrong in between. Only `known_at` decides which corrections apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

import msgspec

from casestore.errors import StoreDamaged, quoted
from casestore.events import CaseOpened, Event, EventCorrected
from casestore.events.made import making
from casestore.events.markers import IdKey, brings, needs
from casestore.system.once import once

Privacy = Literal["withheld", "revealed", "erased"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00:00Z, exact."""
    return _EPOCH + timedelta(microseconds=microseconds)


EARLIEST = to_microseconds(datetime.min.replace(tzinfo=UTC))
LATEST = to_microseconds(datetime.max.replace(tzinfo=UTC))
"""The microseconds that are a datetime lie between these."""


class Moment(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in the order in which things happened: by time, then by position."""

    at: datetime
    position: int

    def __iter__(self) -> Iterator[Any]:
        """Time and position, to unpack it."""
        yield self.at
        yield self.position


LAST = Moment(datetime.max.replace(tzinfo=UTC), 1 << 63)
"""After everything."""


@dataclass(frozen=True)
class Withheld:
    """The placeholder for personal text that was not asked for; `reveal=True` reads the text."""

    def __str__(self) -> str:
        return "[withheld]"


@dataclass(frozen=True)
class Erased:
    """The placeholder for personal text that nobody can read any more: its key was destroyed."""

    def __str__(self) -> str:
        return "[erased]"


class Cursor(NamedTuple):
    """A position in a store, with the id and the time of the event at that position.

    If the store was restored, another event may have the same position. The id and the time show
    that. The id alone does not: an event that is appended again with its key gets the same id.
    """

    position: int
    uid: str
    """The id of the event at the position."""
    recorded_us: int
    """When that event was recorded, in microseconds since 1970-01-01T00:00:00Z."""

    def __str__(self) -> str:
        """The cursor as text to keep, like "4711:5d0c…:1772445600000000"."""
        return f"{self.position}:{self.uid}:{self.recorded_us}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor from its text. Raises ValueError if str() of no cursor gave the text."""
        match = _CURSOR.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"{quoted(text, 80)} is not a cursor; it is what str() of one gave")
        return cls(int(match[1]), match[2], int(match[3]))


_CURSOR = re.compile(r"([0-9]{1,19}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,19})")


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an append says about its events. It is stored with each event, as exact JSON bytes."""

    salt: str | None = None
    """24 random characters of the event's own, hashed with its state: see casestore.audit.leaf.
    None in an event from before this was kept."""
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
    """Decode stored metadata. Raises StoreDamaged if the bytes do not fit."""
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

    It satisfies eventsourcing's DomainEventProtocol. Making these objects is most of the work of
    reading a store, so the seldom used parts (times, ids, metadata) are decoded only when somebody
    asks for them. No part refers back to the object, so the garbage collector need not track it.
    """

    event: Event
    stream: str
    version: int
    """The number in its stream: 1..n, without gaps."""
    position: int | None
    """The place in the whole store. It rises; gaps are possible. None until the store gave it."""
    uid: str
    """The event's id, a UUID as text."""
    customer_id: str | None
    """The customer whom it is about; None on the policy stream."""
    recorded_us: int | None
    """When the store took it, in microseconds since 1970-01-01T00:00:00Z."""
    raw_metadata: bytes = b"{}"
    sealed: bytes | None = None
    """The Personal fields as they are stored, encrypted if the store is sealed."""
    privacy: Privacy | None = None
    """Whether its Personal fields can be read; None if it has none."""

    def __repr__(self) -> str:
        """The fields without personal text: in an unsealed store `sealed` holds it as plain text.

        The event's own repr leaves personal text out too.
        """
        return (
            f"Recorded({self.event!r}, stream={self.stream!r}, version={self.version}, "
            f"position={self.position}, uid={self.uid!r}, customer_id={self.customer_id!r}, "
            f"recorded_us={self.recorded_us}, raw_metadata={self.raw_metadata!r}, "
            f"privacy={self.privacy!r})"
        )

    @property
    def originator_id(self) -> str:
        """The stream's name, as eventsourcing calls it."""
        return self.stream

    @property
    def originator_version(self) -> int:
        """The version, as eventsourcing calls it."""
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
        # An event that has no position yet comes after all events that have one.
        position = LAST.position if self.position is None else self.position
        return Moment(self.event.occurred_at, position)

    @property
    def event_id(self) -> UUID:
        """The event's id, unique in the store."""
        return UUID(self.uid)

    @property
    def recorded_at(self) -> datetime | None:
        """When the store took it, in UTC; None if it did not yet.

        It never decreases as positions rise, unless a clock was more than five minutes wrong.
        """
        return None if self.recorded_us is None else from_microseconds(self.recorded_us)

    @property
    def cursor(self) -> Cursor:
        """What `follow(after=...)` needs to go on after this event.

        Raises ValueError if the event is not recorded yet.
        """
        if self.position is None or self.recorded_us is None:
            raise ValueError("the event is not recorded yet, so it has no position")
        return Cursor(self.position, self.uid, self.recorded_us)

    @property
    def metadata(self) -> Metadata:
        """What the append said about the event: key, source and more. Raises StoreDamaged."""
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
        """Each Personal field that the event has, by name: its text, or a placeholder.

        In the event itself a field that cannot be read is None, like one that was never recorded.
        Raises StoreDamaged.
        """
        if self.privacy == "revealed":
            try:
                return {name: getattr(self.event, name) for name in self.personal}
            except AttributeError as error:
                raise StoreDamaged(
                    f"{self.stream} version {self.version}: its metadata names a text that it "
                    f"cannot have ({error.name})"
                ) from None
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
    """A stream's events with corrections applied.

    Args:
        stream: the stream's name.
        originals: all its events as recorded, in version order.
        as_of: keep only the events that had happened by then (occurred_at, after corrections).
        known_at: keep only the events up to the last one that was recorded by then.
        until: the last position of the store that was recorded by `known_at`. If it is left out,
            it is found among the stream's own events.
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
        """The last position of the store that was recorded by `known_at`, if the caller gave it."""
        self.originals = tuple(originals)
        """Every event on record by `known_at`, as it was recorded."""
        self.set_aside: tuple[Recorded, ...] = ()
        """The corrections of a beginning that was voided whole. What is effective begins after
        them, with the event that opened the case or registered the customer again, if any did."""
        self.voided: dict[str, Recorded] = {}
        """The events that a correction voided, by event id, with earlier corrections applied."""
        self.not_yet: frozenset[IdKey] = frozenset()
        """The ids (of replies, promises, …) that the events left out by `as_of` would bring."""
        self.effective = self._apply_corrections()
        if as_of is not None:
            self.effective = self._that_had_happened(as_of)

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.effective)

    def __len__(self) -> int:
        return len(self.effective)

    @once
    def in_order(self) -> tuple[Recorded, ...]:
        """The effective events in the order in which they happened. Readers use this order."""
        times = [recorded.event.occurred_at for recorded in self.effective]
        if times == sorted(times):  # for equal times the order of versions holds
            return self.effective
        return tuple(sorted(self.effective, key=_occurred_at))

    def find(self, event_id: UUID | str) -> Recorded | None:
        """The effective event with an id; None if there is none, or if it was voided."""
        return self._by_uid.get(str(event_id))

    def original(self, event_id: UUID | str) -> Recorded | None:
        """The event with an id as it was recorded, voided or not; None if there is none."""
        return self._originals_by_uid.get(str(event_id))

    @once
    def _by_uid(self) -> dict[str, Recorded]:
        return {recorded.uid: recorded for recorded in self.effective}

    @once
    def _originals_by_uid(self) -> dict[str, Recorded]:
        return {recorded.uid: recorded for recorded in self.originals}

    def _apply_corrections(self) -> tuple[Recorded, ...]:
        corrections = [r.event for r in self.originals if isinstance(r.event, EventCorrected)]
        if not corrections:
            return self.originals
        effective = {r.uid: r for r in self.originals}
        for correction in corrections:
            target = effective.get(str(correction.event_id))
            if target is None:
                continue  # no append makes such a correction: the store was altered
            if correction.kind == "voided":
                self.voided[target.uid] = effective.pop(target.uid)
            elif correction.changes:
                values = {name: change.get("to") for name, change in correction.changes.items()}
                event = amended(target.event, values)
                effective[target.uid] = msgspec.structs.replace(target, event=event)
        return self._without_set_aside(tuple(effective.values()))

    def _without_set_aside(self, effective: tuple[Recorded, ...]) -> tuple[Recorded, ...]:
        begin = 0
        while begin < len(effective) and isinstance(effective[begin].event, EventCorrected):
            begin += 1
        self.set_aside = effective[:begin]
        return effective[begin:]

    def _that_had_happened(self, as_of: datetime) -> tuple[Recorded, ...]:
        """The effective events that had happened by a time.

        An event is left out too if it refers to something of this stream that had not happened.
        An id that nothing before it in this stream brought belongs to another case, or to nothing:
        the event stays.
        """
        own: set[IdKey] = set()
        known: set[IdKey] = set()
        uids = {uid for uid, r in self.voided.items() if r.occurred_at <= as_of}
        kept: list[Recorded] = []
        begun = not self.stream.startswith("case:")
        for recorded in self.effective:
            event, brought = recorded.event, brings(recorded.event)
            needed = [key for key in needs(event) if key in own and key not in known]
            own.update(brought)
            # CaseOpened comes first in version order; where it had not happened, nothing had.
            begun = begun or (isinstance(event, CaseOpened) and event.occurred_at <= as_of)
            if not begun or event.occurred_at > as_of or needed:
                continue
            if isinstance(event, EventCorrected) and str(event.event_id) not in uids:
                continue
            known.update(brought)
            uids.add(recorded.uid)
            kept.append(recorded)
        self.not_yet = frozenset(own - known)
        return tuple(kept)


_occurred_at = attrgetter("event.occurred_at")


def _last_by(limit: int, originals: Sequence[Recorded]) -> int:
    """The last position that was recorded by a time (in microseconds since 1970); 0 if none."""
    for recorded in reversed(originals):
        if recorded.position is not None and (recorded.recorded_us or 0) <= limit:
            return recorded.position
    return 0
