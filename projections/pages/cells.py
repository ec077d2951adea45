"""The cells of a row of a list, as HTML. A list has thousands, so no template makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from casestore.streams.wording import words
from projections.pages.formats import NONE, code, lasted, money, number, percent, safe
from projections.pages.links import Links

At = Callable[[datetime], Markup]


def row_cells(
    links: Links, at: At, columns: Sequence[Any], row: Any, address: str | None
) -> Markup:
    """The cells of a row. What is not there stays a dash: its column explains it.

    Args:
        links: the addresses of cases and customers.
        at: tells a time.
        columns: those of `lists.columns`.
        row: a row of a report.
        address: where the first cell leads; None: nowhere.
    """
    parts = []
    for index, column in enumerate(columns):
        kind = "n" if column.right else "id" if column.form in ("case", "customer") else ""
        told = _cell(links, at, column.form, getattr(row, column.name))
        if index == 0 and address is not None:
            told = f'<a href="{escape(address)}">{told}</a>'
        parts.append(f'<td class="{kind}">{told}</td>' if kind else f"<td>{told}</td>")
    return Markup("".join(parts))  # noqa: S704  (each part is escaped)


def cell(links: Links, at: At, form: str, value: Any) -> Markup:
    """The content of one cell: a value in one of the forms of `lists.Form`."""
    return Markup(_cell(links, at, form, value))  # noqa: S704  (each part is escaped)


def _cell(links: Links, at: At, form: str, value: Any) -> str:
    if value is None:
        return NONE
    match form:
        case "case":
            return _link(links.case(value), value)
        case "customer":
            return _link(links.customer(value), value)
        case "rule":
            lessons = links.page("lessons")
            return _link(None if lessons is None else f"{lessons}#{value}", value)
        case "time":
            return at(value)
        case "text":
            told = value if isinstance(value, str) else words(value)
            return f"<bdi>{escape(safe(told))}</bdi>"
        case _:
            return escape(_FORMS[form](value))


_FORMS: dict[str, Callable[[Any], Markup | str]] = {
    "seconds": lasted,
    "money": money,
    "share": percent,
    "number": number,
    "code": code,
}


def _link(address: str | None, text: str) -> str:
    told = escape(safe(text))
    return f"<bdi>{told}</bdi>" if address is None else f'<a href="{escape(address)}">{told}</a>'
