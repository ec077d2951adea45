"""A sample of every event type, made from its declaration, with all fields or the required ones."""

from __future__ import annotations

import dataclasses
import types
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from casestore.events import Event
from casestore.events.markers import fields_of, personal_fields

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SPECIAL: dict[tuple[str, str], Any] = {
    ("DeliveryFailed", "code"): "5.1.1",
    ("ReplySent", "language"): "pt-BR",
    ("PreferenceStated", "value"): "email",
    ("PolicyAdopted", "policy"): {"conduct": {"max_agents": 3, "needs_operations": ["venue"]}},
    ("EventCorrected", "changes"): {"channel": {"from": "email", "to": "letter"}, "x": {"to": 1}},
}


def full(cls: type[Event]) -> Event:
    """An event with every field set."""
    fields = {name: _value(cls, name, hint) for name, hint in fields_of(cls).items()}
    return cls(**fields)


def least(cls: type[Event]) -> Event:
    """An event with only the fields that must be given."""
    fields: dict[str, Any] = {}
    for name, hint in fields_of(cls).items():
        default: Any = cls.__dataclass_fields__[name]
        if default.default is not None and not isinstance(default.default, bool):
            fields[name] = _value(cls, name, hint)
    if cls.__name__ == "CaseAssigned":
        fields["team"] = "north"
    if cls.__name__ == "PreferenceStated":
        fields["value"] = "email"
    if cls.__name__ == "EventCorrected":
        fields["changes"] = SPECIAL["EventCorrected", "changes"]
    return cls(**fields)


def required(cls: type[Event]) -> set[str]:
    """The names of the fields that must be given."""
    return {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is not None and not isinstance(field.default, bool)
    }


def changed(event: Event, **fields: Any) -> Any:
    """The event with other values in some fields."""
    return dataclasses.replace(event, **fields)


def _value(cls: type[Any], name: str, hint: Any) -> Any:
    if (cls.__name__, name) in SPECIAL:
        return SPECIAL[cls.__name__, name]
    if issubclass(cls, Event) and name in personal_fields(cls):
        return f"Words of {cls.__name__}.{name}: «Grüße» \U0001f642"
    return _of(name, hint)


def _of(name: str, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is Annotated:
        return _of(name, get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return _of(name, next(arg for arg in get_args(hint) if arg is not type(None)))
    if origin is Literal:
        return get_args(hint)[0]
    if origin is tuple:
        return (_of(name, get_args(hint)[0]),)
    simple = {
        str: f"{name}-1",
        bool: True,
        int: 4,
        datetime: AT if name == "occurred_at" else AT.replace(hour=17),
        Decimal: Decimal("25.00"),
        UUID: UUID(int=7),
    }
    if hint in simple:
        return "USD" if name == "currency" else simple[hint]
    assert not is_typeddict(hint)
    return hint(**{inner: _of(inner, type_) for inner, type_ in fields_of(hint).items()})
