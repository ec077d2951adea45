"""Reads a policy file (TOML) into the document that is adopted.

Every mistake is reported with its line and, if there is a likely one, the name that was meant.
Holidays may be given as a country. They are then written out for ten years, so that the adopted
document itself says which days are free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

from casestore.errors import InvalidPolicy, Mistake
from casestore.events.base import is_id
from casestore.events.markers import fields_of
from casestore.events.policy_document import (
    CURRENCY,
    NO_CURRENCY,
    Document,
    read_document,
    unknown_currencies,
)
from casestore.system.toml_lines import Lines, closest, parse

if TYPE_CHECKING:
    from pydantic import ValidationError

YEARS = 10
"""The number of years for which holidays are written out, from that of `effective_from` on."""

_TOP = ("name", "effective_from", *Document.__dataclass_fields__)
_HOLIDAYS = ("country", "subdivision", "language", "also", "without")


class PolicyFile(NamedTuple):
    """The contents of a policy file."""

    name: str
    effective_from: datetime | None
    """When it takes effect; None means at once."""
    policy: dict[str, Any]
    """The document for PolicyAdopted, with holidays written out."""
    document: Document


def read_policy(text: str, now: datetime) -> PolicyFile:
    """Read a policy file.

    Args:
        text: the file's contents.
        now: the present time. Holidays are written out from its year on, if `effective_from` is
            left out.

    Raises:
        InvalidPolicy: the file has mistakes; it names all of them.
    """
    from pydantic import ValidationError  # noqa: PLC0415  (only where a document is made)

    if isinstance(given := parse(text), Mistake):
        raise InvalidPolicy([given])
    lines = Lines(text)
    mistakes = list(_unknown(given, lines))
    name, effective_from = given.pop("name", None), given.pop("effective_from", None)
    if name is None:
        mistakes.append(Mistake(None, "name", 'is missing; write it first, like name = "house"'))
    elif not _is_name(name):
        what = "should be text of 1 to 200 characters, in one line"
        mistakes.append(Mistake(lines.of("name"), "name", what))
    if effective_from is not None and not _is_instant(effective_from):
        what = "is not a time with its zone; write it like 2026-12-01T00:00:00Z"
        mistakes.append(Mistake(lines.of("effective_from"), "effective_from", what))
        effective_from = None
    begin = (effective_from or now).astimezone(UTC).year
    mistakes += _expand_holidays(given, lines, begin)
    plain = _plain({key: each for key, each in given.items() if key in _TOP})
    try:
        document = read_document(plain)
    except ValidationError as error:
        mistakes += _invalid(error, lines)
    else:
        unknown = unknown_currencies(document)
        mistakes += (Mistake(lines.of(*path), ".".join(path), NO_CURRENCY) for path in unknown)
    if mistakes:
        raise InvalidPolicy(sorted(set(mistakes), key=lambda each: (each.line or 0, each.where)))
    return PolicyFile(str(name), effective_from, plain, document)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and is_id(value) is not None


def _is_instant(value: Any) -> bool:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return False
    try:
        value.astimezone(UTC)
    except OverflowError:  # in UTC it is outside of the calendar
        return False
    return True


def _plain(value: Any) -> Any:
    """Convert a TOML value to JSON: dates become text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _unknown(given: Mapping[str, Any], lines: Lines) -> Iterator[Mistake]:
    for key in given:
        if key not in _TOP:
            yield Mistake(lines.of(key), key, "is no part of a policy", closest(key, _TOP))


_SHOULD_BE = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "string_type": 'text, in "quotes"',
    "tuple_type": "a list, in [brackets]",
    "dict_type": "a table",
    "dataclass_type": "a table",
}
"""Words for pydantic's error types. Its own words are about Python, these are about TOML."""


def _invalid(error: ValidationError, lines: Lines) -> Iterator[Mistake]:
    for each in error.errors(include_url=False):
        path = [str(part) for part in each["loc"] if part != "[key]"]
        what, meant = each["msg"], None
        match each["type"]:
            case "unexpected_keyword_argument":
                what, meant = "is no setting", _meant(path)
            case "literal_error":
                known = re.findall("'([^']*)'", each["ctx"]["expected"])
                what, meant = f"is not one of {', '.join(known)}", closest(each["input"], known)
            case "string_pattern_mismatch" if each["ctx"]["pattern"] == CURRENCY:
                meant = each["input"].upper()
                meant = meant if re.fullmatch(CURRENCY, meant) else None
                what = NO_CURRENCY
            case "string_pattern_mismatch":
                what = "should have no control characters"
            case "day":
                meant = closest(path[-1], _HOLIDAYS)
            case known_type if known_type in _SHOULD_BE:
                what = f"should be {_SHOULD_BE[known_type]}"
            case _:
                what = re.sub("^Input should", "should", what)
        yield Mistake(lines.of(*path), ".".join(path), what, meant)


def _meant(path: Sequence[str]) -> str | None:
    """The name of the setting that is most similar to the last part of a path."""
    known: Any = Document
    for part in path[:-1]:
        by_name = get_origin(known) is dict  # the keys are names of roles or currencies
        known = get_args(known)[1] if by_name else fields_of(known).get(part)
        if get_origin(known) is Annotated:
            known = get_args(known)[0]
    names = list(fields_of(known)) if isinstance(known, type) else []
    return closest(path[-1], names)


# --- holidays --------------------------------------------------------------------------------


def _expand_holidays(given: dict[str, Any], lines: Lines, begin: int) -> Iterator[Mistake]:
    """Replace a country by the dates of its holidays. Yields the mistakes."""
    calendar = given.get("calendar")
    asked = calendar.get("holidays") if isinstance(calendar, dict) else None
    if (
        not isinstance(calendar, dict)
        or not isinstance(asked, dict)
        or asked.keys().isdisjoint(_HOLIDAYS)
    ):
        return
    calendar["holidays"] = {}

    def mistake(key: str, what: str, meant: str | None = None) -> Mistake:
        path = ("calendar", "holidays", *([key] if key else []))
        return Mistake(lines.of(*path), ".".join(path), what, meant)

    mistakes = [
        mistake(key, "is no setting", closest(key, _HOLIDAYS))
        for key in asked
        if key not in _HOLIDAYS
    ]
    mistakes += [
        mistake(key, f"should be {_SHOULD_BE['string_type']}")
        for key in _HOLIDAYS[:3]
        if not isinstance(asked.get(key, ""), str)
    ]
    if not isinstance(also := asked.get("also", {}), dict):
        mistakes.append(mistake("also", 'should be a table, like { 2026-12-24 = "Christmas Eve" }'))
    if not isinstance(without := asked.get("without", []), list):
        mistakes.append(mistake("without", "should be a list, like [2026-12-26]"))
    if "country" not in asked:
        mistakes.append(mistake("", 'needs a country, like country = "IE"'))
    if "language" not in asked:
        what = 'needs a language for the names of the days, like language = "en_US"'
        mistakes.append(mistake("", what))
    if mistakes:
        yield from mistakes
        return
    dates = _dates(asked, begin)
    if isinstance(dates, _Wrong):
        yield mistake(*dates)
        return
    for day in map(str, without):
        if dates.pop(day, None) is None:
            yield mistake("without", f"{day} is no holiday there")
    calendar["holidays"] = dates | {str(day): name for day, name in also.items()}


class _Wrong(NamedTuple):
    key: str
    what: str
    meant: str | None = None


def _dates(asked: Mapping[str, str], begin: int) -> dict[str, str] | _Wrong:
    """The holidays of a country by date, or the mistake in what the file says."""
    try:
        import holidays  # noqa: PLC0415  (only who asks for a country's needs it)
        from holidays.registry import COUNTRIES  # noqa: PLC0415  (the same)
    except ModuleNotFoundError:
        return _Wrong("country", "needs the package holidays: pip install 'casestore[policy]'")
    country, subdivision, language = asked["country"], asked.get("subdivision"), asked["language"]
    supported = holidays.list_supported_countries()
    if country not in supported:
        what = "is no country of the package holidays; write its ISO 3166 code, like IE"
        name = closest(country.lower().replace(" ", "_"), COUNTRIES, 0.8)
        named = COUNTRIES[name][1] if name is not None else None
        meant = country.upper() if country.upper() in supported else named
        return _Wrong("country", what, meant)
    parts = supported[country]
    if subdivision is not None and subdivision not in parts:
        what = f"is not one of {', '.join(parts)}" if parts else "is none: the country has none"
        meant = subdivision.upper() if subdivision.upper() in parts else None
        return _Wrong("subdivision", what, meant)
    languages = holidays.list_localized_countries().get(country, [])
    if languages and language not in languages:
        what = f"is not one of {', '.join(languages)}"
        return _Wrong("language", what, closest(language, languages))
    found = holidays.country_holidays(
        country,
        subdiv=subdivision,
        years=range(begin, begin + YEARS),
        language=language if languages else None,
    )
    return {day.isoformat(): name for day, name in sorted(found.items())}
