"""Looks at a CSV file whose meaning nobody has told: its form, its times, its short values."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from itertools import islice
from pathlib import Path

from casestore.errors import UnreadableInput
from casestore.intake.csv.cells import Times, Unfit
from casestore.intake.csv.document import File
from casestore.intake.csv.table import Table
from casestore.intake.inputs import BROKEN, Input, inputs

ROWS = 2000
"""How many rows are looked at."""
_BEGIN = 64 * 1024
_DELIMITERS = ",;\t|"
_MOST_TESTED = 200
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS = (
    "iso",
    *(day + clock for day in _DAYS for clock in _CLOCKS),
    "%a %b %d %H:%M:%S %z %Y",
    "%d %b %Y %H:%M",
    "%b %d, %Y %H:%M",
)
_ID = re.compile("(?:id|no|number|key)$", re.IGNORECASE)
_MARKS = frozenset({"?", "-", "NULL", "null", "None", "N/A", "n/a", "NaN", "nan", "(null)", "\\N"})


@dataclass
class Column:
    """What was seen of a column."""

    name: str
    values: Counter[str] = field(default_factory=Counter)
    """Its values that are not missing, and how often each came."""
    form: str | None = None
    """The format of times that all of them have."""
    zoned: bool = False
    """Whether these times name their zone."""


@dataclass
class Looked:
    """What was seen of a file."""

    name: str
    encoding: str
    delimiter: str
    missing: tuple[str, ...]
    columns: list[Column]
    rows: int


def look(path: Path) -> Looked:
    """Look at the first rows of a file.

    Raises:
        UnreadableInput: it cannot be read, is empty or is no CSV file.
    """
    with _first(path) as given:
        begin = given.stream.read(_BEGIN)
    encoding = _encoding(begin)
    line = begin.decode(encoding, "replace").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=line.count)
    with _first(path) as given:
        table = Table(given.stream, File(encoding=encoding, delimiter=delimiter))
        try:
            columns, rows = _columns(table)
        finally:
            table.close()
    marks = {each for column in columns for each in column.values if each in _MARKS}
    for column in columns:
        for mark in ("", *marks):
            del column.values[mark]
        column.form, column.zoned = _form(column)
    name = path.name.partition(".")[0]
    return Looked(name, encoding, delimiter, ("", *sorted(marks)), columns, rows)


@contextmanager
def _first(path: Path) -> Iterator[Input]:
    try:
        for given in inputs(path):
            yield given
            return
    except BROKEN as error:
        raise UnreadableInput(f"{path} cannot be read: {error}") from None
    raise UnreadableInput(f"{path} is an empty archive")


def _encoding(begin: bytes) -> str:
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def _columns(table: Table) -> tuple[list[Column], int]:
    columns = [Column(name) for name in table.header]
    rows = 0
    for _, cells in islice(table, ROWS):
        if isinstance(cells, Unfit):
            continue
        rows += 1
        for column, cell in zip(columns, cells, strict=True):
            column.values[cell] += 1
    return columns, rows


def _form(column: Column) -> tuple[str | None, bool]:
    """The format of times that a column's values have, and whether they name their zone."""
    tested = list(islice(column.values, _MOST_TESTED))
    if not tested:
        return None, False
    if _are_epochs(tested) and not _ID.search(column.name):
        return ("epoch_ms" if len(tested[0].partition(".")[0]) > 11 else "epoch"), True
    if all(each.isdigit() for each in tested):  # 20260101 would pass for a date
        return None, False
    for form in _FORMATS:
        if _have(tested, form):
            return form, _have(tested, form, None)
    return None, False


def _are_epochs(values: Sequence[str]) -> bool:
    """Whether they look like seconds or milliseconds since 1970, from 2001 on."""
    return all(each.isdigit() and len(each) in (10, 13) and each[0] == "1" for each in values)


def _have(values: Sequence[str], form: str, zone: tzinfo | None = UTC) -> bool:
    times = Times((form,), zone)
    try:
        for each in values:
            times.read(each)
    except Unfit:
        return False
    return True
