"""Working time: when something is due that may take some business hours or business days.

The hours are those of the policy's calendar, in its time zone. On a day on which clocks change,
real hours are counted. A time of day that is skipped on that day means the moment of the change. A
time of day that comes twice means the first one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from casestore.events.policy_document import DAYS, Calendar, Span, clock, span

_DAY = timedelta(days=1)
_END = datetime.max.replace(tzinfo=UTC)
_FAR = 4000
"""The number of days to look ahead. No due time and no holiday is longer than that."""


def due(start: datetime, within: str, calendar: Calendar) -> datetime:
    """When something is due that begins at a time and may take some time.

    Args:
        start: when it begins.
        within: how long it may take, like "24h", "8 business hours" or "2 business days". Clock
            time is added to `start`. Business hours are counted in the calendar's hours. n business
            days mean the same time of day on the n-th working day after.
        calendar: the working hours and days.

    Returns:
        The due time in UTC; at most the end of the year 9999.
    """
    length = span(within)
    try:
        return _due(start.astimezone(UTC), length, calendar)
    except OverflowError:
        # Near the first and the last date there is, a zone's local day may be outside of the
        # calendar.
        return _END if start.year > 1 else start.astimezone(UTC) + length.amount


def working_time(start: datetime, end: datetime, calendar: Calendar) -> timedelta:
    """How much of the calendar's working time is between two times; 0 if `start` is later.

    On a day on which clocks change, real hours are counted.
    """
    if end <= start:
        return timedelta()
    # The blocks are kept with the calendar, which never changes: a rebuild asks a million times.
    blocks: dict[int, _Block] = calendar.__dict__.setdefault("_blocks", {})
    begin, until = start.astimezone(UTC), end.astimezone(UTC)
    first, last = begin.toordinal() // _BLOCK, until.toordinal() // _BLOCK
    earlier = _block(blocks, first, calendar).before(begin)
    total = _block(blocks, last, calendar).before(until) - earlier
    for number in range(first, last):
        total += _block(blocks, number, calendar).total
    return total


_BLOCK = 400
"""The number of days in a block, whose working hours are computed together."""


class _Block(NamedTuple):
    """The working hours of some days in UTC, cut off at the block's begin and end."""

    begins: list[datetime]
    ends: list[datetime]
    sums: list[timedelta]
    """For each interval, the block's working time before it."""
    total: timedelta

    def before(self, at: datetime) -> timedelta:
        """How much of the block's working time is before a time."""
        place = bisect_right(self.begins, at) - 1
        if place < 0:
            return timedelta()
        return self.sums[place] + (min(at, self.ends[place]) - self.begins[place])


def _block(blocks: dict[int, _Block], number: int, calendar: Calendar) -> _Block:
    if number not in blocks:
        block = _Block([], [], [], timedelta())
        total = timedelta()
        first, last = number * _BLOCK, (number + 1) * _BLOCK
        since, until = _midnight(first), _midnight(last)
        for ordinal in range(first - 1, last + 1):  # in UTC, a local day may begin a day earlier
            for opens, closes in _hours_of(ordinal, calendar):
                begin, end = max(opens, since), min(closes, until)
                if begin < end:
                    block.begins.append(begin)
                    block.ends.append(end)
                    block.sums.append(total)
                    total += end - begin
        blocks[number] = block._replace(total=total)
    return blocks[number]


def _midnight(ordinal: int) -> datetime:
    if ordinal < 1:
        return datetime.min.replace(tzinfo=UTC)
    if ordinal > date.max.toordinal():
        return _END
    return datetime.fromordinal(ordinal).replace(tzinfo=UTC)


def _hours_of(ordinal: int, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """The working hours of a day, in UTC. The first and the last date there is have none."""
    if not 2 < ordinal < date.max.toordinal() - 1:
        return
    day = date.fromordinal(ordinal)
    if _is_working(day, calendar):
        for hours in calendar.hours[DAYS[day.weekday()]]:
            begin, _, end = hours.partition("-")
            yield _clock_at(day, begin, calendar), _clock_at(day, end, calendar)


def after_working_time(start: datetime, length: timedelta, calendar: Calendar) -> datetime:
    """The time at which a length of the calendar's working time has passed since `start`."""
    if not length:
        return start
    left = length
    for begin, end in _working_hours(start, calendar):
        if end - begin >= left:
            return begin + left
        left -= end - begin
    return start + _FAR * _DAY


def _due(start: datetime, length: Span, calendar: Calendar) -> datetime:
    if not length.business or not length.amount:
        return start + length.amount
    if length.days is not None:
        return _working_day(start, length.days, calendar)
    return after_working_time(start, length.amount, calendar)


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
    """The calendar's working hours from a time on, in UTC."""
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
    # Clocks skip this time. Its two readings (fold, PEP 495) are on the two sides of the change.
    # The change is where the old offset ends.
    old, before = told.utcoffset(), told.replace(fold=1, microsecond=0).astimezone(UTC)

    def changed(seconds: int) -> bool:
        then = before + timedelta(seconds=seconds)
        return then.astimezone(calendar.zone).utcoffset() != old

    return before + timedelta(seconds=bisect_left(range(86_400), True, key=changed))
