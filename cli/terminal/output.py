"""Prints rows: a table for people; JSON, NDJSON or CSV for programs.

Rows are mappings from a column's name to a plain value: text, number, flag, datetime, Money, or
a list or mapping of these. One declaration of columns serves every format.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

import click
from rich.cells import cell_len

from casestore.events import Money, Ref
from casestore.streams.wording import words
from cli.terminal.options import settings
from cli.terminal.text import CONTROLS, visible

Cells = Mapping[str, Any]


class Column(NamedTuple):
    """A column of a table, and a key for programs."""

    name: str
    heading: str | None = None
    """For people. If left out: the name, with spaces instead of underscores."""
    right: bool = False
    """Whether a table aligns it to the right, as is usual for numbers."""
    people: bool = True
    """Whether tables have it."""
    programs: bool = True
    """Whether JSON, NDJSON and CSV have it."""

    @property
    def title(self) -> str:
        """The heading for people."""
        return self.name.replace("_", " ") if self.heading is None else self.heading


def print_rows(
    columns: Sequence[Column], rows: Iterable[Cells], *, zone: tzinfo = UTC, empty: str = "none"
) -> None:
    """Print rows in the format that was asked for.

    Args:
        columns: what to print of each row, in order.
        rows: a table needs them all at once; every other format is written while they come.
        zone: the time zone of the times in a table.
        empty: what is printed in place of a table without rows.
    """
    chosen = settings().format
    if chosen == "table":
        all_rows = list(rows)
        print_lines(table(columns, all_rows, zone=zone) if all_rows else [empty])
        return
    names = [column.name for column in columns if column.programs]
    plain_rows = ({name: to_json(row.get(name)) for name in names} for row in rows)
    lines_of = {"json": _json_lines, "ndjson": _ndjson_lines, "csv": _csv_lines}[chosen]
    _write(lines_of(names, plain_rows))


def print_object(value: Mapping[str, Any]) -> None:
    """Print one object for programs; CSV has a line for each of its leaves."""
    plain = to_json(value)
    match settings().format:
        case "csv":
            leaves = ({"field": path, "value": leaf} for path, leaf in flatten(plain))
            _write(_csv_lines(["field", "value"], leaves))
        case "ndjson":
            _write([_json(plain), "\n"])
        case _:
            _write([_json(plain, indent=2), "\n"])


def for_people() -> bool:
    """Whether a table was asked for, and not a format for programs."""
    return settings().format == "table"


def on_terminal() -> bool:
    """Whether standard output is a terminal, where a person reads it."""
    return sys.stdout.isatty()


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for people."""
    click.echo("\n".join(lines))


# --- for people ----------------------------------------------------------------------------


def table(columns: Sequence[Column], rows: Sequence[Cells], *, zone: tzinfo = UTC) -> list[str]:
    """The lines of a table: fitted to the width of a terminal; in a pipe as wide as its text."""
    shown = [column for column in columns if column.people]
    cells = [[cell(row.get(column.name), zone) for column in shown] for row in rows]
    return _rich_table(shown, cells) if on_terminal() else _plain_table(shown, cells)


def cell(value: Any, zone: tzinfo = UTC) -> str:
    """A value in words, safe to show, in one line."""
    return visible(words(value, zone))


def _plain_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[str]:
    lines = [[column.title for column in columns], *cells]
    widths = _widths(lines)
    rights = [column.right for column in columns]
    return ["  ".join(map(_aligned, line, widths, rights)).rstrip() for line in lines]


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def _aligned(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


_LAST_COLUMN = 20
"""Characters that a table's last column needs at least for its text to wrap well."""


def _rich_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[str]:
    from rich.console import Console  # noqa: PLC0415  (a pipe does not wait for it)
    from rich.table import Table  # noqa: PLC0415  (the same)
    from rich.text import Text  # noqa: PLC0415  (the same)

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    console = Console(color_system=None if settings().no_color else "auto")
    *widths, _ = _widths([[column.title for column in columns], *cells])
    others_fit = sum(widths) + 2 * len(widths) + _LAST_COLUMN <= console.width
    for index, column in enumerate(columns):
        justify: Any = "right" if column.right else "left"
        is_last = index == len(widths)
        no_wrap = others_fit and not is_last  # the last column wraps; all do if there is no room
        grid.add_column(column.title, justify=justify, no_wrap=no_wrap, overflow="fold")
    for line in cells:
        grid.add_row(*map(Text, line))  # in a plain str, rich reads [brackets] as markup
    with console.capture() as captured:
        console.print(grid)
    return [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]


def heading(text: str) -> str:
    """A line above a table; bold on a terminal."""
    text = visible(text)
    bold = on_terminal() and not settings().no_color
    return click.style(text, bold=True) if bold else text


# --- for programs --------------------------------------------------------------------------


_PLAIN = frozenset({str, int, bool, float})


def to_json(value: Any) -> Any:
    """A value as plain JSON: instants in UTC with Z, money as amount and currency."""
    if value is None or type(value) in _PLAIN:
        return value
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
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


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # Outside of strings stands none of these characters but the newlines of indent (inside, json
    # escapes newlines itself). So to escape all others changes no value.
    return CONTROLS.sub(lambda m: m[0] if m[0] == "\n" else f"\\u{ord(m[0]):04x}", text)


def _json_lines(_names: Sequence[str], rows: Iterable[Cells]) -> Iterator[str]:
    opened = False
    for row in rows:
        yield f"{',' if opened else '['}\n  {_json(row)}"
        opened = True
    yield "\n]\n" if opened else "[]\n"


def _ndjson_lines(_names: Sequence[str], rows: Iterable[Cells]) -> Iterator[str]:
    return (f"{_json(row)}\n" for row in rows)


def _csv_lines(names: Sequence[str], rows: Iterable[Cells]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end in \r\n, so that it quotes cells with \r or \n
    for_a_person = on_terminal()
    for line in chain([names], ([_csv_cell(row[name]) for name in names] for row in rows)):
        writer.writerow(map(visible, line) if for_a_person else line)
        yield f"{text.getvalue()[:-2]}\n"
        text.seek(0)
        text.truncate()


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Spreadsheets take a cell that begins so for a formula and run it; an apostrophe stops them."""
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
"""What may begin with a sign and is no formula all the same."""


def _csv_cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            text = value
        case bool():
            return "true" if value else "false"
        case {"amount": amount, "currency": currency, **rest} if not rest:
            return f"{amount} {currency}"
        case dict() | list():
            text = _json(value)
        case _:
            text = str(value)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return text


def _write(lines: Iterable[str]) -> None:
    """Write lines as UTF-8, whatever the locale, and many at a time."""
    for chunk in _chunks(lines):
        click.echo(chunk.encode(), nl=False)


def _chunks(lines: Iterable[str], size: int = 1 << 16) -> Iterator[str]:
    chunk: list[str] = []
    length = 0
    for line in lines:
        chunk.append(line)
        length += len(line)
        if length >= size:
            yield "".join(chunk)
            chunk, length = [], 0
    yield "".join(chunk)
