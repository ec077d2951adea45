"""What every event is made of: the base class, the value types and the markers on fields.

An event is a frozen, keyword-only dataclass with slots for its required fields. pydantic validates
it once, when it is made (`casestore.events.made`). Stored events are decoded by msgspec directly
into the same class (`casestore.streams.codec`).

Fields have two kinds of markers. They are all that the rest of the library needs to know:

* `Personal`: the field holds words about or from a person, and is sealed apart from the rest;
* `New(kind)` and `Known(kind)`: the field brings an id into its stream, or refers to an id that the
  stream must already have. `casestore.events.markers` reads them from the declarations.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from inspect import get_annotations
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    cast,
    dataclass_transform,
    get_type_hints,
)

from casestore.events.made import After, Before, Kept, refused, validating, with_check


class Personal:
    """Marks a field that holds words about or from a person.

    Write `Annotated[str | None, Personal()]`: a marker inside the union would be lost.
    """


class Identity:
    """Marks a field that holds ids. A correction may not amend it."""


class New(Identity):
    """Marks a field whose ids, of some kind, must not be used in the stream yet: `New("reply")`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Known(Identity):
    """Marks a field whose ids, of some kind, must already be known in the stream or its family.

    On a `Ref` the kind is "*", because the reference itself names the kind.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind


T = TypeVar("T")

_CONFIG = {"extra": "forbid", "hide_input_in_errors": True, "ser_json_inf_nan": "strings"}


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,)
)
def value(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass, which pydantic validates as it is made."""
    made = dataclass(frozen=True, kw_only=True, repr=False, init=False)(_slotted(cls))
    made.__init__ = validating(made)  # type: ignore[method-assign]
    return made


def _slotted(cls: type[T]) -> type[T]:
    """The same class with a slot for each field that has no default.

    A field with a default is kept in `__dict__` if it was given; if not, the class's attribute is
    its value. With a slot for every field, decoding would take three times as long: msgspec asks
    whether each field that a stored event leaves out is set, and an empty slot raises an exception.
    """
    body = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
    # From Python 3.14 on, a class gets __annotations__ only when they are first asked for.
    given = [name for name in get_annotations(cls) if name not in body]
    body["__slots__"] = (*given, *(() if hasattr(cls.__bases__[0], "__slots__") else ("__dict__",)))
    body |= {"__getstate__": _state, "__setstate__": _restore, "__repr__": _shown}
    body["__pydantic_config__"] = _CONFIG
    if "_check" in body:
        body["__get_pydantic_core_schema__"] = classmethod(with_check)
    return cast(type[T], type(cls.__name__, cls.__bases__, body))


def _state(made: Any) -> dict[str, Any]:
    return {field.name: getattr(made, field.name) for field in fields(made)}


def _shown(made: Any) -> str:
    """As dataclasses are shown, but for personal text: what is shown ends in logs."""
    hints = _hints(type(made))
    shown = []
    for field in fields(made):
        held = getattr(made, field.name)
        marks = getattr(hints[field.name], "__metadata__", ())
        words = held is not None and any(isinstance(mark, Personal) for mark in marks)
        shown.append(f"{field.name}={'Personal(…)' if words else repr(held)}")
    return f"{type(made).__name__}({', '.join(shown)})"


_hints = cast(
    Callable[[type[Any]], dict[str, Any]], cache(partial(get_type_hints, include_extras=True))
)


def unchecked(cls: type[T], **held: object) -> T:
    """A value as it is, without validation, and so without pydantic.

    Args:
        cls: its class.
        held: its required fields, and others that are not as by default.
    """
    made = cls.__new__(cls)
    given = {field.name: field.default_factory() for field in _factories(cls)} | held
    _restore(made, given)
    return made


def _factories(cls: type[Any]) -> Iterator[Any]:
    return (each for each in fields(cls) if each.default_factory is not MISSING)


def _restore(made: Any, state: dict[str, Any]) -> None:
    for name, each in state.items():
        object.__setattr__(made, name, each)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,)
)
def event(cls: type[T]) -> type[T]:
    """Like `value`, for a class of events."""
    return value(cls)


def _instant(given: Any) -> datetime:
    if type(given) is str:
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise refused(
                "instant", "is not a time; write it like 2026-03-02T09:30:00+01:00"
            ) from None
    if type(given) is datetime and given.tzinfo is UTC:
        return given
    if not isinstance(given, datetime):
        raise refused("instant", "is not a time; give a datetime or text like 2026-03-02T09:30:00Z")
    if given.utcoffset() is None:
        raise refused("instant", "has no time zone; add one, like Z or +01:00")
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise refused("instant", "is outside the years 1 to 9999 in UTC") from None


def _amount(given: Decimal) -> Decimal:
    # Exponents and -0 are normalised (1E+3 is 1000, -0 is 0), so that equal bytes are stored.
    return abs(Decimal(format(given, "f")))


def is_language(given: str) -> bool:
    """Whether a text is a language tag.

    RFC 5646, the well-formed subset in use: language, script, region, variants, extensions.
    """
    return len(given) <= _LONGEST_TAG and _BCP47.fullmatch(given) is not None


_LONGEST_TAG = 80


def _language(given: str) -> str:
    if not is_language(given):
        raise refused("language", "is not a BCP 47 language tag, like en or pt-BR")
    return given


_BCP47 = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?(-[A-Za-z0-9]{1,8})*")

Id = Annotated[str, Kept(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""The caller's own id: 1 to 200 characters, no control characters."""
is_id = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}").fullmatch
"""Whether a text is an Id: a lone surrogate is no character either."""
FullId = Annotated[str, Kept(min_length=1, max_length=401, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""An id of the same case, or "case_id/id" for an id of another case of the same family."""
Code = Id
"""A short identifier (product, region, reason, reference …), never prose."""
Instant = Annotated[datetime, Before(_instant)]
"""An aware datetime, normalised to UTC; text in ISO 8601 with an offset is accepted."""
Flag = Annotated[bool, Kept(strict=True)]
Language = Annotated[str, Kept(max_length=_LONGEST_TAG), After(_language)]
"""A BCP 47 language tag (RFC 5646), kept as given."""
Text = Annotated[str, Kept(min_length=0)]
"""Any text; to have a constraint at all refuses lone surrogates, which UTF-8 cannot hold."""
PersonalText = Annotated[Text | None, Personal()]

Channel = Literal[
    "phone", "visit", "video", "email", "letter", "chat", "sms", "web", "social", "other"
]
SPOKEN: frozenset[str] = frozenset({"phone", "visit", "video"})
"""The channels on which people speak rather than write."""


@value
class Actor:
    """Who did it, as they were at that moment."""

    kind: Literal["agent", "customer", "system", "operations", "executive", "third_party"]
    """What they are: one of customer service (agent), the customer, a machine (system), the
    department that did the work (operations), an executive, or somebody else."""
    id: Id
    """Who they are: an id, never a name."""
    role: Code | None = None
    """In which role they acted; a policy says what each role may give and decide."""
    team: Code | None = None
    """For which team they acted. Left out, it is the team that the case had at that time."""


@value
class Money:
    """An amount in one currency. Amounts in different currencies are never added together."""

    amount: Annotated[
        Decimal,
        Kept(ge=0, max_digits=24, decimal_places=8, allow_inf_nan=False),
        After(_amount),
    ]
    """How much, in units of the currency: 25.00."""
    currency: Annotated[str, Kept(pattern=r"^[A-Z]{3}$")]
    """The ISO 4217 code, three capital letters. An append checks that the list has it; reading does
    not, so that stored events stay readable however the list changes."""

    @classmethod
    def exact(cls, amount: Decimal, currency: str) -> Money:
        """An amount without validation: a sum may have more digits than a single amount."""
        made = cls.__new__(cls)  # not `unchecked`: reports make many
        object.__setattr__(made, "amount", amount)
        object.__setattr__(made, "currency", currency)
        return made


@value
class Ref:
    """A reply, remedy, gesture or promise of this stream or family, or an offer of this stream."""

    kind: Literal["reply", "remedy", "gesture", "offer", "promise"]
    """What it is."""
    id: FullId
    """Its id, as its own event gave it."""


Upcast = Callable[[dict[str, Any]], dict[str, Any]]


@event
class Event:
    """What every event has: when it happened and who did it.

    `TOLD` is the event in words for timelines; see `casestore.streams.wording`. A class whose
    schema changed so that it cannot read old data raises `SCHEMA` by one and adds to `UPCASTS` a
    function from the previous schema's data to its own; its topic becomes `Name@2`.
    """

    SCHEMA: ClassVar[int] = 1
    UPCASTS: ClassVar[dict[int, Upcast]] = {}
    TOLD: ClassVar[str] = ""

    occurred_at: Instant
    """When it happened; reports go by this time, not by that of recording."""
    actor: Actor
    """Who did it."""


IssueIds = Annotated[tuple[FullId, ...] | None, Known("issue")]
ReplyId = Annotated[FullId | None, Known("reply")]
AskId = Annotated[FullId | None, Known("ask")]
Codes = tuple[Code, ...] | None
