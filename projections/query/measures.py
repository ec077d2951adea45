"""What reports count and measure with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, TypeVar

from casestore.events import Money

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


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


def sums(values: Iterable[Money | None]) -> list[Money]:
    """The sum in each currency, in the order of their names: currencies are never added up."""
    total: dict[str, Decimal] = {}
    for money in values:
        if money is not None:
            total[money.currency] = total.get(money.currency, Decimal(0)) + money.amount
    return [Money(amount=total[currency], currency=currency) for currency in sorted(total)]


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


def month(at: datetime, zone: tzinfo) -> str:
    """The month of a time, like 2026-03."""
    return f"{at.astimezone(zone):%Y-%m}"
