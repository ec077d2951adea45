"""Values as pages show them: times, durations, money, shares, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from markupsafe import Markup, escape

from casestore.audit.paper import visible
from casestore.events import Money
from casestore.streams.wording import clock, counted, duration

UNKNOWN = Markup('<span class="unknown">unknown</span>')
NONE = Markup('<span class="none">–</span>')


def shown(value: Any) -> Any:
    """Any value that a template prints: text without hidden characters, None as unknown."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return UNKNOWN
    return safe(value) if isinstance(value, str) else value


def safe(text: str) -> str:
    """Text of others, in which control characters are shown; line ends stay."""
    return "\n".join(visible(line) for line in text.split("\n"))


def at(moment: datetime | None, zone: tzinfo) -> Markup:
    """A time, to the minute where it has no seconds."""
    if moment is None:
        return UNKNOWN
    told = escape(clock(moment, zone))
    return Markup(f'<time datetime="{moment.isoformat()}">{told}</time>')  # noqa: S704  (escaped)


def lasted(seconds: int | None) -> Markup | str:
    """A number of seconds in words: 3 d 4 h."""
    return UNKNOWN if seconds is None else duration(seconds)


def percent(share: float | None) -> Markup | str:
    """A share as a percentage; never 0% or 100% where it is not quite so."""
    if share is None:
        return UNKNOWN
    rounded = f"{share:.0%}"
    if (rounded == "0%" and share > 0) or (rounded == "100%" and share < 1):
        return f"{share:.1%}"
    return rounded


def number(count: int | float | None) -> Markup | str:
    """A count, with separators; a number that is not whole with its places."""
    if count is None:
        return UNKNOWN
    return f"{count:,}"


def money(value: Money | Sequence[Money] | None) -> Markup | str:
    """An amount and its currency; of several currencies each; none as a dash."""
    if value is None:
        return NONE
    if isinstance(value, Money):
        return f"{value.amount:,f} {value.currency}"
    return "; ".join(f"{each.amount:,f} {each.currency}" for each in value) or NONE


def code(text: str | None) -> Markup | str:
    """A code as words: not_upheld → not upheld."""
    return UNKNOWN if text is None else safe(text.replace("_", " "))


def free(text: str | None) -> Markup:
    """What a person wrote, which may run from right to left."""
    if text is None:
        return UNKNOWN
    return Markup('<bdi class="free" dir="auto">{}</bdi>').format(safe(text))


def measured(value: Any, form: str = "number") -> Any:
    """A number in one of the other forms; a dash where there was nothing to measure."""
    return NONE if value is None else FILTERS[form](value)


FILTERS: Mapping[str, Any] = {
    "lasted": lasted,
    "percent": percent,
    "number": number,
    "counted": counted,
    "money": money,
    "code": code,
    "free": free,
    "measured": measured,
}
