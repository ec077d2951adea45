"""The ids in events and the references to them, read from the events' declarations.

`brings` lists the ids that an event introduces, `needs` those that it refers to, as pairs (kind,
id). Other code uses these two to check ids, to leave out events whose referent is not there, and to
know which fields a correction may amend. So a new event type needs only its markers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_type_hints

from casestore.events.base import Event, Identity, Known, Money, New, Personal, Ref

IdKey = tuple[str, str]
"""(kind, id), like ("promise", "p1")."""


T = TypeVar("T")


def per_class(function: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """Like `functools.cache`, for a function of a class. (mypy says a class is not hashable.)"""
    return cast(Callable[[type[Any]], T], cache(function))


class Link(NamedTuple):
    """One field of an event that holds ids."""

    field: str
    new: bool
    ids: Callable[[Any], list[IdKey]]
    """Takes the field's value, which is never None, and returns the ids in it."""
    kind: str
    """The kind of the ids; of a text in the field, which is one of them."""


def fields_of(cls: type[Any]) -> dict[str, Any]:
    """The fields of an event or value class, with their annotations and markers."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def marker(hint: Any, kind: type[Any]) -> Any:
    """The first marker of a kind on an annotation, but not on the types inside it."""
    return next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, kind)), None)


def parts(hint: Any) -> Iterable[Any]:
    """An annotation and all types inside it."""
    yield hint
    for arg in get_args(hint):
        yield from parts(arg)


@per_class
def links(cls: type[Event]) -> tuple[Link, ...]:
    """The fields of an event class that hold ids of its stream."""
    found = []
    for name, hint in fields_of(cls).items():
        mark = marker(hint, New) or marker(hint, Known)
        if mark is not None:
            found.append(Link(name, isinstance(mark, New), _reader(mark), mark.kind))
            continue
        for part in parts(hint):  # a value class inside may hold ids, like the asks of a message
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                for inner, inner_hint in fields_of(part).items():
                    if (mark := marker(inner_hint, New)) is not None:
                        read = _nested_reader(inner, mark.kind)
                        found.append(Link(name, True, read, mark.kind))
    return tuple(found)


def _reader(mark: New | Known) -> Callable[[Any], list[IdKey]]:
    kind = mark.kind

    def read(value: Any) -> list[IdKey]:
        if isinstance(value, str):
            return [(kind, value)]
        if isinstance(value, Ref):
            return [(value.kind, value.id)]
        return [(kind, each) for each in value]

    return read


def _nested_reader(inner: str, kind: str) -> Callable[[Any], list[IdKey]]:
    def read(value: Any) -> list[IdKey]:
        return [(kind, getattr(each, inner)) for each in value]

    return read


@per_class
def _new(cls: type[Event]) -> tuple[Link, ...]:
    return tuple(link for link in links(cls) if link.new)


@per_class
def _known(cls: type[Event]) -> tuple[Link, ...]:
    return tuple(link for link in links(cls) if not link.new)


def _collect(event: Event, found_by: tuple[Link, ...]) -> list[IdKey]:
    found: list[IdKey] = []
    for field, _, ids, kind in found_by:
        value = getattr(event, field)
        if type(value) is str:  # most are one id, and every append asks
            found.append((kind, value))
        elif value is not None:
            found += ids(value)
    return found


def brings(event: Event) -> list[IdKey]:
    """The ids that an event introduces into its stream."""
    return _collect(event, _new(type(event)))


def needs(event: Event) -> list[IdKey]:
    """The ids that an event refers to, in its own stream or in another case of the family."""
    return _collect(event, _known(type(event)))


Rename = Callable[[str, str], str]
"""Takes a kind and an id, and returns the new id."""


def renamed(event: Event, rename: Rename) -> Event:
    """A copy of an event in which every id that it brings or refers to is renamed."""
    changes: dict[str, Any] = {}
    for field, write in _writers(type(event)):
        if (held := getattr(event, field)) is not None:
            changes[field] = write(held, rename)
    return _with(event, changes)


@per_class
def _writers(cls: type[Event]) -> tuple[tuple[str, Callable[[Any, Rename], Any]], ...]:
    writers = []
    for name, hint in fields_of(cls).items():
        mark = marker(hint, New) or marker(hint, Known)
        if mark is not None:
            writers.append((name, _writer(mark.kind)))
            continue
        for part in parts(hint):
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                inner = {n: marker(h, New) for n, h in fields_of(part).items()}
                kinds = {n: mark.kind for n, mark in inner.items() if mark is not None}
                if kinds:
                    writers.append((name, _nested_writer(kinds)))
    return tuple(writers)


def _writer(kind: str) -> Callable[[Any, Rename], Any]:
    def write(held: Any, rename: Rename) -> Any:
        if isinstance(held, str):
            return rename(kind, held)
        if isinstance(held, Ref):
            return _with(held, {"id": rename(held.kind, held.id)})
        return tuple(rename(kind, each) for each in held)

    return write


def _nested_writer(kinds: dict[str, str]) -> Callable[[Any, Rename], Any]:
    def write(held: Any, rename: Rename) -> Any:
        return tuple(
            _with(each, {name: rename(kind, getattr(each, name)) for name, kind in kinds.items()})
            for each in held
        )

    return write


def _with(held: T, changes: dict[str, Any]) -> T:
    """A copy of an event or value with some changed fields, which are not validated again."""
    made = copy(held)
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made


FAMILY_KINDS = frozenset({"reply", "ask", "promise", "issue", "statement", "gesture", "remedy"})
"""The kinds of id that another case of the same family may refer to, as "case_id/id"."""


def places(full_id: str) -> Iterator[tuple[str, str]]:
    """All ways to split "case_id/id", as either part may have a slash itself."""
    for at, character in enumerate(full_id):
        if character == "/" and 0 < at < len(full_id) - 1:
            yield full_id[:at], full_id[at + 1 :]


def cases_named(event: Event) -> list[str]:
    """The cases whose ids an event may refer to; its own case only if the event names it."""
    return [
        case_id
        for kind, full_id in needs(event)
        if "/" in full_id and kind in FAMILY_KINDS
        for case_id, _ in places(full_id)
    ]


Has = Callable[[str, str, str], bool]
"""Whether a case has an id. The arguments are the case's id, the kind, and the id."""
Names = Mapping[tuple[str, str, str], str]
"""By which name other than "case_id/id" an id is read. The keys are the case's id, the kind and the
id."""


def names_apart(reader: str, own: Mapping[str, Collection[IdKey]]) -> Names:
    """Names for ids whose "case_id/id" is taken: ids may contain a slash themselves.

    Such a name has more slashes.

    Args:
        reader: the id of the case that reads, whose ids are plain.
        own: the ids of each case of its family.
    """
    taken = set(own.get(reader, ()))
    found = {}
    for case_id in sorted(own.keys() - {reader}):
        for kind, name in sorted(own[case_id]):
            full_id = f"{case_id}/{name}"
            while (kind, full_id) in taken:
                full_id = f"{case_id}/{full_id.removeprefix(case_id)}"
                found[case_id, kind, name] = full_id
            taken.add((kind, full_id))
    return found


_NONE: Names = {}


def as_named(event: Event, case_id: str, reader: str, has: Has, names: Names = _NONE) -> Event:
    """A copy of an event with ids as another case of its family would write them.

    Ids of the reading case become plain ids, and all others become "case_id/id".

    Args:
        event: the event as it is in the stream of its case.
        case_id: the id of its case.
        reader: the id of the case that reads it. If this is the event's own case, ids that were
            written as "case_id/id" with its own case_id become plain.
        has: says whether a case of the family has an id; False for any other case.
        names: what `names_apart` gives for the family.
    """
    if case_id == reader and not any("/" in name for _, name in needs(event)):
        return event

    def full(other: str, kind: str, name: str) -> str:
        return names.get((other, kind, name)) or f"{other}/{name}"

    def rename(kind: str, name: str) -> str:
        if not has(case_id, kind, name):
            for other, inner in places(name):
                if has(other, kind, inner):
                    return inner if other == reader else full(other, kind, inner)
            if kind in FAMILY_KINDS:
                return name  # the case is not of the family, so this refers to nothing
        return name if case_id == reader else full(case_id, kind, name)

    return renamed(event, rename)


@per_class
def holding(cls: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of an event class that are instants, and the fields that contain money."""
    hints = fields_of(cls).items()
    instants = tuple(name for name, hint in hints if datetime in parts(hint))
    money = tuple(name for name, hint in hints if any(part is Money for part in _deep_parts(hint)))
    return instants, money


def _deep_parts(hint: Any) -> Iterator[Any]:
    for part in parts(hint):
        yield part
        if isinstance(part, type) and dataclasses.is_dataclass(part) and part is not Money:
            for inner in fields_of(part).values():
                yield from _deep_parts(inner)


def instants(event: Event) -> Iterator[tuple[str, datetime]]:
    """The instants in an event, each with its field's name."""
    for name in holding(type(event))[0]:
        if (at := getattr(event, name)) is not None:
            yield name, at


def amounts(event: Event) -> Iterator[tuple[str, Money]]:
    """The amounts of money in an event, each with its field's name."""
    for name in holding(type(event))[1]:
        held = getattr(event, name)
        for money in _money_in(held):
            yield name, money


def _money_in(held: Any) -> Iterator[Money]:
    if isinstance(held, Money):
        yield held
    elif isinstance(held, tuple):
        for each in held:
            yield from _money_in(each)
    elif dataclasses.is_dataclass(held):
        for field in dataclasses.fields(held):
            yield from _money_in(getattr(held, field.name))


@per_class
def personal_fields(cls: type[Event]) -> tuple[str, ...]:
    """The names of an event class's Personal fields, in the order of their declaration."""
    return tuple(name for name, hint in fields_of(cls).items() if marker(hint, Personal))


@per_class
def amendable_fields(cls: type[Event]) -> frozenset[str]:
    """The fields that a correction may amend: those that are neither Personal nor hold ids."""
    return frozenset(
        name
        for name, hint in fields_of(cls).items()
        if not marker(hint, Personal)
        and not marker(hint, Identity)
        and not any(link.field == name for link in links(cls))
    )
