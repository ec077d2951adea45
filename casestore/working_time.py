"""Working time: when something is due that may take so many business hours or days.

Hours are those of the policy's calendar, in its time zone; on a day when clocks change, as many
real hours pass as do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from casestore.events.document import DAYS, Calendar, clock, span

_DAY = timedelta(days=1)
_FAR = 4000
"""Days to look ahead: a calendar with so long a holiday is nobody's."""


def due(start: datetime, within: str, calendar: Calendar) -> datetime:
    """When something that begins at a time and may take so long is due, in UTC.

    By the clock it is that much later. In business hours, those of the calendar are counted. In
    business days it is the same time of day on the so many-th working day after.
    """
    length = span(within)
    if not length.business:
        return _later(start, length.amount)
    if length.days is not None:
        return _working_day(start, length.days, calendar)
    left = length.amount
    for begin, end in _working_hours(start, calendar):
        if end - begin >= left:
            return begin + left
        left -= end - begin
    return _later(start, _FAR * _DAY)


def _later(start: datetime, amount: timedelta) -> datetime:
    try:
        return start.astimezone(UTC) + amount
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _working_day(start: datetime, count: int, calendar: Calendar) -> datetime:
    local = start.astimezone(calendar.zone)
    day, left = local.date(), count
    for _ in range(_FAR):
        if left == 0:
            break
        day += _DAY
        left -= bool(_hours_on(day, calendar))
    return datetime.combine(day, local.time(), calendar.zone).astimezone(UTC)


def _working_hours(start: datetime, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """The calendar's hours from a time on, in UTC."""
    start = start.astimezone(UTC)
    day = start.astimezone(calendar.zone).date()
    for _ in range(_FAR):
        for begin, end in _hours_on(day, calendar):
            if end > start:
                yield max(begin, start), end
        day += _DAY


def _hours_on(day: date, calendar: Calendar) -> list[tuple[datetime, datetime]]:
    if day.isoformat() in calendar.holidays:
        return []
    found = []
    for hours in calendar.hours.get(DAYS[day.weekday()], ()):
        begin, _, end = hours.partition("-")
        until = clock(end)
        found.append(
            (
                _at(day, clock(begin) or time(), calendar),
                _at(day, until, calendar) if until else _at(day + _DAY, time(), calendar),
            )
        )
    return found


def _at(day: date, at: time, calendar: Calendar) -> datetime:
    return datetime.combine(day, at, calendar.zone).astimezone(UTC)
