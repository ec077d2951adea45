"""What reports count and measure with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Context, Decimal, localcontext
from typing import Any, Literal, TypeVar

from casestore.events import Money
from casestore.streams.wording import in_zone

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EXACTLY = Context(prec=100)
"""An amount has up to 24 digits: sums of very many still fit."""


def percentile(values: Iterable[T], percent: int) -> T | None:
    """The nearest-rank percentile: the smallest value that so many percent do not exceed.

    None of no values. (ISO 2602 and NIST call it the nearest-rank method.)
    """
    ordered: list[Any] = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def share(part: int, whole: int) -> float | None:
    """A share, rounded to four places; None of nothing."""
    return round(part / whole, 4) if whole else None


def seconds(passed: timedelta) -> int:
    """Whole seconds, rounded down."""
    return passed // timedelta(seconds=1)


def shifted(at: datetime, by: timedelta) -> datetime:
    """A time so much later, or earlier; at most at the end of the calendar."""
    try:
        return at + by
    except OverflowError:
        return _LAST if by > timedelta() else _FIRST


def sums(values: Iterable[Money | None]) -> list[Money]:
    """The sum in each currency, in the order of their names: currencies are never added up."""
    total: dict[str, Decimal] = {}
    with localcontext(_EXACTLY):
        for money in values:
            if money is not None:
                total[money.currency] = total.get(money.currency, Decimal(0)) + money.amount
    return [Money.exact(total[currency], currency) for currency in sorted(total)]


def grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Rows by a key, in the order in which the keys come."""
    found: dict[K, list[T]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def counted(values: Iterable[str], order: Sequence[str]) -> dict[str, int]:
    """How often each of some codes occurs."""
    found = dict.fromkeys(order, 0)
    for value in values:
        found[value] += 1
    return found


def one_sum(values: Iterable[Money | None]) -> Money | None:
    """The sum of amounts in one currency; None of none."""
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


def periods(begin: datetime, end: datetime, by: Step, zone: tzinfo) -> Iterator[str]:
    """Every day, week or month from that of a time to that of another."""
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
