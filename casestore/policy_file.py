"""A policy as people write it: a TOML file, read into the document that is adopted.

Every mistake is named with its line and, where one can be guessed, what was meant. Holidays may be
asked for by country; they are written out for ten years, so that what is adopted says by itself
which days are free.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from casestore.errors import CaseStoreError
from casestore.events.document import DOCUMENT, Document
from casestore.links import fields_of

YEARS = 10
"""For how many years holidays are written out, the year of `effective_from` the first."""

_TOP = ("name", "effective_from", *Document.__dataclass_fields__)
_HOLIDAYS = ("country", "subdivision", "language", "also", "without")


class Mistake(NamedTuple):
    """Something wrong with a policy file."""

    line: int | None
    where: str
    """The dotted name of the setting."""
    what: str
    meant: str | None = None
    """What was probably meant."""

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        where = f"{self.where}: " if self.where else ""
        meant = f"; did you mean {self.meant!r}?" if self.meant else ""
        return f"{place}{where}{self.what}{meant}"


class InvalidPolicy(CaseStoreError):  # noqa: N818  (as in casestore.errors)
    """A policy file cannot be read; `mistakes` tells all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(map(str, mistakes)))


class PolicyFile(NamedTuple):
    """What a policy file says."""

    name: str
    effective_from: datetime | None
    """When it is to take effect; at once, where that is not said."""
    policy: dict[str, Any]
    """The document as PolicyAdopted takes it, holidays written out."""
    document: Document


def read_policy(text: str, now: datetime) -> PolicyFile:
    """Read a policy file.

    Args:
        text: of the file.
        now: from which year on holidays are written out, where `effective_from` is left out.

    Raises InvalidPolicy.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else None
        raise InvalidPolicy([Mistake(line, "", str(error).partition(" (at ")[0])]) from None
    lines = _Lines(text)
    mistakes = list(_unknown(given, lines))
    name, effective_from = given.pop("name", None), given.pop("effective_from", None)
    if not isinstance(name, str) or not name:
        mistakes.append(Mistake(lines.of("name"), "name", "is missing; give the policy a name"))
    if effective_from is not None and not _is_instant(effective_from):
        what = "is not a time with its zone; write it like 2026-12-01T00:00:00Z"
        mistakes.append(Mistake(lines.of("effective_from"), "effective_from", what))
        effective_from = None
    begin = (effective_from or now).astimezone(UTC).year
    mistakes += _expand_holidays(given, lines, begin)
    plain = _plain({key: each for key, each in given.items() if key in _TOP})
    try:
        document = DOCUMENT.validate_python(plain)
    except ValidationError as error:
        mistakes += _invalid(error, lines)
    if mistakes:
        raise InvalidPolicy(sorted(set(mistakes), key=lambda each: (each.line or 0, each.where)))
    return PolicyFile(str(name), effective_from, plain, document)


def _is_instant(value: Any) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _plain(value: Any) -> Any:
    """TOML's values as JSON has them: dates as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _unknown(given: Mapping[str, Any], lines: _Lines) -> Iterator[Mistake]:
    for key in given:
        if key not in _TOP:
            meant = next(iter(get_close_matches(key, _TOP, 1)), None)
            yield Mistake(lines.of(key), key, "is no part of a policy", meant)


def _invalid(error: ValidationError, lines: _Lines) -> Iterator[Mistake]:
    for each in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in each["loc"] if part != "[key]"]
        what, meant = each["msg"], None
        if each["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            what, meant = "is no setting", _meant(path)
        elif what.startswith("Input should be"):
            what = "should be" + what.removeprefix("Input should be")
        yield Mistake(lines.of(*path), ".".join(path), what, meant)


def _meant(path: Sequence[str]) -> str | None:
    """The name of a setting that is most like the last part of a path."""
    known: Any = Document
    for part in path[:-1]:
        by_name = get_origin(known) is dict  # of roles or currencies, with names of their own
        known = get_args(known)[1] if by_name else fields_of(known).get(part)
        if get_origin(known) is Annotated:
            known = get_args(known)[0]
    names = list(fields_of(known)) if isinstance(known, type) else []
    return next(iter(get_close_matches(path[-1], names, 1)), None)


# --- holidays --------------------------------------------------------------------------------


def _expand_holidays(given: dict[str, Any], lines: _Lines, begin: int) -> Iterator[Mistake]:
    """Put dates in the place of a country. Gives what is wrong with it."""
    calendar = given.get("calendar")
    asked = calendar.get("holidays") if isinstance(calendar, dict) else None
    if not isinstance(calendar, dict) or not isinstance(asked, dict) or "country" not in asked:
        return
    place = ("calendar", "holidays")
    calendar["holidays"] = {}
    for key in asked:
        if key not in _HOLIDAYS:
            meant = next(iter(get_close_matches(key, _HOLIDAYS, 1)), None)
            yield Mistake(lines.of(*place, key), ".".join((*place, key)), "is no setting", meant)
    if "language" not in asked:
        what = 'needs a language for the names of the days, like language = "en_US"'
        yield Mistake(lines.of(*place, "country"), "calendar.holidays", what)
        return
    try:
        import holidays  # noqa: PLC0415  (only who asks for a country's needs it)
    except ModuleNotFoundError:
        what = "needs the package holidays: pip install 'casestore[policy]'"
        yield Mistake(lines.of(*place, "country"), "calendar.holidays.country", what)
        return
    country, subdivision = asked["country"], asked.get("subdivision")
    supported = holidays.list_supported_countries()
    if country not in supported:
        what = "is no country of the package holidays; write its ISO 3166 code, like IE"
        meant = next(iter(get_close_matches(str(country).upper(), supported, 1)), None)
        yield Mistake(lines.of(*place, "country"), "calendar.holidays.country", what, meant)
        return
    if subdivision is not None and subdivision not in supported[country]:
        what = f"is not one of {', '.join(supported[country]) or 'none'}"
        yield Mistake(lines.of(*place, "subdivision"), "calendar.holidays.subdivision", what)
        return
    languages = holidays.list_localized_countries().get(country, [])
    if languages and asked["language"] not in languages:
        what = f"is not one of {', '.join(languages)}"
        yield Mistake(lines.of(*place, "language"), "calendar.holidays.language", what)
        return
    years = range(begin, begin + YEARS)
    language = asked["language"] if languages else None
    found = holidays.country_holidays(country, subdiv=subdivision, years=years, language=language)
    dates = {day.isoformat(): name for day, name in sorted(found.items())}
    for day in asked.get("without", ()):
        dates.pop(str(day), None)
    calendar["holidays"] = dates | {str(day): each for day, each in asked.get("also", {}).items()}


# --- where a setting stands ------------------------------------------------------------------

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]#]+?)\s*\]")
_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"^\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(_NAME)


class _Lines:
    """Finds the line on which a setting stands: tomllib does not tell."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = _parts(header[1])
                self._found.setdefault(table, number)
            elif key := _KEY.match(line):
                self._found.setdefault((*table, *_parts(key[1])), number)

    def of(self, *path: str) -> int | None:
        """The line of a setting, or of the nearest that it stands in."""
        for length in range(len(path), 0, -1):
            if (line := self._found.get(path[:length])) is not None:
                return line
        return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
