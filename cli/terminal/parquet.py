"""Rows as a Parquet file, for DuckDB, pandas and BI tools. Needs the extra `parquet`.

A column's type comes from what declares it, never from its values: so that this month's file and
last month's can be read as one table, also where one of them has no rows. A column that nothing
declares is text, and so is what fits no type, as JSON. Text is kept as it is: no terminal reads it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from casestore.errors import StoreDamaged
from casestore.events import Money
from casestore.transfer.parquet import MOST_ROWS, arrow_types, pyarrow
from cli.terminal.columns import Cells, Column
from cli.terminal.formats import to_json
from cli.terminal.options import Usage


def parquet_file(
    columns: Sequence[Column], rows: Sequence[Cells], about: Mapping[str, Any]
) -> bytes:
    """The bytes of a Parquet file. Its metadata has `about` and the version, as `casestore.…`.

    Durations stay whole seconds. Money is an amount and, in NAME_currency, its currency; a count in
    its place has none.

    Raises Usage where pyarrow is not installed, StoreDamaged for an amount of too many decimals.
    """
    try:
        pa, parquet = pyarrow()
    except ImportError as error:
        raise Usage(f"{error}; ndjson needs nothing") from None
    types = arrow_types(pa)
    arrays = {}
    for column in columns:
        for name, kind, values in _spread(column, [row.get(column.name) for row in rows]):
            try:
                arrays[name] = pa.array(values, types[kind])
            except pa.ArrowInvalid:
                raise StoreDamaged(
                    f"{name} has an amount that no event may have, so one was altered; csv shows it"
                ) from None
    about = {"version": version("casestore"), **about}
    said = {f"casestore.{name.replace(' ', '_')}": _text(each) for name, each in about.items()}
    table = pa.table(arrays).replace_schema_metadata({n: s for n, s in said.items() if s})
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd", row_group_size=MOST_ROWS)
    return file.getvalue()


def _spread(column: Column, values: list[Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """The names, kinds and values of what a column becomes: money takes two."""
    kind = _kind(column.holds)
    yield column.name, kind, [_AS[kind](each) for each in values] if kind in _AS else values
    if kind == "amount":
        currencies = (getattr(each, "currency", None) for each in values)
        yield f"{column.name}_currency", "text", list(currencies)


def _kind(holds: Any) -> str:
    """What a column holds, as `arrow_types` knows it, by the type of its values."""
    several = get_origin(holds) in (Union, UnionType)
    held = {each for each in (get_args(holds) if several else (holds,)) if each is not NoneType}
    if Money in held:
        return "amount"
    only: Any = held.pop() if len(held) == 1 else None
    if get_origin(only) in (list, tuple):
        return {Money: "amounts", str: "texts"}.get(get_args(only)[0], "text")
    return {int: "integer", float: "number", bool: "flag", datetime: "time"}.get(only, "text")


def _text(value: Any) -> str | None:
    """A value as text: JSON, where it is none. The name of a file may have what UTF-8 has not."""
    plain = to_json(value)
    if plain is None:
        return None
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode()


def _amount(value: Money | int | None) -> Decimal | None:
    if value is None:
        return None
    return value.amount if isinstance(value, Money) else Decimal(value)


def _amounts(values: Sequence[Money] | None) -> list[dict[str, Any]] | None:
    if values is None:
        return None
    return [{"amount": each.amount, "currency": each.currency} for each in values]


_AS: Mapping[str, Callable[[Any], Any]] = {"text": _text, "amount": _amount, "amounts": _amounts}
"""By kind, what makes a value as Arrow takes it, where that is not the value itself."""
