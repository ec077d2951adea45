"""Times as people say them: yesterday, monday, 2026-W10, last-month, 7d.

A day, a week, a month, a quarter or a year stands for the instant at which it begins, in a zone. A
day whose midnight clocks skip begins when they change. A time of day that clocks skip, or that
comes twice, is refused: which instant is meant, only its offset can tell.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from casestore.errors import quoted
from cli.terminal.nearest import did_you_mean

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_UNITS = ("day", "week", "month", "quarter", "year")
_NEAR = {"yesterday": -1, "today": 0, "tomorrow": 1}
_TURNS = {"last": -1, "this": 0, "next": 1}
_WORDS = (
    *("now", *_NEAR, *_WEEKDAYS, *_MONTHS),
    *(f"{turn}-{unit}" for turn in _TURNS for unit in _UNITS),
)
EXAMPLES = (
    "2026-03-02T17:00Z, '2026-03-02 17:00', 2026-03-02, 2026-W10, 2026-03, 2026-Q1, "
    "now, yesterday, monday, last-month, 7d"
)
"""What may be written, for help and messages."""
PERIODS = "2026-03-02, 2026-W10, 2026-03, 2026-Q1, 2026, yesterday, last-month"
"""What may be written that has an end too."""

_AGO = re.compile(
    r"(in )?(\d{1,5}) ?(?:(m|minutes?)|(h|hours?)|(d|days?)|(w|weeks?))( ago)?", re.ASCII
)
_SPAN = re.compile(r"(\d{1,5}) ?(?:(d|days?)|(w|weeks?)|(m|months?)|(y|years?))", re.ASCII)
_YEAR = re.compile(r"(\d{4})", re.ASCII)
_QUARTER = re.compile(r"(\d{4})-?Q([1-4])", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_WEEK = re.compile(r"(\d{4})-?W(\d\d)", re.ASCII)
_DAY_OF_WEEK = re.compile(r"(\d{4})-?W(\d\d)-?(\d)", re.ASCII)
_DAY = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)", re.ASCII)
_WITH_CLOCK = re.compile(r"(.+?)[T ](\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)


def begin(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The instant that a text names, in UTC: where it names a stretch of time, its beginning.

    Args:
        text: as somebody wrote it.
        zone: in which days begin, and times are told that have no zone.
        now: the present time, aware.

    Raises ValueError, with a message that says what to write.
    """
    try:
        return _begin(text, zone, now)
    except OverflowError:
        raise ValueError(_beyond(text)) from None


def end(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The instant at which a day, a week, a month, a quarter or a year ends, in UTC.

    For its arguments see `begin`. Raises ValueError for all that is a single instant, too.
    """
    try:
        begin(text, zone, now)
        if (days := _days(text.strip(), _today(zone, now))) is None:
            raise ValueError(
                f"{quoted(text)} has no end; a period is a day, a week, a month, a quarter or a "
                f"year, like {PERIODS}"
            )
        return _midnight(_shifted(*days, 1), zone)
    except OverflowError:
        raise ValueError(_beyond(text)) from None


def days_before(text: str, zone: tzinfo, now: datetime) -> datetime:
    """When the day began that is a time before today: 6y, 3m (months), 2w, 30d; in UTC.

    Six years before a day is the same day of that year; where a month has no such day, its last.
    For its arguments see `begin`. Raises ValueError.
    """
    if (match := _SPAN.fullmatch(text.strip().lower())) is None:
        raise ValueError(f"{quoted(text)} is no length of time; write one like 6y, 18m, 2w or 30d")
    count, days, weeks, months, _ = match.groups()
    today = _today(zone, now)
    try:
        if days or weeks:
            return _midnight(_shifted(today, "day" if days else "week", -int(count)), zone)
        first = _shifted(today.replace(day=1), "month" if months else "year", -int(count))
        return _midnight(first.replace(day=min(today.day, _last_day(first))), zone)
    except OverflowError:
        raise ValueError(_beyond(text)) from None


def _last_day(first: date) -> int:
    return monthrange(first.year, first.month)[1]


def _beyond(text: str) -> str:
    return f"{quoted(text)} is not in the years 1 to 9999 of UTC; write a time that is"


def _begin(text: str, zone: tzinfo, now: datetime) -> datetime:
    plain, said = text.strip(), _said(text)
    if said == "now":
        return now.astimezone(UTC)
    if match := _AGO.fullmatch(said):
        ahead, count, minutes, hours, days, _, ago = match.groups()
        unit = "minutes" if minutes else "hours" if hours else "days" if days else "weeks"
        if not (ahead and ago):
            by = timedelta(**{unit: int(count)})
            return (now + by if ahead else now - by).astimezone(UTC)
    today = _today(zone, now)
    if (named := _days(plain, today)) is not None:
        return _midnight(named[0], zone)
    if match := _WITH_CLOCK.fullmatch(plain):
        named = _days(match[1].strip(), today)
        if named is not None:
            return _told(datetime.combine(_one_day(named, text), _clock(match)), zone, text)
    try:
        moment = datetime.fromisoformat(_iso(plain))
    except ValueError:
        raise ValueError(_no_time(text)) from None
    if moment.utcoffset() is None:
        return _told(moment, zone, text)
    return moment.astimezone(UTC)


def _one_day(named: tuple[date, str], text: str) -> date:
    if named[1] != "day":
        raise ValueError(_no_time(text))
    return named[0]


def _clock(match: re.Match[str]) -> time:
    try:
        return time(int(match[2]), int(match[3]), int(match[4] or 0))
    except ValueError:
        raise ValueError(f"{quoted(match[0])} is no time of day; write one like 17:00") from None


def _no_time(text: str) -> str:
    meant = did_you_mean("-".join(_said(text).split()), _WORDS)
    return f"{quoted(text)} is not a time{meant}; write one like {EXAMPLES}"


def _said(text: str) -> str:
    """Words as they are compared: last-Month and last_month are "last month"."""
    return re.sub(r"[\s_-]+", " ", text).strip().lower()


def _iso(text: str) -> str:
    """A time as ISO 8601 has it; tables tell times as "2026-03-02 17:00 UTC" and " +01:00"."""
    return re.sub(r" ?(?:UTC|Z)$|(?<=\d) (?=[+-]\d\d:?\d\d$)", _joined, text.upper())


def _joined(match: re.Match[str]) -> str:
    return "Z" if match[0].strip() else ""


def _today(zone: tzinfo, now: datetime) -> date:
    return now.astimezone(zone).date()


# --- days ----------------------------------------------------------------------------------


def _days(text: str, today: date) -> tuple[date, str] | None:
    """The first day of what a text names, and the unit that this is; None where it names none.

    A weekday or a month by itself is the latest that has begun. Raises ValueError for a day that
    is not in the calendar.
    """
    said, written = _said(text), text.upper()
    if said in _NEAR:
        return today + timedelta(days=_NEAR[said]), "day"
    turn, _, name = said.rpartition(" ")
    if turn in _TURNS and name in _UNITS:
        return _shifted(_first(today, name), name, _TURNS[turn]), name
    if (weekday := _place(name, _WEEKDAYS)) is not None and turn in ("", "last", "next"):
        back = (today.weekday() - weekday) % 7
        if turn == "last":
            back = back or 7
        return today - timedelta(days=back - 7 if turn == "next" else back), "day"
    if (month := _place(said, _MONTHS)) is not None:
        return date(today.year - (month >= today.month), month + 1, 1), "month"
    try:
        return _written(written)
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not in the calendar; write one that is, like {PERIODS}"
        ) from None


def _written(text: str) -> tuple[date, str] | None:
    """What is written in figures, as ISO 8601 has it; and a quarter."""
    if match := _YEAR.fullmatch(text):
        return date(int(match[1]), 1, 1), "year"
    if match := _QUARTER.fullmatch(text):
        return date(int(match[1]), 3 * int(match[2]) - 2, 1), "quarter"
    if match := _MONTH.fullmatch(text):
        return date(int(match[1]), int(match[2]), 1), "month"
    if match := _WEEK.fullmatch(text):
        return date.fromisocalendar(int(match[1]), int(match[2]), 1), "week"
    if match := _DAY_OF_WEEK.fullmatch(text):
        return date.fromisocalendar(*map(int, match.groups())), "day"
    if match := _DAY.fullmatch(text):
        return date(int(match[1]), int(match[3]), int(match[4])), "day"
    return None


def _place(name: str, names: tuple[str, ...]) -> int | None:
    """Where a name stands among names, of which three letters are enough."""
    return next((i for i, each in enumerate(names) if name in (each, each[:3])), None)


def _first(day: date, unit: str) -> date:
    """The first day of the week, month, quarter or year in which a day is."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _shifted(first: date, unit: str, count: int) -> date:
    if unit in ("day", "week"):
        return first + timedelta(days=count * (7 if unit == "week" else 1))
    months = (
        {"month": 1, "quarter": 3, "year": 12}[unit] * count + first.year * 12 + first.month - 1
    )
    if not 12 <= months < 120_000:
        raise OverflowError
    return date(months // 12, months % 12 + 1, 1)


# --- instants ------------------------------------------------------------------------------


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins: the first instant of it, or after it where a zone has left it out."""
    local = datetime.combine(day, time(), zone)
    found = local.astimezone(UTC)
    if _exists(local, found):
        return found
    # Clocks skip midnight. Its two readings (fold, PEP 495) are on the two sides of the change.
    old, before = local.utcoffset(), local.replace(fold=1).astimezone(UTC)

    def changed(seconds: int) -> bool:
        return (before + timedelta(seconds=seconds)).astimezone(zone).utcoffset() != old

    return before + timedelta(seconds=bisect_left(range(86_400), True, key=changed))


def _told(naive: datetime, zone: tzinfo, text: str) -> datetime:
    """A time of day in a zone, in UTC."""
    local = naive.replace(tzinfo=zone)
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    either = [each.astimezone(zone).isoformat(timespec="minutes") for each in (first, second)]
    if _exists(local, first):
        raise ValueError(
            f"{quoted(text)} comes twice in {zone}, where clocks are set back; write {either[0]} "
            f"or {either[1]}"
        )
    raise ValueError(
        f"{quoted(text)} does not exist in {zone}, where clocks are set ahead; write {either[0]} "
        f"or {either[1]}"
    )


def _exists(local: datetime, instant: datetime) -> bool:
    return instant.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None)
