"""Where the first rows of a list are, and the conditions of a list in SQL: see `first_rows`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from projections.pages.links import Rows, Values
from projections.query.view import View


class First(NamedTuple):
    """Where the first rows of a list are."""

    total: int
    """The number of all rows of the list."""
    streams: Sequence[str] = ()
    """All streams that have one of them, and perhaps more."""
    rows: Sequence[Any] | None = None
    """All of them, and perhaps more, as the report makes them; None: they are not made yet."""


class Cannot(Exception):  # noqa: N818  (it is caught where it is raised)
    """This list cannot be told so: the report makes all rows."""


Find = Callable[[View, Rows, Mapping[str, Any], int], First]


def conditions(
    asked: Rows, columns: Sequence[str], but_for: Sequence[str] = ()
) -> tuple[list[str], list[Any]]:
    """The SQL conditions for `only` and `but`, and their parameters.

    Args:
        asked: the list.
        columns: those that hold the same as the report's fields.
        but_for: fields that the caller compares itself.

    Raises Cannot if a list is chosen by another field.
    """
    where: list[str] = []
    params: list[Any] = []
    for wanted, chosen in ((True, asked.only), (False, asked.but)):
        for name, values in chosen:
            if name in but_for:
                continue
            if name not in columns:
                raise Cannot
            condition, given = _among(name, values)
            where.append(condition if wanted else f"NOT {condition}")
            params += given
    return where, params


def _among(column: str, values: Values) -> tuple[str, list[Any]]:
    """The condition that a column is one of some values, which is never NULL itself."""
    text = f"CAST({column} AS TEXT)"
    given = [each for each in values if each is not None]
    parts = []
    if given:
        marks = ", ".join("?" * len(given))
        parts.append(f"({column} IS NOT NULL AND {text} IN ({marks}))")
    if len(given) < len(values):
        parts.append(f"{column} IS NULL")
    return f"({' OR '.join(parts) or '1 = 0'})", given


def shown(asked: Rows, told: Mapping[str, str | None]) -> bool:
    """Whether a list shows a row, by some of its fields."""
    return all(told[name] in values for name, values in asked.only if name in told) and not any(
        told[name] in values for name, values in asked.but if name in told
    )


def streams_of(keyed: Sequence[Any]) -> list[str]:
    """The streams of rows, of which they are the last value, each once."""
    return list(dict.fromkeys(each[-1] for each in keyed))
