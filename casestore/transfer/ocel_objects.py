"""What the events of a store say of objects, for OCEL: which there are, and how they changed.

The objects are cases and customers, agents and teams, and what has an id in a case: promises,
gestures, remedies and replies. Their ids are like case:4711 and promise:4711/p1. In the case's part
of the latter "/" is written %2F, and "%" %25, so that no two objects have one id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from casestore.events import (
    Actor,
    CustomerRegistered,
    DeliveryConfirmed,
    DeliveryFailed,
    Event,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    PersonalDataErased,
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
    RemedyGiven,
    RemedyReversed,
    ReplySent,
)
from casestore.events.base import Known, New
from casestore.events.markers import brings, fields_of, links, marker, per_class, places
from casestore.streams.history import History, Recorded
from casestore.streams.standing import STANDING, Standing, stand
from casestore.transfer.mining import Column, Type, columns, text

_GIVEN: Mapping[str, Type] = {
    "kind": "string",
    "value_amount": "float",
    "value_currency": "string",
    "status": "string",
}
_CASE = ("status", "close_reason", "channel", "product", "region", "category", "agent", "team")
OBJECTS: Mapping[str, Mapping[str, Type]] = {
    "case": dict.fromkeys(_CASE, "string"),
    "customer": {"since": "time", "erased": "boolean"},
    "agent": {},
    "team": {},
    "promise": {"kind": "string", "due_at": "time", "status": "string"},
    "gesture": _GIVEN,
    "remedy": _GIVEN,
    "reply": {
        "channel": "string",
        "purpose": "string",
        "automated": "boolean",
        "language": "string",
        "delivery": "string",
    },
}
"""The types of objects, each with its attributes and their types."""
_REPLY = ("channel", "purpose", "automated", "language")
_INNER = ("promise", "gesture", "remedy", "reply")
"""What has an id in a case."""
_STREAMS = {"customer_id": "customer", "into": None, "out_of": None}
"""Fields that name a stream, by its kind; None is that of the event's own."""

Named = Sequence[str]
"""The ids that an object may have, of which the first that is in the file counts: "a/b/c" may be
the c of the case a/b, or the b/c of the case a."""


class Change(NamedTuple):
    """An attribute of an object got a value; empty text where it has none any more."""

    object: Named
    name: str
    value: str


class Link(NamedTuple):
    """From an event, or from an object, to an object."""

    object: Named
    qualifier: str
    sure: bool = True
    """Whether the object is in the file because it is named here."""


class OfStream:
    """What the events of one stream say of objects. They are told in the order of happening."""

    def __init__(self, history: History, happened: Sequence[Recorded]) -> None:
        self.stream = history.stream
        self.kind, _, self.id = history.stream.partition(":")
        self._own = {key for recorded in happened for key in brings(recorded.event)}
        self._standing = Standing()
        self._due: dict[str, Any] = {}
        """When each promise is due, as the customer agreed."""

    def links(self, recorded: Recorded) -> Iterator[Link]:
        """The objects that an event is about."""
        event = recorded.event
        yield Link((self.stream,), self.kind)
        for field, kind in _relations(type(event)):
            if (value := getattr(event, field)) is None:
                continue
            qualifier = field.removesuffix("_id")
            if isinstance(value, Actor):
                yield from self._actor(recorded, value, field)
            elif kind in ("agent", "team"):
                yield Link((f"{kind}:{value}",), qualifier)
            elif field in _STREAMS:
                yield Link((f"{kind or self.kind}:{value}",), qualifier, kind is not None)
        for link in links(type(event)):
            if (value := getattr(event, link.field)) is not None:
                for kind, name in link.ids(value):
                    if kind in _INNER and (named := self._named(kind, name)):
                        qualifier = link.field.removesuffix("_id")
                        yield Link(named, qualifier, (kind, name) in self._own)

    def _actor(self, recorded: Recorded, actor: Actor, field: str) -> Iterator[Link]:
        if actor.kind == "agent":
            yield Link((f"agent:{actor.id}",), field)
        elif actor.kind == "customer":
            # Somebody may act for the customer, under an id that no customer has.
            yield Link((f"customer:{actor.id}",), field, actor.id == recorded.customer_id)
        if actor.team is not None:
            yield Link((f"team:{actor.team}",), f"{field}_team")

    def of_objects(self) -> Iterator[tuple[str, Link]]:
        """The links between objects, each with the id of the one that it leads from.

        They are as at the end, so that this is asked after `changes` of all events.
        """
        if self.kind == "case":
            if self._standing.customer_id is not None:
                yield self.stream, Link((f"customer:{self._standing.customer_id}",), "customer")
            if self._standing.merged_into is not None:
                into = (f"case:{self._standing.merged_into}",)
                yield self.stream, Link(into, "merged_into", sure=False)
        for kind, name in sorted(self._own):
            if kind in _INNER:
                yield self._named(kind, name)[0], Link((self.stream,), "case")

    def _named(self, kind: str, name: str) -> Named:
        """The ids that an object of a case may have."""
        if (kind, name) in self._own:
            return (_inner_id(kind, self.id, name),)
        return [_inner_id(kind, other, inner) for other, inner in places(name)]

    # --- what changed -----------------------------------------------------------------------

    def changes(self, event: Event) -> Iterator[Change]:
        """What an event changes of objects."""
        if isinstance(event, STANDING):
            before, self._standing = self._standing, stand(self._standing, event)
            for name in _CASE:
                if (value := getattr(self._standing, name)) != getattr(before, name):
                    yield Change((self.stream,), name, value or "")
        else:
            kind, inner, said = self._said(event)
            named = self._named(kind, inner) if inner else (self.stream,)
            for attribute, value in said.items():
                if value is not None and named:
                    yield Change(named, attribute, text(value))

    def _said(self, event: Event) -> tuple[str, str, dict[str, Any]]:
        """The kind and id of the object that an event changes, and how; "" is the stream's own."""
        match event:
            case CustomerRegistered():
                return "customer", "", {"since": event.since, "erased": False}
            case PersonalDataErased():
                return "customer", "", {"erased": True}
            case PromiseMade():
                self._due[event.promise_id] = event.due_at
                said = {"kind": event.kind, "due_at": event.due_at, "status": "open"}
                return "promise", event.promise_id, said
            case PromiseRenegotiated():
                return "promise", event.promise_id, self._renegotiated(event)
            case PromiseKept():
                return "promise", event.promise_id, {"status": "kept"}
            case PromiseReleased():
                return "promise", event.promise_id, {"status": "released"}
            case PromiseWithdrawn():
                return "promise", event.promise_id, {"status": "withdrawn"}
            case GestureGiven():
                return "gesture", event.gesture_id, _given(event)
            case GestureDeclined():
                return "gesture", event.gesture_id, {"status": "declined"}
            case GestureReversed():
                return "gesture", event.gesture_id, {"status": "reversed"}
            case RemedyGiven():
                return "remedy", event.remedy_id, _given(event)
            case RemedyReversed():
                return "remedy", event.remedy_id, {"status": "reversed"}
            case ReplySent():
                said = {name: getattr(event, name) for name in _REPLY}
                return "reply", event.reply_id, said | {"delivery": "sent"}
            case DeliveryConfirmed():
                return "reply", event.reply_id, {"delivery": "confirmed"}
            case DeliveryFailed():
                return "reply", event.reply_id, {"delivery": event.kind}
            case _:
                return "", "", {}

    def _renegotiated(self, event: PromiseRenegotiated) -> dict[str, Any]:
        """A new time counts if the customer agreed before the old one had passed."""
        due = self._due.get(event.promise_id)
        if not event.agreed_by_customer or (due is not None and event.occurred_at > due):
            return {}
        self._due[event.promise_id] = event.due_at
        return {"due_at": event.due_at}


def _given(event: GestureGiven | RemedyGiven) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": event.kind, "status": "given"}
    if event.value is not None:
        said |= {"value_amount": event.value.amount, "value_currency": event.value.currency}
    return said


def _inner_id(kind: str, case_id: str, name: str) -> str:
    return f"{kind}:{case_id.replace('%', '%25').replace('/', '%2F')}/{name}"


@per_class
def _relations(cls: type[Event]) -> tuple[tuple[str, str | None], ...]:
    """The fields that name actors, streams, agents and teams, each with the kind of object."""
    found: list[tuple[str, str | None]] = []
    for name in fields_of(cls):
        if name in _STREAMS:
            found.append((name, _STREAMS[name]))
        elif name in ("agent", "team"):
            found.append((name, name))
        elif any(column.path == (name, "role") for column in columns(cls)):
            found.append((name, "actor"))
    return tuple(found)


@per_class
def attributes(cls: type[Event]) -> tuple[Column, ...]:
    """The plain values of an event class that are attributes of its events: not ids of objects."""
    objects = {name for name, kind in _relations(cls) if kind != "actor"}
    for name, hint in fields_of(cls).items():
        mark = marker(hint, New) or marker(hint, Known)
        if mark is not None and mark.kind in _INNER:
            objects.add(name)
    return tuple(column for column in columns(cls) if column.field not in objects)
