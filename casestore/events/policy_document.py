"""The policy document: what a house expects of itself, and who may give what.

It is adopted by an event that holds it whole. Whatever is left out has the built-in value that
stands here, so an empty document is the policy of a house that has adopted none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from casestore.events.base import Code, Flag, unchecked, value
from casestore.events.currencies import CURRENCIES
from casestore.events.made import After, Kept, making, refused
from casestore.events.zones import zone


class Span(NamedTuple):
    """A length of time: by the clock, or in the calendar's working time."""

    amount: timedelta
    """In working time, of days: that many working days."""
    business: bool
    days: int | None
    """Whole days, where it was told in days."""


_SPAN = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,2})?) ?(business )?(minute|hour|day)s?")
_SHORT = {"m": "minutes", "h": "hours", "d": "days"}


@lru_cache(maxsize=200)
def span(text: str) -> Span:
    """Read a length of time. Raises ValueError, which says what to write."""
    long = re.sub(r"^([0-9.]+) ?([mhd])\b", lambda m: f"{m[1]} {_SHORT[m[2]]}", text)
    long = re.sub(r"^([0-9.]+) (\w+) business$", r"\1 business \2", long)
    found = _SPAN.fullmatch(long)
    if found is None:
        raise ValueError("write it like '24 hours', '90 minutes', '5 days' or '2 business days'")
    number, business, unit = found[1], bool(found[2]), found[3]
    if business and unit == "day" and "." in number:
        raise ValueError("working days are whole; write hours, like '12 business hours'")
    days = int(number) if unit == "day" and "." not in number else None
    return Span(timedelta(**{f"{unit}s": float(number)}), business, days)


def _span(text: str) -> str:
    try:
        span(text)
    except ValueError as error:
        raise refused("span", str(error)) from None
    return text


def _zone(name: str) -> str:
    try:
        zone(name)
    except ValueError:
        raise refused("zone", "is not a time zone; write one like Europe/Dublin") from None
    return name


def _hours(text: str) -> str:
    if not _HOURS.fullmatch(text):
        raise refused("hours", "are not hours; write them like 09:00-17:30")
    begin, _, end = text.partition("-")
    if begin >= end:
        raise refused("hours", "must end after they begin, like 09:00-17:30")
    return text


def _day(text: str) -> str:
    try:
        written_so = date.fromisoformat(text).isoformat() == text  # and not 20261225
    except ValueError:
        written_so = False
    if not written_so:
        raise refused("day", "is not a date; write it like 2026-12-25")
    return text


def _week(hours: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if not any(hours.values()):
        raise refused("week", "has no working hours on any day")
    for day, each in hours.items():
        if any(one.partition("-")[2] > two.partition("-")[0] for one, two in pairwise(each)):
            raise refused("week", f"{day}: hours must follow one another")
    return hours


Within = Annotated[str, After(_span)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = re.compile(f"{_CLOCK}-(?:{_CLOCK}|24:00)")
Hours = Annotated[str, After(_hours)]
CURRENCY = "^[A-Z]{3}$"
Currency = Annotated[str, Kept(pattern=CURRENCY)]
Amount = Annotated[Decimal, Kept(ge=0, max_digits=24, decimal_places=8, allow_inf_nan=False)]
Count = Annotated[int, Kept(ge=0, le=1_000_000, strict=True)]
Share = Annotated[float, Kept(ge=0, allow_inf_nan=False, strict=True)]


def _nine_to_five() -> dict[Day, tuple[str, ...]]:
    return dict.fromkeys(DAYS[:5], ("09:00-17:00",))


@value
class Calendar:
    """When the house works: what business hours and days are counted in."""

    timezone: Annotated[str, After(_zone)] = "UTC"
    """The zone of the hours and holidays, like Europe/Dublin."""
    hours: Annotated[dict[Day, tuple[Hours, ...]], After(_week)] = field(
        default_factory=_nine_to_five
    )
    """The working hours of each day, like mon = ["09:00-12:30", "13:30-17:30"]. Where hours are
    given, a day that is left out is free."""
    holidays: dict[Annotated[str, After(_day)], str] = field(default_factory=dict)
    """Free days, by date, with their names. They are written out when a policy is adopted, so
    that no later version of a calendar changes what was late."""

    @property
    def zone(self) -> ZoneInfo:
        """Where these hours are told."""
        return ZoneInfo(self.timezone)


@value
class Conduct:
    """What is expected of how a complaint is handled."""

    resend_within: Within = "24 hours"
    """How soon a reply that did not arrive is made good, from the news of it."""
    reply_within: Within = "24 hours"
    """How soon a customer's message is answered, from when it came."""
    apology_within: Within = "48 hours"
    """How soon we apologise, from the finding that it was our fault."""
    chase_after: Within = "24 hours"
    """How long a customer has waited for an answer when writing again counts as running after
    us."""
    admit_within: Within = "24 hours"
    """How soon we find that it was our fault, from receipt."""
    gesture_within: Within = "48 hours"
    """How soon a gesture is made, from the finding that it was our fault."""
    return_within: Within = "24 hours"
    """How soon an executive hands a case back, from the escalation."""
    resolve_within: Within = "5 days"
    """How soon a complaint is resolved, from receipt."""
    clock: Literal["all", "net"] = "all"
    """What counts of the time to resolution: all of it, or net of waiting for the customer."""
    max_agents: Count = 3
    """How many agents may have replied in one case."""
    max_contacts: Count = 5
    """How often a customer may have had to write in one case."""
    failed_attempts: Count = 3
    """After how many failed answers a case must have gone to somebody who knows more. An answer
    failed if the customer says that something is unanswered, or rejects the resolution."""
    written_rounds: Count = 3
    """After how many rounds of letter and answer somebody must have called."""
    admit_contacts: Count = 3
    """How often a customer may have had to write before we find that it was our fault."""
    max_ratio: Share = 0.5
    """How much a gesture may come to, as a share of the loss that it is for."""
    needs_operations: tuple[Code, ...] = ()
    """Categories in which no finding is made before operations were heard."""
    min_group: Annotated[Count, Kept(ge=2)] = 5
    """Gestures from which on a group is compared with others: 2 or more."""
    band: Share = 0.25
    """How far apart the medians of two groups may be, as a share of the smaller one."""


@value
class Limit:
    """What a role may give in one currency. What is left out has no limit."""

    per_gesture: Amount | None = None
    """In one gesture."""
    per_case: Amount | None = None
    """Over all that was given in the case, by whomever and however long ago."""
    per_year: Amount | None = None
    """Over all that was given to the customer in 365 days, by whomever."""


@value
class Role:
    """What a role may decide. In a currency without a limit it may give nothing."""

    final_say: Flag = False
    """Whether its final decisions are final. The rule decision-overturned goes by it."""
    gestures_per_year: Count | None = None
    """How many gestures may have been made to one customer in 365 days, by whomever."""
    limits: dict[Currency, Limit] = field(default_factory=dict)
    """What it may give, in each currency in which it may give anything; see below."""


@value
class Goodwill:
    """Limits that hold for a customer, whoever gives."""

    enforcement: Literal["report", "refuse"] = "report"
    """Whether a live gesture beyond authority or a limit is refused, or only reported."""
    gestures_per_year: Count | None = None
    """How many gestures one customer may be made in 365 days. Where it is left out, the rule
    repeat-goodwill goes by 4, and nothing is refused."""
    per_year: dict[Currency, Amount] = field(default_factory=dict)
    """What one customer may be given in 365 days, in each currency."""


@value
class Document:
    """A whole policy."""

    calendar: Calendar = field(default_factory=partial(unchecked, Calendar))
    conduct: Conduct = field(default_factory=partial(unchecked, Conduct))
    roles: dict[Code, Role] = field(default_factory=dict)
    goodwill: Goodwill = field(default_factory=partial(unchecked, Goodwill))


def read_document(given: object) -> Document:
    """A document from what is stored or was read of it. Raises pydantic's ValidationError."""
    document: Document = making(Document).validator.validate_python(given)
    return document


def plain_document(document: Document) -> dict[str, Any]:
    """A document as plain JSON values, with what it leaves out, but for None."""
    plain: dict[str, Any] = making(Document).serializer.to_python(
        document, mode="json", exclude_none=True
    )
    return plain


BUILT_IN = unchecked(Document)
"""What holds where no policy is in force."""


GESTURES_PER_YEAR = 4
"""What repeat-goodwill goes by where no policy says otherwise."""


def number(document: Document, name: str) -> Any:
    """A number that a rule goes by: of the conduct, or by its dotted name, like
    goodwill.per_year."""
    part, _, of = name.rpartition(".")
    return getattr(getattr(document, part or "conduct"), of)


def clock(text: str) -> time | None:
    """A time of day; None for 24:00, the end of it."""
    return None if text == "24:00" else time.fromisoformat(text)


def unknown_currencies(document: Document) -> Iterator[tuple[str, ...]]:
    """Where a document names a currency that is none of ISO 4217: the path to it."""
    named: list[tuple[tuple[str, ...], Iterable[str]]] = [
        (("roles", name, "limits"), role.limits) for name, role in document.roles.items()
    ]
    for path, codes in [*named, (("goodwill", "per_year"), document.goodwill.per_year)]:
        yield from ((*path, code) for code in codes if code not in CURRENCIES)


NO_CURRENCY = "is no currency; write its ISO 4217 code, like EUR"


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """A document as it is stored: valid, and only what was given."""
    from pydantic import ValidationError  # noqa: PLC0415  (only where an event is made)

    try:
        document = read_document(given)
    except ValidationError as error:  # told in one line, as of any other field
        each = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(
            name if name.isprintable() else ascii(name) for name in map(str, each["loc"])
        )
        raise refused("document", f"{where}: {each['msg']}") from None
    for path in unknown_currencies(document):
        raise refused("document", f"{'.'.join(path)}: {NO_CURRENCY}")
    stored = plain_document(document)
    return {name: _given_only(stored[name], each) for name, each in given.items()}


def _given_only(stored: Any, given: Any) -> Any:
    if not isinstance(stored, dict) or not isinstance(given, Mapping):
        return stored
    return {name: _given_only(stored[name], each) for name, each in given.items() if name in stored}
