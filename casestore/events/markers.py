"""Ids and what refers to them, read off the events' declarations (`New`, `Known`).

`brings` and `needs` list the ids that an event introduces and refers to, as (kind, id) pairs.
Checking ids, leaving out events whose referent is not in a selection, and telling which fields
a correction may touch all rest on these two, so a new event type needs nothing but its markers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_type_hints

from casestore.events.base import Event, Identity, Known, New, Personal, Ref

IdKey = tuple[str, str]
"""(kind, id), like ("promise", "p1")."""


T = TypeVar("T")


def per_class(function: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """Work something out once for each class. (mypy does not take a class to be hashable.)"""
    return cast(Callable[[type[Any]], T], cache(function))


class Link(NamedTuple):
    """One field of an event that holds ids."""

    field: str
    new: bool
    ids: Callable[[Any], list[IdKey]]
    """From the field's value, never None, to the ids in it."""


def fields_of(cls: type[Any]) -> dict[str, Any]:
    """The fields of an event or value class with their annotations, markers included."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def marker(hint: Any, kind: type[Any]) -> Any:
    """The first marker of a kind on an annotation itself (not on what is nested in it)."""
    return next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, kind)), None)


def parts(hint: Any) -> Iterable[Any]:
    """An annotation and everything in it."""
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
            found.append(Link(name, isinstance(mark, New), _reader(mark)))
            continue
        for part in parts(hint):  # a value class inside, like the asks of a message
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                for inner, inner_hint in fields_of(part).items():
                    if (mark := marker(inner_hint, New)) is not None:
                        found.append(Link(name, True, _nested_reader(inner, mark.kind)))
    return tuple(found)


def _reader(mark: New | Known) -> Callable[[Any], list[IdKey]]:
    kind = mark.kind
    elsewhere = isinstance(mark, Known) and mark.elsewhere

    def read(value: Any) -> list[IdKey]:
        if isinstance(value, str):
            return [] if elsewhere and "/" in value else [(kind, value)]
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
    for link in found_by:
        if (value := getattr(event, link.field)) is not None:
            found += link.ids(value)
    return found


def brings(event: Event) -> list[IdKey]:
    """The ids that an event introduces into its stream."""
    return _collect(event, _new(type(event)))


def needs(event: Event) -> list[IdKey]:
    """The ids of its own stream that an event refers to."""
    return _collect(event, _known(type(event)))


@per_class
def personal_fields(cls: type[Event]) -> tuple[str, ...]:
    """The names of an event class's Personal fields, in the order of their declaration."""
    return tuple(name for name, hint in fields_of(cls).items() if marker(hint, Personal))


@per_class
def amendable_fields(cls: type[Event]) -> frozenset[str]:
    """The fields that a correction may amend: neither Personal nor holding ids."""
    return frozenset(
        name
        for name, hint in fields_of(cls).items()
        if not marker(hint, Personal)
        and not marker(hint, Identity)
        and not any(link.field == name for link in links(cls))
    )
