"""Tables for people, fitted to the terminal. In a pipe or a file they are as wide as their text.

No id, number or time is ever broken. What is tried in turn, until all fits: times without their
zone, headings broken at their underscores, text broken between words, columns left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from operator import gt
from typing import Any, NamedTuple

from rich.cells import cell_len, chop_cells

from casestore.streams.wording import clock, words
from cli.terminal.columns import Cells, Column
from cli.terminal.screen import has_styles, on_terminal, width
from cli.terminal.text import visible

SHORT = 100
"""Below this width of a terminal, times are told without seconds and zone."""
_GAP = 2
_TEXT = 24
"""Characters that a column of text needs at least to be read well."""
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


class Table(NamedTuple):
    """A table as it is printed, and what a reader has to know about it."""

    lines: list[str]
    left_out: tuple[str, ...] = ()
    """The headings of the columns that there was no room for."""
    names_zone: bool = False
    """Whether the zone of the times has to be named below: where they stand without it, say."""

    def note(self, zone: tzinfo, see: str) -> list[str]:
        """The line that says what the table does not show, if there is anything.

        Args:
            zone: the zone of the times.
            see: how to see the columns that are left out.
        """
        said = [f"times are in {zone}"] if self.names_zone else []
        if self.left_out:
            said.append(f"no room for {', '.join(self.left_out)}: {see}")
        return ["; ".join(said)] if said else []


def cell(value: Any, zone: tzinfo = UTC) -> str:
    """A value in words, safe to show, in one line."""
    return visible(words(value, zone))


def heading(text: str) -> str:
    """A line above a table; bold where there are styles."""
    return _bold(visible(text))


def _bold(text: str) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if text and has_styles() else text


def table_of(
    columns: Sequence[Column], rows: Sequence[Cells], zone: tzinfo = UTC, *, fits: bool = True
) -> Table:
    """A table of rows; fitted to a terminal, if a person reads it there and it is to fit."""
    room = width() if fits and on_terminal() else None
    told = [[cell(row.get(column.name), zone) for column in columns] for row in rows]
    if room is None:
        return Table(_lines(columns, told, [_natural(c, i, told) for i, c in enumerate(columns)]))
    fitting = [_natural(column, index, told) for index, column in enumerate(columns)]
    short = False
    if room < SHORT or _total(fitting) > room:
        shorter = [[_short(row.get(column.name), zone) for column in columns] for row in rows]
        short = shorter != told
        told = shorter
        fitting = [_natural(column, index, told) for index, column in enumerate(columns)]
    if _total(fitting) <= room:
        return Table(_lines(columns, told, fitting), names_zone=short)
    lists = {
        index
        for index, column in enumerate(columns)
        if any(isinstance(row.get(column.name), list | tuple) for row in rows)
    }
    kept, widths = _fit(columns, told, room, lists)
    return Table(
        _lines([columns[i] for i in kept], [[line[i] for i in kept] for line in told], widths),
        tuple(c.title for index, c in enumerate(columns) if index not in kept),
        short,
    )


def _short(value: Any, zone: tzinfo) -> str:
    if isinstance(value, datetime):
        return clock(value.replace(second=0, microsecond=0), zone)
    return cell(value, zone)


# --- what fits -----------------------------------------------------------------------------


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _natural(column: Column, index: int, told: Sequence[Sequence[str]]) -> int:
    """The width of a column whose heading and text stand in one line."""
    return max([cell_len(visible(column.title)), *(cell_len(line[index]) for line in told)])


def _fit(
    columns: Sequence[Column], told: Sequence[Sequence[str]], room: int, lists: set[int]
) -> tuple[list[int], list[int]]:
    """Which columns fit into the room, and how wide each is. Some hold lists: of ids, say."""
    last = len(columns) - 1
    text = {i for i, c in enumerate(columns) if c.wraps or (c.wraps is None and i == last)} | lists
    full = [max([0, *(cell_len(line[i]) for line in told)]) for i in range(len(columns))]
    titles = [visible(column.title) for column in columns]
    heads = [max(map(cell_len, _heading_pieces(title))) for title in titles]
    least = [max(size, head) for size, head in zip(full, heads, strict=True)]
    others = _total([least[i] for i in range(len(columns)) if i not in text] + [_TEXT] * len(text))
    for index in text:
        longest = max([0, *(cell_len(piece) for line in told for piece in _pieces(line[index]))])
        # A word is broken only where it is longer than a line could be: a link, say. An item of a
        # list never is.
        if index not in lists:
            longest = min(longest, max(_TEXT, room - others + _TEXT))
        least[index] = max(heads[index], min(full[index], max(_TEXT, longest)))
    kept = list(range(len(columns)))
    # What says nothing goes first; then the highest number, and of equals what stands rightmost.
    going = sorted(kept[1:], key=lambda index: (not full[index], columns[index].goes, index))
    gone: list[int] = []
    while going and _total([least[index] for index in kept]) > room:
        gone.append(going.pop())
        kept.remove(gone[-1])
    for index in reversed(gone):  # a narrow one may fit into what a wide one has left
        if _total([*(least[each] for each in kept), least[index]]) <= room:
            kept = sorted([*kept, index])
    widths = {index: least[index] for index in kept}
    left = room - _total(list(widths.values()))
    # What is left of the room goes to the text, in like shares, and then to the headings.
    wanted = [(index, full[index]) for index in kept if index in text]
    wanted += [(index, max(widths[index], cell_len(titles[index]))) for index in kept]
    for count, (index, size) in enumerate(wanted):
        texts_left = max(len(wanted) - len(kept) - count, 1)
        more = max(0, min(left // texts_left, size - widths[index]))
        widths[index] += more
        left -= more
    return kept, [widths[index] for index in kept]


_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?: UTC| [+-]\d\d:\d\d)?"
_MEASURE = r"\d[\d.,]* (?:[A-Z]{3}|min|d \d+ h|h \d+ min|[dhs])\b"
_PIECE = re.compile(rf"[(\[“]?(?:{_TIME}|{_MEASURE})\S*|\S+")
"""A piece of text that is not broken: a time, an amount or a duration with its unit, or a word."""


def _pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def _heading_pieces(title: str) -> list[str]:
    """The parts of a heading that may stand in lines of their own: first_, response_, s."""
    return re.findall(r"[^_ ]+_?|_+", title) or [title]


def wrapped(text: str, size: int, pieces: Sequence[str] | None = None) -> list[str]:
    """Text in lines of a width, broken between its pieces; words, if left out.

    A single piece that is longer than a line is broken too: where that must not be, the caller
    makes the lines as wide as the longest piece.
    """
    if cell_len(text) <= size:
        return [text]
    lines = [""]
    for piece in _pieces(text) if pieces is None else pieces:
        longer = f"{lines[-1]} {piece}" if lines[-1] else piece
        if cell_len(longer) <= size:
            lines[-1] = longer
            continue
        chopped = chop_cells(piece, size) if cell_len(piece) > size else [piece]
        lines[-1:] = [lines[-1], *chopped] if lines[-1] else chopped
    return lines


def _wrapped_title(title: str, size: int) -> list[str]:
    if cell_len(title) <= size:
        return [title]
    lines = [""]
    for piece in _heading_pieces(title):
        if lines[-1] and cell_len(lines[-1] + piece) > size:
            lines.append("")
        lines[-1] += piece
    return lines


# --- lines ---------------------------------------------------------------------------------


def _lines(
    columns: Sequence[Column], told: Sequence[Sequence[str]], widths: Sequence[int]
) -> list[str]:
    titles = [_wrapped_title(visible(c.title), w) for c, w in zip(columns, widths, strict=True)]
    tallest = max(map(len, titles), default=1)
    titles = [[""] * (tallest - len(title)) + title for title in titles]  # at the foot of the head
    lines = [_bold(line) for line in _grid(columns, titles, widths)]
    rights = [column.right for column in columns]
    for row in told:
        sizes = list(map(cell_len, row))
        if any(map(gt, sizes, widths)):
            lines += _grid(columns, list(map(wrapped, row, widths)), widths)
            continue
        # Most rows need one line, and there may be very many.
        spaces = (" " * (width - size) for width, size in zip(widths, sizes, strict=True))
        aligned = (
            space + text if right else text + space
            for text, space, right in zip(row, spaces, rights, strict=True)
        )
        lines.append((" " * _GAP).join(aligned).rstrip())
    return lines


def _grid(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], widths: Sequence[int]
) -> Iterator[str]:
    """The lines of one row, whose cells have several lines each."""
    for number in range(max(map(len, cells), default=0)):
        texts = (cell[number] if number < len(cell) else "" for cell in cells)
        aligned = map(_aligned, texts, widths, (column.right for column in columns))
        yield (" " * _GAP).join(aligned).rstrip()


def _aligned(text: str, size: int, right: bool) -> str:
    space = " " * (size - cell_len(text))
    return space + text if right else text + space


def blocks(columns: Sequence[Column], rows: Sequence[Cells], zone: tzinfo = UTC) -> list[str]:
    """One row a block: a line for each of its columns, with their names on the left."""
    titles = [visible(column.title) for column in columns]
    left = max(map(cell_len, titles), default=0)
    room = max(width() - left - _GAP, _TEXT) if on_terminal() else None
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        for column, title in zip(columns, titles, strict=True):
            text = cell(row.get(column.name), zone)
            told = [text] if room is None else wrapped(text, room)
            name = _bold(title) + " " * (left - cell_len(title) + _GAP)
            lines.append(f"{name}{told[0]}".rstrip())
            lines += [" " * (left + _GAP) + each for each in told[1:]]
    return lines
