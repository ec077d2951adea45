"""Rows and objects for programs and documents: JSON, NDJSON, CSV, TSV, Markdown and HTML."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from casestore.events import Money, Ref
from casestore.streams.wording import in_zone
from cli.terminal.columns import Cells, Column
from cli.terminal.tables import cell
from cli.terminal.text import CONTROLS, visible

_PLAIN = frozenset({str, int, bool, float})


def to_json(value: Any) -> Any:
    """A value as plain JSON: instants in UTC with Z, money as amount and currency."""
    if value is None or type(value) in _PLAIN:
        return value
    match value:
        case datetime():
            return moment(value)
        case Money():
            return {"amount": f"{value.amount:f}", "currency": value.currency}
        case Ref():
            return {"kind": value.kind, "id": value.id}
        case Decimal() | UUID():
            return str(value)
        case Mapping():
            return {str(name): to_json(item) for name, item in value.items()}
        case list() | tuple():
            return [to_json(item) for item in value]
        case _:
            return value


def moment(value: datetime, zone: tzinfo = UTC) -> str:
    """An instant in a zone, with its offset from UTC; Z in UTC itself."""
    text = in_zone(value, zone).isoformat()
    return text.replace("+00:00", "Z") if zone is UTC else text


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings and lists, each with its dotted path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from flatten(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from flatten(item, f"{path}.{index}")
    else:
        yield path, value


# --- JSON ----------------------------------------------------------------------------------


def json_text(value: Any, indent: int | None = None) -> str:
    """Plain JSON as text that cannot steer a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # Outside of strings stands none of these characters but the newlines of indent (inside, json
    # escapes newlines itself). So to escape all others changes no value.
    return CONTROLS.sub(lambda m: m[0] if m[0] == "\n" else f"\\u{ord(m[0]):04x}", text)


def object_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """An object as `json_text` has it, with an indent of 2. A value that is an iterator becomes a
    list, whose items are written while they come."""
    opened = "{"
    for name, each in value.items():
        yield f"{opened}\n  {json_text(name)}: "
        opened = ","
        if not isinstance(each, Iterator):
            yield _indented(each, "  ")
            continue
        begin = "["
        for item in each:
            yield f"{begin}\n    {_indented(item, '    ')}"
            begin = ","
        yield "[]" if begin == "[" else "\n  ]"
    yield "{}\n" if opened == "{" else "\n}\n"


def _indented(value: Any, by: str) -> str:
    return json_text(to_json(value), indent=2).replace("\n", f"\n{by}")


def json_lines(columns: Sequence[Column], rows: Iterable[Cells]) -> Iterator[str]:
    """Rows as one JSON list."""
    opened = False
    for row in _plain(columns, rows):
        yield f"{',' if opened else '['}\n  {json_text(row)}"
        opened = True
    yield "\n]\n" if opened else "[]\n"


def ndjson_lines(columns: Sequence[Column], rows: Iterable[Cells]) -> Iterator[str]:
    """Rows as JSON, one a line."""
    return (f"{json_text(row)}\n" for row in _plain(columns, rows))


def _plain(columns: Sequence[Column], rows: Iterable[Cells]) -> Iterator[dict[str, Any]]:
    names = [column.name for column in columns]
    return ({name: to_json(row.get(name)) for name in names} for row in rows)


# --- CSV and TSV ---------------------------------------------------------------------------


def csv_lines(
    columns: Sequence[Column], rows: Iterable[Cells], zone: tzinfo = UTC
) -> Iterator[str]:
    """Rows as CSV, for spreadsheets and for programs: one line a row, whatever the text."""
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end in \r\n
    for line in _sheet(columns, rows, zone):
        writer.writerow(line)
        yield f"{text.getvalue()[:-2]}\n"
        text.seek(0)
        text.truncate()


def tsv_lines(
    columns: Sequence[Column], rows: Iterable[Cells], zone: tzinfo = UTC
) -> Iterator[str]:
    """Rows with tabs between their cells, and no quotes: no cell holds a tab or an end of line."""
    return ("\t".join(line) + "\n" for line in _sheet(columns, rows, zone))


def _sheet(columns: Sequence[Column], rows: Iterable[Cells], zone: tzinfo) -> Iterator[list[str]]:
    names = spread_money(columns)
    lines = (with_money_spread(columns, row) for row in rows)
    return chain([names], ([_text(row.get(name), zone) for name in names] for row in lines))


def spread_money(columns: Iterable[Column]) -> list[str]:
    """The names of columns where money takes two: `value` and `value_currency`."""
    pairs = ([c.name, f"{c.name}_currency"] if c.money else [c.name] for c in columns)
    return list(chain.from_iterable(pairs))


def with_money_spread(columns: Iterable[Column], row: Cells) -> Cells:
    """A row with the amount and the currency of its money apart. A count has no currency."""
    apart: dict[str, Any] = {}
    for column in columns:
        value = row.get(column.name)
        if column.money and isinstance(value, Money):
            apart[column.name] = value.amount
            apart[f"{column.name}_currency"] = value.currency
    return {**row, **apart} if apart else row


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Spreadsheets take a cell that begins so for a formula and run it; an apostrophe stops them."""
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
"""What may begin with a sign and is no formula all the same."""


def _text(value: Any, zone: tzinfo) -> str:
    """A value as a cell of a sheet, without control and bidi characters."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return moment(value, zone)
        case Decimal():
            return f"{value:f}"
        case Money():
            return f"{value.amount:f} {value.currency}"
        case Ref() | Mapping() | list() | tuple():
            text = json_text(to_json(value))
        case _:
            text = str(value)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return visible(text)


# --- documents -----------------------------------------------------------------------------


def markdown_lines(
    columns: Sequence[Column], rows: Iterable[Cells], zone: tzinfo = UTC
) -> Iterator[str]:
    """Rows as a table of GitHub's Markdown."""
    yield _markdown_line(visible(column.title) for column in columns)
    yield f"| {' | '.join('--:' if column.right else '---' for column in columns)} |\n"
    for row in rows:
        yield _markdown_line(cell(row.get(column.name), zone) for column in columns)


_MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown may take for markup; not an underscore within a word."""


def _markdown_line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(markdown, texts))} |\n"


def markdown(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", text)


_FONT = "font-family:sans-serif;font-size:14px"
_CELL = "padding:4px 10px;vertical-align:top;border-bottom:1px solid #ccc"
_HEAD = "padding:4px 10px;vertical-align:bottom;border-bottom:2px solid #888"


def html_lines(
    columns: Sequence[Column], rows: Iterable[Cells], zone: tzinfo = UTC
) -> Iterator[str]:
    """Rows as a fragment of HTML to put into a mail: styles stand in the elements themselves."""
    yield f'<table style="border-collapse:collapse;{_FONT}">\n<thead>\n'
    yield _html_row("th", _HEAD, columns, [visible(column.title) for column in columns])
    yield "</thead>\n<tbody>\n"
    for row in rows:
        yield _html_row("td", _CELL, columns, [cell(row.get(c.name), zone) for c in columns])
    yield "</tbody>\n</table>\n"


def _html_row(element: str, style: str, columns: Sequence[Column], texts: Sequence[str]) -> str:
    from html import escape  # noqa: PLC0415  (only a page needs it)

    cells = (
        # dir: text that runs from right to left stays within its own cell.
        f'<{element} dir="auto" style="{style};text-align:{"right" if column.right else "left"}">'
        f"{escape(text)}</{element}>"
        for column, text in zip(columns, texts, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>\n"


def html_text(text: str) -> str:
    """A line of text between tables."""
    from html import escape  # noqa: PLC0415  (the same)

    return f'<p style="{_FONT};margin:8px 0">{escape(visible(text))}</p>\n'
