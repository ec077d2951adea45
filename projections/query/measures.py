"""Functions that reports count and measure with: percentiles, shares, sums, periods."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Context, Decimal
from typing import Any, Literal, TypeVar

from casestore.events import Money
from casestore.streams.wording import in_zone

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
TICK = timedelta(microseconds=1)
"""The shortest time that is told apart: times are kept in microseconds."""
_EXACTLY = Context(prec=100)
"""Enough digits for exact sums: an amount has at most 24."""
_NOTHING = Decimal(0)


def percentile(values: Iterable[T], percent: int) -> T | None:
    """The nearest-rank percentile, or None if there are no values.

    It is the smallest of the values such that at least `percent` per cent of them are not above
    it: of n values in order, the one at rank ceil(percent / 100 * n). (This is the inverse of the
    empirical distribution function, definition 1 in Hyndman and Fan, "Sample Quantiles in
    Statistical Packages", 1996.)
    """
    ordered: list[Any] = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def share(part: int, whole: int) -> float | None:
    """part / whole, rounded to four places; None if whole is 0."""
    return round(part / whole, 4) if whole else None


def seconds(passed: timedelta) -> int:
    """A duration in whole seconds, rounded down."""
    return passed // timedelta(seconds=1)


def shifted(at: datetime, by: timedelta) -> datetime:
    """`at` plus `by`. A result outside of the calendar is moved to the calendar's end."""
    try:
        return at + by
    except OverflowError:
        return _LAST if by > timedelta() else _FIRST


class Sums:
    """The sum in each currency. Amounts of different currencies are never added up."""

    def __init__(self) -> None:
        self._total: dict[str, Decimal] = {}

    def add(self, money: Money | None) -> None:
        """Add an amount, if there is one."""
        if money is not None:
            before = self._total.get(money.currency, _NOTHING)
            self._total[money.currency] = _EXACTLY.add(before, money.amount)

    def told(self) -> list[Money]:
        """The sums, in the order of the currencies' codes."""
        return [Money.exact(self._total[code], code) for code in sorted(self._total)]


def sums(values: Iterable[Money | None]) -> list[Money]:
    """The sum of amounts in each currency: see Sums."""
    total = Sums()
    for money in values:
        total.add(money)
    return total.told()


def grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Rows by their key. The keys are in the order in which they first occur."""
    found: dict[K, list[T]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def counted(values: Iterable[str], order: Sequence[str]) -> dict[str, int]:
    """How often each code occurs among values; the codes are those of `order`, in its order."""
    found = dict.fromkeys(order, 0)
    for value in values:
        found[value] += 1
    return found


def one_sum(values: Iterable[Money | None]) -> Money | None:
    """The sum of amounts that are in one currency; None if there are none."""
    return next(iter(sums(values)), None)


Step = Literal["day", "week", "month"]
STEPS: tuple[Step, ...] = ("day", "week", "month")


def month(at: datetime, zone: tzinfo) -> str:
    """The month of a time, like 2026-03."""
    return period(at, "month", zone)


def period(at: datetime, by: Step, zone: tzinfo) -> str:
    """The day, week or month of a time: 2026-05-20, 2026-W21 (ISO 8601), 2026-05."""
    day = in_zone(at, zone).date()
    if by == "day":
        return day.isoformat()
    if by == "month":
        return day.isoformat()[:7]
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def bounds(name: str, by: Step, zone: tzinfo) -> tuple[datetime, datetime]:
    """When a period begins and when the next one does, by the name that `period` gives it.

    Raises ValueError for a name that is none.
    """
    if by == "week":
        year, _, week = name.partition("-W")
        begin = date.fromisocalendar(int(year), int(week), 1)
    else:
        begin = date.fromisoformat(f"{name}-01" if by == "month" else name)
    if by == "month":
        return _midnight(begin, zone), _midnight(begin, zone, months=1)
    return _midnight(begin, zone), _midnight(begin, zone, days=1 if by == "day" else 7)


def _midnight(day: date, zone: tzinfo, days: int = 0, months: int = 0) -> datetime:
    """The first instant of a day so much later, also where clocks skip midnight.

    What is outside of the calendar is moved to its end.
    """
    try:
        later = day + timedelta(days=days or 32 * months)
        later = later.replace(day=1) if months else later
        return datetime.combine(later, time(), zone).astimezone(UTC)
    except OverflowError:
        return _FIRST if day.year == 1 else _LAST


def periods(begin: datetime, end: datetime, by: Step, zone: tzinfo) -> Iterator[str]:
    """Every day, week or month from that of `begin` to that of `end`, both included."""
    day, last = in_zone(begin, zone).date(), period(end, by, zone)
    if by == "week":
        day -= timedelta(days=day.weekday())
    while True:
        name = period(datetime.combine(day, time(12), UTC), by, UTC)
        yield name
        if name == last:
            return
        if by == "month":
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=1 if by == "day" else 7)
