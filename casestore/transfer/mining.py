"""What formats for process mining share: histories as they happened, and events as plain values.

They tell what happened: corrections are applied, what was voided is absent, and the events come in
the order of happening. Personal text is never read.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from casestore.events import Event, EventCorrected
from casestore.events.base import Personal
from casestore.events.markers import fields_of, marker, per_class
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.history import History, Recorded

Type = Literal["string", "time", "integer", "float", "boolean"]


class Column(NamedTuple):
    """A plain value of an event."""

    name: str
    """The field's name; of a value class, with the inner name: actor_id, value_amount."""
    type: Type
    path: tuple[str, ...]
    """The field, and the field within it."""

    @property
    def field(self) -> str:
        """The event's field."""
        return self.path[0]


def histories(
    store: CaseStore, stream: str | None, wanted: Iterable[str] = ("case", "customer")
) -> Iterator[tuple[History, list[Recorded]]]:
    """The histories of all streams of some kinds, or of one stream, with what happened, in order.

    They are as of one moment, however many events are appended meanwhile. A stream of which all was
    voided is left out.

    Raises:
        StreamNotFound: there is no such stream.
        InvalidStream: `stream` is not the name of a stream.
        StoreUnavailable: the database does not answer.
        StoreDamaged: a stored event cannot be read.
    """
    last = store._recorder.last_position()
    names: Iterable[str] = chain.from_iterable(map(store.streams, wanted))
    if stream is not None:
        kinds.parse(stream)
        names = [stream]
    for name in names:
        history = store.history(name)
        if (history.originals[-1].position or 0) > last:
            known = [each for each in history.originals if (each.position or 0) <= last]
            history = History(name, known)
        happened = [r for r in history.in_order if not isinstance(r.event, EventCorrected)]
        if happened:
            yield history, happened


@per_class
def columns(cls: type[Event]) -> tuple[Column, ...]:
    """The plain values of an event class, without Personal fields and `occurred_at`."""
    return tuple(
        column
        for name, hint in fields_of(cls).items()
        if name != "occurred_at" and marker(hint, Personal) is None
        for column in _columns(name, hint, (name,))
    )


def _columns(name: str, hint: Any, path: tuple[str, ...]) -> Iterator[Column]:
    bare = _bare(hint)
    if isinstance(bare, type) and is_dataclass(bare):
        for inner, inner_hint in fields_of(bare).items():
            yield from _columns(f"{name}_{inner}", inner_hint, (*path, inner))
    else:
        yield Column(name, _TYPES.get(bare, "string"), path)


_TYPES: dict[Any, Type] = {
    bool: "boolean",
    int: "integer",
    Decimal: "float",
    datetime: "time",
}


def _bare(hint: Any) -> Any:
    """A type without its marks, and without None."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bare(args[0])
    if origin in (Union, types.UnionType):
        present = [arg for arg in args if arg is not type(None)]
        return _bare(present[0]) if len(present) == 1 else hint
    return hint


def values(event: Event, wanted: Iterable[Column]) -> Iterator[tuple[Column, str]]:
    """An event's plain values as text; those that are None are left out."""
    for column in wanted:
        value: Any = event
        for part in column.path:
            value = getattr(value, part)
            if value is None:
                break
        else:
            yield column, text(value)


def text(value: Any) -> str:
    """A value as text: a time in ISO 8601 with Z, an amount without exponent, a list as JSON."""
    write = _TEXTS.get(type(value))
    return write(value) if write is not None else msgspec.json.encode(_json(value)).decode()


def moment(at: datetime) -> str:
    """A time in UTC as text that is always as long: 2026-03-02T17:00:00.000000Z."""
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


_TEXTS: dict[type[Any], Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: lambda value: format(value, "f"),
    datetime: moment,
}


def _json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_json(each) for each in value]
    if is_dataclass(value):
        fields = ((name, getattr(value, name)) for name in fields_of(type(value)))
        return {name: _json(each) for name, each in fields if each is not None}
    return text(value) if type(value) in _TEXTS and not isinstance(value, bool | int) else value
