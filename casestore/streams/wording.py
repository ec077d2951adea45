"""Events in words, for timelines: the template `TOLD` of a class, filled with an event's values.

A `TOLD` template holds

    {field}         the value in words
    {field|word}    the word where the value is None
    {field?yes:no}  for a flag: the first text if it is true, the second if false, none if None
    [… {field} …]   a part that is left out if a field in it is None or an empty list

The text does not name the actor, because a timeline shows the actor in a column of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, NamedTuple, get_args, get_origin

from casestore.events import Actor, Ask, Event, Money, Option, Ref
from casestore.events.markers import fields_of, per_class, personal_fields
from casestore.streams.history import Recorded


class _Field(NamedTuple):
    name: str
    default: str | None


class _Flag(NamedTuple):
    name: str
    yes: str
    no: str


_Piece = str | _Field | _Flag


class _Part(NamedTuple):
    pieces: tuple[_Piece, ...]
    optional: bool


class _Template(NamedTuple):
    parts: tuple[_Part, ...]
    coded: frozenset[str]
    """The fields with a fixed set of values. In words, their underscores become spaces."""
    personal: frozenset[str]


_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_PIECE = re.compile(r"\{(\w+)(?:\|([^}]*)|\?([^:}]*):([^}]*))?\}")


@per_class
def _template(cls: type[Event]) -> _Template:
    # re.split with a group returns texts outside and inside of brackets in turn.
    split = _OPTIONAL.split(cls.TOLD)
    parts = tuple(_Part(_pieces(text), index % 2 == 1) for index, text in enumerate(split))
    coded = frozenset(name for name, hint in fields_of(cls).items() if _is_coded(hint))
    return _Template(parts, coded, frozenset(personal_fields(cls)))


def _pieces(text: str) -> tuple[_Piece, ...]:
    found: list[_Piece] = []
    end = 0
    for match in _PIECE.finditer(text):
        found.append(text[end : match.start()])
        name, default, yes, no = match.groups()
        found.append(_Field(name, default) if yes is None else _Flag(name, yes, no))
        end = match.end()
    return (*found, text[end:])


def _is_coded(hint: Any) -> bool:
    return get_origin(hint) is Literal or any(map(_is_coded, get_args(hint)))


def tell(recorded: Recorded, zone: tzinfo = UTC, **instead: str) -> str:
    """An event in words. In place of personal text that cannot be read there is "[withheld]" or
    "[erased]".

    Args:
        recorded: the event.
        zone: the time zone in which times are shown.
        instead: texts to show in place of a field's value, by field.
    """
    hidden: dict[str, str] = {}
    if recorded.privacy in ("withheld", "erased"):
        hidden = {name: str(instead_of) for name, instead_of in recorded.words.items()}
    template = _template(type(recorded.event))
    worded = _Worded(recorded.event, template, zone, hidden | instead)
    return "".join(map(worded.part, template.parts))


class _Worded:
    """Fills the pieces of a template with the values of one event."""

    def __init__(
        self, event: Event, template: _Template, zone: tzinfo, instead: Mapping[str, str]
    ) -> None:
        self.event = event
        self.template = template
        self.zone = zone
        self.instead = instead

    def part(self, part: _Part) -> str:
        texts = [self.piece(piece) for piece in part.pieces]
        if part.optional and None in texts:
            return ""
        return "".join(text or "" for text in texts)

    def piece(self, piece: _Piece) -> str | None:
        """A piece in words; None if its field has no value."""
        if isinstance(piece, str):
            return piece
        value = getattr(self.event, piece.name)
        if isinstance(piece, _Flag):
            return "" if value is None else piece.yes if value else piece.no
        if piece.name in self.instead:
            return self.instead[piece.name]
        if value is None or value == ():
            return piece.default
        if piece.name in self.template.personal:
            return f"“{value}”"
        if piece.name in self.template.coded:
            return _spaced(str(value))
        return words(value, self.zone)


def words(value: Any, zone: tzinfo = UTC) -> str:
    """A value of an event or of a case's state, in words."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return instant(value, zone)
        case Money():
            return f"{value.amount:f} {value.currency}"
        case Ref():
            return f"{value.kind} {value.id}"
        case Actor():
            return f"{_spaced(value.kind)} {value.id}"
        case Ask():
            return f"{value.ask_id} ({_spaced(value.kind)})"
        case Option():
            worth = "" if value.value is None else f" {words(value.value)}"
            return f"{value.option_id} {value.kind}{worth}"
        case Mapping():
            return ", ".join(_entry(name, each, zone) for name, each in value.items())
        case list() | tuple():
            return ", ".join(words(each, zone) for each in value)
        case _:
            return str(value)


def counted(number: int, noun: str) -> str:
    """A number of things in words: `1 event`, `2,000 events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: int) -> str:
    """Seconds in words: the largest unit, and the next smaller one if there are any: 3 d 4 h."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    units = ((days, "d"), (hours, "h"), (minutes, "min"))
    parts = [f"{number} {unit}" for number, unit in units if number]
    largest = next(index for index, (number, _) in enumerate(units) if number)
    next_number = units[largest + 1][0] if largest + 1 < len(units) else 0
    return " ".join(parts[: 2 if next_number else 1])


def _entry(name: str, value: Any, zone: tzinfo) -> str:
    if isinstance(value, Mapping) and value.keys() <= {"from", "to"}:  # a correction's change
        before, after = (before_or_after(value.get(end), zone) for end in ("from", "to"))
        return f"{name}: {before} → {after}"
    return f"{name}: {words(value, zone)}"


def before_or_after(value: Any, zone: tzinfo) -> str:
    """What a field held before or after a correction, as it is stored, in words."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    return words(value, zone) or "nothing"


def instant(moment: datetime, zone: tzinfo = UTC) -> str:
    """A time in words: `2026-03-02 17:00 UTC`, or `2026-03-02 18:00 +01:00` in another zone."""
    local = in_zone(moment, zone)
    offset = local.isoformat(timespec="minutes")[16:]
    return f"{_on_the_clock(local)} {'UTC' if offset == '+00:00' else offset}"


def clock(moment: datetime, zone: tzinfo = UTC) -> str:
    """A time without its zone: `2026-03-02 17:00`; seconds are shown only if they are not 0.

    If `in_zone` had to fall back to UTC, the zone is shown: see `instant`.
    """
    local = in_zone(moment, zone)
    return _on_the_clock(local) if local.tzinfo is zone else instant(local)


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """A time in a zone, or in UTC if the time is outside the calendar (years 1 to 9999) there."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def _on_the_clock(local: datetime) -> str:
    shown = local.replace(tzinfo=None, microsecond=0)
    return shown.isoformat(sep=" ", timespec="seconds" if shown.second else "minutes")


def _spaced(code: str) -> str:
    return code.replace("_", " ")
