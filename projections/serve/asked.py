"""What an address asks for: which page, and the store at which moment. And the addresses of it.

Everything stands in the query, as ids may have any character that a path may not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple, get_args
from urllib.parse import parse_qsl, urlencode

from casestore.errors import quoted
from projections.pages.changed import About
from projections.pages.links import Place, Rows, Values, options
from projections.pages.list_kinds import LISTS
from projections.query.measures import STEPS, Step
from projections.query.report import Option, Report

LONGEST = 8_000
"""Characters that the query of an address may have."""
_MOST = 100
"""Names and values in a query."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLIDERS = {"as_of": "as_hour", "known_at": "known_hour"}
"""The names of the sliders in a query: their values are hours since 1970."""
PAGES = ("overview", "list", "case", "customer", "policy", "lessons", "changed")


class NotAsked(ValueError):  # noqa: N818  (named as the errors of casestore are)
    """An address asks for nothing that there is. The message says why; it may be shown."""


class Moment(NamedTuple):
    """The time that a page is about; None, None is the present."""

    as_of: datetime | None = None
    known_at: datetime | None = None

    @property
    def present(self) -> bool:
        """Whether it is the newest that there is."""
        return self.as_of is None and self.known_at is None


PRESENT = Moment()


class Address(NamedTuple):
    """A page."""

    page: str = "overview"
    """One of PAGES."""
    id: str = ""
    """Of a case or a customer."""
    by: Step = "month"
    rows: Rows | None = None
    since: datetime | None = None
    """Of the page of changes: since when."""
    about: About = About()
    """Of the page of changes: what it is about."""

    @property
    def then(self) -> Moment | None:
        """The earlier moment that a list is compared with: that takes long."""
        return Moment(self.since, self.since) if self.about.rows is not None else None

    def changed(self, since: datetime) -> Address:
        """The page of what has changed, since a time, in what this page is about."""
        match self.page:
            case "case" | "customer" as kind:
                about = About(kind, self.id)
            case "list":
                about = About("list", rows=self.rows)
            case _:
                about = self.about
        return Address("changed", since=since, about=about)


class Asked(NamedTuple):
    """A page at a moment."""

    moment: Moment
    address: Address


# --- reading ---------------------------------------------------------------------------------


def read(page: str, query: str, zone: tzinfo) -> Asked:
    """What the query of a page asks for.

    Args:
        page: one of PAGES.
        query: as it stands in the address.
        zone: of times that name none.

    Raises NotAsked.
    """
    given = values(query)
    moment = _moment(given, zone)
    match page:
        case "case" | "customer":
            return Asked(moment, Address(page, _one(given, "id", needed=True)))
        case "list":
            return Asked(moment, Address(page, rows=_rows(given, zone)))
        case "overview":
            by = _one(given, "by") or "month"
            if by not in STEPS:
                raise NotAsked(f"by is {', '.join(STEPS)}, not {quoted(by)}")
            return Asked(moment, Address(page, by=by))
        case "changed":
            since = _time(given, "since", zone)
            if since is None:
                raise NotAsked("since is missing: the time since when")
            return Asked(moment, Address(page, since=since, about=_about(given, zone)))
        case _:
            return Asked(moment, Address(page))


def _about(given: Mapping[str, Sequence[str]], zone: tzinfo) -> About:
    named = [name for name in ("case", "customer", "of") if name in given]
    match named:
        case []:
            return About()
        case ["case" | "customer" as kind]:
            return About(kind, _one(given, kind, needed=True))
        case ["of"]:
            return About("list", rows=_rows(given, zone))
        case _:
            raise NotAsked("what has changed is asked of one case, one customer or one list")


def values(query: str) -> dict[str, list[str]]:
    """The names and values of a query. Raises NotAsked for too many, or what is no text."""
    if len(query) > LONGEST:
        raise NotAsked("the address is too long")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except (ValueError, UnicodeDecodeError):
        raise NotAsked("the address has too many parts, or parts that are no text") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
            raise NotAsked("the address has a part that is no text")
        found.setdefault(name, []).append(value)
    return found


def _one(given: Mapping[str, Sequence[str]], name: str, *, needed: bool = False) -> str:
    several = given.get(name, ())
    if len(several) > 1:
        raise NotAsked(f"{name} is given more than once")
    value = several[0] if several else ""
    if needed and not value:
        raise NotAsked(f"{name} is missing")
    return value


def _time(given: Mapping[str, Sequence[str]], name: str, zone: tzinfo) -> datetime | None:
    text = _one(given, name)
    return when(name, text, zone) if text else None


def when(name: str, text: str, zone: tzinfo) -> datetime:
    """A time like 2026-03-02, 2026-03-02T17:00 or 2026-03-02T17:00Z. Raises NotAsked."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotAsked(
            f"{name} is {quoted(text)}, which is no time: write one like 2026-03-02T17:00Z"
        ) from None


def _moment(given: Mapping[str, Sequence[str]], zone: tzinfo) -> Moment:
    """The moment: by its times, or by the hours since 1970 of the sliders."""
    found = []
    for name in ("as_of", "known_at"):
        at = _time(given, name, zone)
        if text := _one(given, SLIDERS[name]):
            at = _hour(text)
        found.append(at)
    return Moment(*found)


def _hour(text: str) -> datetime:
    try:
        return EPOCH + timedelta(hours=int(text))
    except (ValueError, OverflowError):
        raise NotAsked(f"{quoted(text)} is no number of hours") from None


def _rows(given: Mapping[str, Sequence[str]], zone: tzinfo) -> Rows:
    name = _one(given, "of", needed=True)
    if name not in LISTS:
        raise NotAsked(f"there is no list {quoted(name)}; there are {', '.join(LISTS)}")
    report = LISTS[name].report
    asked: dict[str, object] = {}
    only: dict[str, list[str | None]] = {}
    but: dict[str, list[str | None]] = {}
    for part, several in given.items():
        kind, _, field = part.partition(".")
        if kind == "ask":
            asked[field] = _option(report, field, several, zone)
        elif kind in ("is", "not"):
            if field not in report.line.__struct_fields__:
                raise NotAsked(f"the list {name} has no {quoted(field)}")
            (only if kind == "is" else but)[field] = [_value(each) for each in several]
    return Rows(name, _one(given, "title")[:200], options(asked), _frozen(only), _frozen(but))


def _frozen(found: Mapping[str, Sequence[str | None]]) -> tuple[tuple[str, Values], ...]:
    return tuple((name, tuple(each)) for name, each in found.items())


def _value(text: str) -> str | None:
    """A value as `_told` writes it: nothing for None, else with "=" before it."""
    return text[1:] if text.startswith("=") else None


def _option(report: Report[Any], name: str, several: Sequence[str], zone: tzinfo) -> object:
    if name in ("since", "until"):
        return when(name, several[0], zone)
    option = next((o for o in report.options if o.name.replace("-", "_") == name), None)
    if option is None or option.instead is not None:
        raise NotAsked(f"the list cannot be asked for {quoted(name)}")
    found = [_of_option(option, text, zone) for text in several]
    return tuple(found) if option.multiple else found[0]


def _of_option(option: Option, text: str, zone: tzinfo) -> object:
    kind = option.kind
    if kind is bool:
        return text == "1"
    if kind is datetime:
        return when(option.name, text, zone)
    if kind is timedelta:
        try:
            return timedelta(seconds=int(text))
        except (ValueError, OverflowError):
            raise NotAsked(f"{option.name} is a number of seconds") from None
    if isinstance(kind, tuple) and text not in kind:
        raise NotAsked(f"{option.name} is one of {', '.join(kind)}, not {quoted(text)}")
    if not isinstance(kind, tuple | type):
        try:
            return kind(text)
        except ValueError as error:
            raise NotAsked(str(error)) from None
    return text


# --- writing ---------------------------------------------------------------------------------


def address_of(asked: Asked) -> str:
    """The address of a page at a moment, from the root of the server."""
    path = "/" if asked.address.page == "overview" else f"/{asked.address.page}"
    query = urlencode([*parts(asked.address), *moment_parts(asked.moment)])
    return f"{path}?{query}" if query else path


def moment_parts(moment: Moment) -> Iterator[tuple[str, str]]:
    """The part of a query that says which moment."""
    for name, at in zip(("as_of", "known_at"), moment, strict=True):
        if at is not None:
            yield name, told(at)


def parts(address: Address) -> Iterator[tuple[str, str]]:
    """The part of a query that says which page of its kind."""
    if address.page in ("case", "customer"):
        yield "id", address.id
    if address.page == "overview" and address.by != "month":
        yield "by", address.by
    if address.since is not None:
        yield "since", told(address.since)
        if address.about.id:
            yield address.about.kind, address.about.id
    if (rows := address.rows or address.about.rows) is not None:
        yield from _of_rows(rows)


def _of_rows(rows: Rows) -> Iterator[tuple[str, str]]:
    yield "of", rows.report
    if rows.title:
        yield "title", rows.title
    for name, value in rows.options:
        several = value if isinstance(value, tuple) else (value,)
        yield from ((f"ask.{name}", _told(each)) for each in several)
    for kind, chosen in (("is", rows.only), ("not", rows.but)):
        for name, wanted in chosen:
            yield from ((f"{kind}.{name}", "" if each is None else f"={each}") for each in wanted)


def told(at: datetime) -> str:
    """A time as an address has it: in UTC, without a "+", which would become a space."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return told(value)
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    return str(value)


class Addresses:
    """The addresses of pages at one moment: `Links` of a server."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    def _to(self, address: Address) -> str:
        return address_of(Asked(self._moment, address))

    def case(self, case_id: str) -> str | None:
        """The address of a case's file."""
        return self._to(Address("case", case_id))

    def customer(self, customer_id: str) -> str | None:
        """The address of a customer's file."""
        return self._to(Address("customer", customer_id))

    def page(self, place: Place) -> str | None:
        """The address of a page of which there is one."""
        return self._to(Address(place)) if place in get_args(Place) else None

    def rows(self, rows: Rows) -> str | None:
        """The address of a list."""
        return self._to(Address("list", rows=rows))
