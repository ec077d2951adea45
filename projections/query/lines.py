"""The lines of a report, in the order that was asked for, and no more of them than that.

There may be a line for every case of a large store. So a report may give `Lines`, which are made
while they are read: the database sorts, and a few hundred rows at a time are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import nlargest, nsmallest
from itertools import chain, islice
from typing import Any, Protocol, TypeVar, overload

from projections.projection import Row, shape

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
PIECE = 400
"""So many rows are made into lines at a time: what else the lines need is looked up for them
together."""


class Read(Protocol):
    """Reads rows, as `View.stream` does: in an order, in SQL, and at most so many."""

    def __call__(self, *, order: str, limit: int | None) -> Iterator[Any]:
        """Give the rows one after the other."""


class Lines(Sequence[T_co]):
    """Lines that are made of rows each time they are read, for as long as the tables are open.

    Args:
        read: reads the rows.
        make: makes lines of some rows, in their order; of a row one line, or none.
        total: the number of lines.
        order: the report's order, in SQL. It tells every two rows apart.
        columns: the fields of a line that are columns of the rows, under the same name and with the
            same value: see `comparable`. By these the database sorts.
        every: whether each row makes a line.
    """

    def __init__(
        self,
        read: Read,
        make: Callable[[Sequence[Any]], Iterable[T_co]],
        *,
        total: int,
        order: str = "",
        columns: Collection[str] = (),
        every: bool = True,
    ) -> None:
        self._read = read
        self._make = make
        self._total = total
        self._order = order
        self._every = every
        self.columns = columns

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[T_co]:
        rows = self._read(order=self._order, limit=self._total if self._every else None)
        pieces = iter(lambda: list(islice(rows, PIECE)), [])
        made, left = chain.from_iterable(map(self._make, pieces)), self._total
        for line in islice(made, left):
            left -= 1
            yield line
        if left:
            raise ValueError("the tables are closed; read all lines within the context")

    @overload
    def __getitem__(self, index: int) -> T_co: ...

    @overload
    def __getitem__(self, index: slice) -> list[T_co]: ...

    def __getitem__(self, index: int | slice) -> T_co | list[T_co]:
        return list(self)[index]

    def sorted_by(self, sort: str | None, limit: int | None) -> Lines[T_co]:
        """The same lines in the order of one of `columns`; in their own, if it is None."""
        order = self._order
        if sort is not None:
            way = "DESC" if sort.startswith("-") else "ASC"
            order = f'"{sort.removeprefix("-")}" {way} NULLS LAST, {order}'
        return Lines(
            self._read,
            self._make,
            total=self._total if limit is None else min(self._total, limit),
            order=order,
            columns=self.columns,
            every=self._every,
        )


def comparable(row: type[Row], *but: str) -> set[str]:
    """The columns of a class of rows that a database sorts as their values are sorted.

    Args:
        row: the class.
        but: columns to leave out: those that lines do not have as they are.
    """
    form = shape(row)
    return {
        name
        for name, kind in zip(form.columns, form.kinds, strict=True)
        if kind in (str, int, bool, datetime) and name not in but
    }


def in_order(lines: Sequence[T], sort: str | None, limit: int | None) -> Sequence[T]:
    """Lines in the order of a field, or in their own if it is None; the first of them.

    Args:
        lines: all lines.
        sort: the field; with "-" before it, the largest first. None comes last in either direction,
            and what is equal stays in the order of the lines.
        limit: the largest number of lines to give.
    """
    name, largest_first = (sort or "").removeprefix("-"), (sort or "").startswith("-")
    if isinstance(lines, Lines) and (sort is None or name in lines.columns):
        return lines.sorted_by(sort, limit)
    if sort is None:
        return lines if limit is None else lines[:limit]

    def key(line: T) -> tuple[bool, Any]:
        value = getattr(line, name)
        return (value is None) is not largest_first, sortable(value)

    if limit is None:
        return sorted(lines, key=key, reverse=largest_first)
    first = nlargest if largest_first else nsmallest
    return first(limit, lines, key=key)


def sortable(value: Any) -> Any:
    """A key that makes all values of a column comparable: money is sorted after other values."""
    if hasattr(value, "currency"):
        return (value.currency, value.amount)
    return ("", value)
