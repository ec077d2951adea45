"""What a projection is: a name, a version, a class of rows, and a pure function that makes them.

The rows of a case are a function of what happened in it (and, where a projection says so, of its
customer's history and the policies). Nothing is incremental: after a new event a stream's rows are
made anew and replace the old ones, so it does not matter how often, in which batches, in what
order or where that is done. What time alone changes (a promise broken by waiting) is no row's
business: rows hold times, and reports compare them with theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec.structs import astuple

from casestore.events import Money
from casestore.events.markers import per_class
from casestore.streams.history import from_microseconds, to_microseconds
from projections.history.case_history import CaseHistory
from projections.history.customer_history import CustomerHistory


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of a projection. Its fields are the table's columns, in their order.

    They may be text, whole numbers, flags, instants, money and lists of text or instants.
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
"""For each type of column: the database's type, and the ways there and back."""


class Shape(NamedTuple):
    """How rows of a class are stored."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    store: tuple[tuple[int, Convert], ...]
    """By place, counted with the stream's name before the columns."""
    load: tuple[tuple[int, Convert], ...]


def _kind(hint: Any) -> Any:
    """What of `_STORED` a field's annotation comes down to."""
    if hint in _STORED:
        return hint
    kind = next(each for each in get_args(hint) if each is not type(None))
    return str if isinstance(kind, str) else _kind(kind)  # str: of the codes of a Literal


@per_class
def shape(cls: type[Row]) -> Shape:
    """How rows of a class are stored."""
    hints = get_type_hints(cls)
    stored = [_STORED[_kind(hints[name])] for name in cls.__struct_fields__]
    return Shape(
        cls.__struct_fields__,
        tuple(each[0] for each in stored),
        tuple((n, each[1]) for n, each in enumerate(stored, 1) if each[1]),
        tuple((n, each[2]) for n, each in enumerate(stored) if each[2]),
    )


def to_stored(stream: str, cls: type[Row], rows: Iterable[Row]) -> list[list[Any]]:
    """A stream's rows of a class as the database takes them, the stream's name before each."""
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
    """Rows of a class from what the database gives."""
    load = shape(cls).load
    for each in found:
        values = list(each)
        for index, convert in load:
            if (value := values[index]) is not None:
                values[index] = convert(value)
        yield cls(*values)


class Projection(NamedTuple):
    """A read model. To add one: a module with its rows, and a line in `PROJECTIONS`."""

    name: str
    version: int
    """Raised when `rows` or the columns change: its table, and only that, is then built anew."""
    row: type[Row]
    rows: Callable[[CaseHistory], Iterable[Row]] | Callable[[CustomerHistory], Iterable[Row]]
    """What makes the rows: of a case from its CaseHistory, of a customer from their History."""
    of: Literal["case", "customer"] = "case"
    """Whose streams the rows belong to."""
    looks_at: frozenset[str] = frozenset()
    """What else a case's rows are made from: "customer", "policy", or both."""
    indexes: tuple[str, ...] = ()
    """Columns to find rows by. A case's rows are found by their stream."""
