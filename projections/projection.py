"""What a projection is: a name, a version, a class of rows, and a pure function that makes them.

The rows of a case are a function of its history (and of its customer's history and the policies,
if the projection says so). Nothing is incremental: after a new event all rows of the stream are
made anew and replace the old ones. So it does not matter how often, in which batches, in what
order or by which process they are made. Rows do not hold what changes as time passes, such as
whether a promise is broken: they hold times, and a report compares these with its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import starmap
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec.structs import astuple

from casestore.events import Event, Money
from casestore.events.markers import per_class
from casestore.streams.history import from_microseconds, to_microseconds
from projections.history.case_history import CaseHistory
from projections.history.customer_history import CustomerHistory


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of a projection. Its fields are the table's columns, in the same order.

    A field is a str, int, bool, datetime, Money, a tuple of str or of datetime, a Literal of str,
    or one of these or None.
    """


Convert = Callable[[Any], Any]


def _money_to_text(money: Money) -> str:
    return f"{money.amount:f} {money.currency}"


def _money_from_text(text: str) -> Money:
    amount, currency = text.split(" ")
    return Money.exact(Decimal(amount), currency)


_encode = msgspec.json.Encoder().encode
_decode_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_numbers = msgspec.json.Decoder(tuple[int, ...]).decode


_STORED: dict[Any, tuple[str, Convert | None, Convert | None]] = {
    str: ("TEXT", None, None),
    int: ("BIGINT", None, None),
    bool: ("BIGINT", int, bool),
    datetime: ("BIGINT", to_microseconds, from_microseconds),
    Money: ("TEXT", _money_to_text, _money_from_text),
    tuple[str, ...]: ("TEXT", lambda texts: _encode(texts).decode(), _decode_texts),
    tuple[datetime, ...]: (
        "TEXT",
        lambda times: _encode([to_microseconds(each) for each in times]).decode(),
        lambda text: tuple(map(from_microseconds, _decode_numbers(text))),
    ),
}
"""By type of field: the database's type, and the functions that convert to it and back."""


class Shape(NamedTuple):
    """How rows of a class are stored."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    store: tuple[tuple[int, Convert], ...]
    """Fields to convert before they are stored: the index, counting the stream's name as 0."""
    load: tuple[tuple[int, Convert], ...]
    """Fields to convert when they are read: the index, counting the first column as 0."""
    kinds: tuple[Any, ...]
    """By column, the type of its values: a key of `_STORED`."""


def _kind(hint: Any) -> Any:
    """The key of `_STORED` for a field's annotation."""
    if hint in _STORED:
        return hint
    kind = next(each for each in get_args(hint) if each is not type(None))
    return str if isinstance(kind, str) else _kind(kind)  # a str here is a code of a Literal


@per_class
def shape(cls: type[Row]) -> Shape:
    """How rows of a class are stored."""
    hints = get_type_hints(cls)
    kinds = tuple(_kind(hints[name]) for name in cls.__struct_fields__)
    stored = [_STORED[kind] for kind in kinds]
    return Shape(
        cls.__struct_fields__,
        tuple(each[0] for each in stored),
        tuple((n, each[1]) for n, each in enumerate(stored, 1) if each[1]),
        tuple((n, each[2]) for n, each in enumerate(stored) if each[2]),
        kinds,
    )


def to_stored(stream: str, cls: type[Row], rows: Iterable[Row]) -> list[list[Any]]:
    """Convert a stream's rows to what the database stores: the stream's name, then the columns."""
    store = shape(cls).store
    found = []
    for row in rows:
        values = [stream, *astuple(row)]
        for index, convert in store:
            if (value := values[index]) is not None:
                values[index] = convert(value)
        found.append(values)
    return found


def from_stored(cls: type[Any], found: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """Make rows of a class from the tuples that the database gives."""
    load = shape(cls).load
    if not load:
        yield from starmap(cls, found)
    for each in found:
        values = list(each)
        for index, convert in load:
            if (value := values[index]) is not None:
                values[index] = convert(value)
        yield cls(*values)


def values_from_stored(
    cls: type[Row], names: Sequence[str], found: Iterable[Sequence[Any]]
) -> Iterator[list[Any]]:
    """The values of some columns of a class of rows, from the tuples that the database gives."""
    form = shape(cls)
    convert = {form.columns[index]: each for index, each in form.load}
    load = [(index, convert[name]) for index, name in enumerate(names) if name in convert]
    for each in found:
        values = list(each)
        for index, of_column in load:
            if (value := values[index]) is not None:
                values[index] = of_column(value)
        yield values


class Projection(NamedTuple):
    """A read model. To add one, write a module with its rows and add a line to `PROJECTIONS`."""

    name: str
    version: int
    """Raise it when `rows`, the columns or the indexes change: then this table, and no other, is
    built anew."""
    row: type[Row]
    rows: Callable[[CaseHistory], Iterable[Row]] | Callable[[CustomerHistory], Iterable[Row]]
    """The function that makes the rows of a case, or of a customer."""
    of: Literal["case", "customer"] = "case"
    """The kind of stream that the rows are made from."""
    on: tuple[type[Event], ...] = ()
    """A case has rows only if one of these types of events occurs in it; empty: it always has."""
    looks_at: frozenset[str] = frozenset()
    """What else the rows of a case depend on: "customer", "policy", or both."""
    indexes: tuple[str, ...] = ()
    """Columns that get an index, because rows are looked up by them; several in one, with spaces
    between, where they are counted without reading rows. `stream` always has one."""
