"""Workbooks for spreadsheets: a sheet with rows, and a sheet About. Needs the extra `excel`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from casestore.events import Money
from casestore.streams.wording import in_zone
from cli.terminal.columns import Cells, Column
from cli.terminal.formats import moment, spread_money, with_money_spread
from cli.terminal.options import Usage
from cli.terminal.tables import cell
from cli.terminal.text import visible

MOST_ROWS = 1_048_575
"""What a sheet holds beside its heading."""
_MOST_TEXT = 32_767
_MOST_DIGITS = 15
"""A spreadsheet keeps numbers as floats: a longer one would lose its end, and stays text."""
_WIDEST = 60
_NOT_XML = re.compile("[\ufffe\uffff]")


def workbook(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Cells],
    about: Mapping[str, Any],
    zone: tzinfo,
) -> bytes:
    """The bytes of an .xlsx file.

    Text stays text, whatever it looks like. Times are dates in `zone`, which About names; numbers
    are numbers, and money has a column for its currency.

    Raises Usage where XlsxWriter is not installed, or there are too many rows for a sheet.
    """
    try:
        import xlsxwriter  # type: ignore[import-untyped]  # noqa: PLC0415  (it is an extra)
    except ImportError:
        raise Usage(
            "xlsx needs XlsxWriter: pip install 'casestore[excel]'; csv needs nothing"
        ) from None
    if len(rows) > MOST_ROWS:
        raise Usage(f"a sheet holds {MOST_ROWS:,} rows, and these are {len(rows):,}; use csv")
    file = io.BytesIO()
    # In memory, because what it would put into temporary files may be personal.
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = _Sheet(book, title, zone)
        names = spread_money(columns)
        sheet.head(names)
        for row in rows:
            spread = with_money_spread(columns, row)
            sheet.line([spread.get(name) for name in names])
        sheet.close()
        notes = _Sheet(book, "About", zone)
        notes.head(["what", "value"])
        for name, value in {**about, "time zone": str(zone)}.items():
            notes.line([name, value])
        notes.close()
    return file.getvalue()


class _Sheet:
    def __init__(self, book: Any, title: str, zone: tzinfo) -> None:
        self._book = book
        self._sheet = book.add_worksheet(re.sub(r"[\[\]:*?/\\']", " ", title)[:31] or "rows")
        self._bold = book.add_format({"bold": True, "bottom": 1})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._zone = zone
        self._next = 0
        self._widths: list[int] = []
        self._decimals: dict[int, Any] = {}

    def head(self, names: Sequence[str]) -> None:
        """Write the heading, which stays in sight."""
        self._widths = [len(name) + 4 for name in names]  # room for the button of the filter
        for index, name in enumerate(names):
            self._sheet.write_string(0, index, visible(name), self._bold)
        self._sheet.freeze_panes(1, 0)
        self._next = 1

    def line(self, values: Sequence[Any]) -> None:
        """Write a row."""
        for index, value in enumerate(values):
            length = self._write(index, value)
            self._widths[index] = max(self._widths[index], min(length + 1, _WIDEST))
        self._next += 1

    def close(self) -> None:
        """Set the filter and the widths."""
        if self._widths:
            self._sheet.autofilter(0, 0, max(self._next - 1, 1), len(self._widths) - 1)
        for index, width in enumerate(self._widths):
            self._sheet.set_column(index, index, width)

    def _write(self, column: int, value: Any) -> int:
        """Write a value; gives the length of what is seen."""
        at = (self._next, column)
        match value:
            case None:
                return 0
            case bool():
                self._sheet.write_boolean(*at, value)
                return 5
            case int() | float() if len(str(value).strip("-")) <= _MOST_DIGITS or isinstance(
                value, float
            ):
                self._sheet.write_number(*at, value)
                return len(str(value))
            case Decimal() if len(value.as_tuple().digits) <= _MOST_DIGITS:
                self._sheet.write_number(*at, float(value), self._places(value))
                return len(f"{value:f}")
            case datetime() if in_zone(value, self._zone).year >= 1900:
                local = in_zone(value, self._zone).replace(tzinfo=None, microsecond=0)
                self._sheet.write_datetime(*at, local, self._time)
                return 19
            case datetime():
                text = moment(value, self._zone)
            case Decimal():
                text = f"{value:f}"
            case Money() | list() | tuple() | Mapping():
                text = cell(value, self._zone)
            case _:
                text = visible(str(value))
        text = _NOT_XML.sub("\ufffd", text)
        if len(text) > _MOST_TEXT:
            mark = f" … (cut: it has {len(text):,} characters)"
            text = text[: _MOST_TEXT - len(mark)] + mark
        self._sheet.write_string(*at, text)
        return len(text)

    def _places(self, value: Decimal) -> Any:
        """The format of an amount: with the decimals that it was given with."""
        exponent = value.as_tuple().exponent
        places = max(0, -exponent) if isinstance(exponent, int) else 0
        if places not in self._decimals:
            form = "0" + (f".{'0' * places}" if places else "")
            self._decimals[places] = self._book.add_format({"num_format": form})
        return self._decimals[places]
