"""Working time: when something is due that may take so many business hours or days.

Hours are those of the policy's calendar, in its time zone; on a day when clocks change, as many
real hours pass as do. A time of day that is skipped then is the moment of the change; of one that
comes twice the first is meant.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from casestore.events.policy_document import DAYS, Calendar, Span, clock, span

_DAY = timedelta(days=1)
_END = datetime.max.replace(tzinfo=UTC)
_FAR = 4000
"""Days to look ahead: nobody waits for so long, nor has so long a holiday."""


def due(start: datetime, within: str, calendar: Calendar) -> datetime:
    """When something that begins at a time and may take so long is due, in UTC.

    By the clock it is that much later. In business hours, those of the calendar are counted. In
    business days it is the same time of day on the so many-th working day after. What would be
    due after the year 9999 is due at its end.
    """
    length = span(within)
    try:
        return _due(start.astimezone(UTC), length, calendar)
    except OverflowError:
        # In the first and the last days that a date can hold, some zone's day is outside of them.
        return _END if start.year > 1 else start.astimezone(UTC) + length.amount


def _due(start: datetime, length: Span, calendar: Calendar) -> datetime:
    if not length.business or not length.amount:
        return start + length.amount
    if length.days is not None:
        return _working_day(start, length.days, calendar)
    left = length.amount
    for begin, end in _working_hours(start, calendar):
        if end - begin >= left:
            return begin + left
        left -= end - begin
    return start + _FAR * _DAY


def _working_day(start: datetime, count: int, calendar: Calendar) -> datetime:
    local = start.astimezone(calendar.zone)
    day, left = local.date(), count
    for _ in range(_FAR):
        day += _DAY
        left -= _is_working(day, calendar)
        if left == 0:
            break
    if _is_working(local.date(), calendar):
        return _at(day, local.time(), calendar)
    return _at(day + _DAY, time(), calendar)


def _working_hours(start: datetime, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """The calendar's hours from a time on, in UTC."""
    day = start.astimezone(calendar.zone).date()
    for _ in range(_FAR):
        if _is_working(day, calendar):
            for hours in calendar.hours[DAYS[day.weekday()]]:
                begin, _, end = hours.partition("-")
                until = _clock_at(day, end, calendar)
                if until > start:
                    yield max(_clock_at(day, begin, calendar), start), until
        day += _DAY


def _is_working(day: date, calendar: Calendar) -> bool:
    hours = calendar.hours.get(DAYS[day.weekday()])
    return bool(hours) and day.isoformat() not in calendar.holidays


def _clock_at(day: date, text: str, calendar: Calendar) -> datetime:
    at = clock(text)
    return _at(day + _DAY, time(), calendar) if at is None else _at(day, at, calendar)


def _at(day: date, at: time, calendar: Calendar) -> datetime:
    """A time of day in the calendar's zone, in UTC."""
    told = datetime.combine(day, at.replace(fold=0), calendar.zone)
    found = told.astimezone(UTC)
    if found.astimezone(calendar.zone).replace(tzinfo=None) == told.replace(tzinfo=None):
        return found
    # Clocks skip it. Told either way (PEP 495) it is on either side of the change, which is where
    # the old offset ends.
    old, before = told.utcoffset(), told.replace(fold=1, microsecond=0).astimezone(UTC)

    def changed(seconds: int) -> bool:
        then = before + timedelta(seconds=seconds)
        return then.astimezone(calendar.zone).utcoffset() != old

    return before + timedelta(seconds=bisect_left(range(86_400), True, key=changed))
