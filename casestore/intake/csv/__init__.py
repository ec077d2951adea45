"""CSV files of any system, read by a mapping.

    from casestore.intake import Options, read
    from casestore.intake.csv import load

    read("csv", ["incidents.csv"], Options(mapping=load("servicenow-incidents")))

Keys are csv:<name>[:instance]:<case>:<n>:<rule>, where n is the row's own id, if the mapping names
one, or its number within its case; an event that a case has once has n = 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Map
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

import msgspec

from casestore.errors import InvalidMapping, Mistake, UnreadableInput
from casestore.events.zones import zone
from casestore.intake import reading
from casestore.intake.csv.cases import Cases
from casestore.intake.csv.cells import Times, Unfit
from casestore.intake.csv.compiling import Compiler, Seen
from casestore.intake.csv.document import Mapping
from casestore.intake.csv.drafts import Row
from casestore.intake.csv.mapping import read_mapping
from casestore.intake.csv.sample import sample
from casestore.intake.csv.shipped import load, shipped, text_of
from casestore.intake.csv.table import Table
from casestore.intake.inputs import Input
from casestore.intake.options import Options
from casestore.intake.scratch import Scratch
from casestore.intake.values import CIRCLE, NO_WINNER
from casestore.system.toml_lines import closest
from casestore.transfer.lines import LeftOut, Line, Read, Remark

__all__ = ["Mapping", "Reader", "events", "load", "read_mapping", "sample", "shipped", "text_of"]

_TABLES = """
CREATE TABLE csv_rows (
    number INTEGER PRIMARY KEY, whose TEXT, place, file INTEGER, row INTEGER, cells BLOB
);
CREATE TABLE csv_customers (customer TEXT, at INTEGER, number INTEGER PRIMARY KEY, line BLOB);
CREATE TABLE csv_merges (whose TEXT PRIMARY KEY, into_case TEXT);
"""
_INSERT = "INSERT INTO csv_rows (whose, place, file, row, cells) VALUES (?, ?, ?, ?, ?)"
_CHUNK = 500
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_decode_line = msgspec.msgpack.Decoder(Line).decode
_Kept = tuple[str, int | float | str | None, int, int, bytes]


class Reader(reading.BaseReader):
    """Reads CSV files by the mapping in the options."""

    name: ClassVar[str] = "csv"
    things: ClassVar[str] = "rows"

    def __init__(self, options: Options, scratch: Scratch) -> None:
        super().__init__(options, scratch)
        mapping = options.mapping
        if not isinstance(mapping, Mapping):
            what = "CSV files are read by a mapping, and none was given"
            raise InvalidMapping([Mistake(None, "", what)])
        self._mapping = mapping
        named = mapping.file.timezone
        self._times = Times(
            mapping.file.time_formats, options.timezone or (zone(named) if named else None)
        )
        self._columns = list(mapping.columns)
        places = {name: place for place, name in enumerate(self._columns)}
        self._case_id = Compiler(places, self._times, options.pseudonym).id(mapping.id)
        self._order = None if mapping.file.order is None else places[mapping.file.order]
        self._files: list[str] = []
        for statement in _TABLES.split(";"):
            scratch.sql.execute(statement)

    # --- taking files -------------------------------------------------------------------------

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep the rows of a file by their cases."""
        table = Table(given.stream, self._mapping.file)
        try:
            pick = self._picker(given.name, table.header)
            yield from self._not_read(given.name, table.header)
            self._files.append(given.name)
            yield from self._rows(given.name, table, pick)
        finally:
            table.close()

    def _rows(
        self, name: str, table: Table, pick: Callable[[list[str]], tuple[str, ...]]
    ) -> Iterator[LeftOut]:
        file = len(self._files) - 1
        kept: list[_Kept] = []
        for number, cells in table:
            self.read_one()
            if isinstance(cells, Unfit):
                yield LeftOut(cells.reason, f"{name}, row {number}", cells.detail)
                continue
            picked = pick(cells)
            if (whose := self._case_id(Seen(picked, ""))) is None:
                if any(cells):
                    yield LeftOut("a row without the id of its case", f"{name}, row {number}")
                else:
                    yield LeftOut("an empty row", f"{name}, row {number}", unreadable=False)
                continue
            place = None if self._order is None else self._place(picked[self._order])
            kept.append((whose, place, file, number, _encode(picked)))
            if len(kept) >= _CHUNK:
                self.scratch.sql.executemany(_INSERT, kept)
                kept.clear()
        self.scratch.sql.executemany(_INSERT, kept)

    def _place(self, text: str) -> int | float | str | None:
        """Where a row stands among those of its case: by time, else by number, else by text."""
        if not text:
            return None
        try:
            return self._times.read(text).timestamp()
        except Unfit:
            try:
                return float(text)
            except ValueError:
                return text

    def _picker(self, name: str, header: list[str]) -> Callable[[list[str]], tuple[str, ...]]:
        """Picks the cells that the mapping reads out of a row, in the order of `_columns`."""
        self._check_header(name, header)
        if self._mapping.every_column:
            self._columns += (each for each in header if each not in self._columns)
        file = self._mapping.file
        picked = [
            (header.index(c) if c in header else len(header), file.missing_in.get(c, file.missing))
            for c in self._columns
        ]

        def pick(cells: list[str]) -> tuple[str, ...]:
            cells.append("")  # of the columns that the file does not have
            return tuple(
                ["" if (cell := cells[place]) in missing else cell for place, missing in picked]
            )

        return pick

    def _check_header(self, name: str, header: list[str]) -> None:
        named = self._mapping.columns
        lacking = [each for each in named if each not in header]
        if lacking and len(lacking) == len(named):
            raise UnreadableInput("its first row names none of the mapping's columns")
        mistakes = [
            Mistake(*named[each], f"{name} has no column {each!r}", closest(each, header))
            for each in lacking
            if each not in self._mapping.file.optional
        ]
        mistakes += [
            Mistake(*named[each], f"{name} has the column {each!r} twice; rename one there")
            for each in named
            if header.count(each) > 1
        ]
        if mistakes:
            raise InvalidMapping(sorted(mistakes, key=lambda each: (each.line or 0, each.what)))

    def _not_read(self, name: str, header: list[str]) -> Iterator[Remark]:
        unread = [each for each in header if each and each not in self._mapping.columns]
        if unread and not self._mapping.every_column:
            yield Remark(f"nothing reads the columns {', '.join(map(repr, unread))}", name)

    # --- making lines -------------------------------------------------------------------------

    def lines(self) -> Iterator[Read]:
        """The lines of each case, and then those of the customers."""
        sql = self.scratch.sql
        merging = self._cannot_merge
        cases = Cases(self._mapping, self.options, self._columns, self._times, merging)
        self.source = cases.source
        if any(rule.event.__name__ == "CaseMerged" for rule in self._mapping.rules):
            sql.execute("CREATE INDEX csv_whose ON csv_rows (whose)")
        for case_id, rows in groupby(self._in_order(), itemgetter(0)):
            for read in cases.lines(case_id, (row for _, row in rows)):
                if isinstance(read, Line) and read.stream.startswith("customer:"):
                    sql.execute(
                        "INSERT INTO csv_customers (customer, at, line) VALUES (?, ?, ?)",
                        (read.stream, read.at, _encode(read)),
                    )
                else:
                    yield read
        cases.compiler.check_unknown()
        for text in sorted(self._times.doubtful):
            yield Remark("a time that the clock showed twice or never: the first is meant", text)
        yield from self._of_customers()

    def _in_order(self) -> Iterator[tuple[str, Row]]:
        width = len(self._columns)
        found = self.scratch.sql.execute(
            "SELECT whose, file, row, cells FROM csv_rows ORDER BY whose, place, number"
        )
        for whose, file, number, data in found:
            cells = _decode(data)
            if len(cells) < width:  # a later file had more columns
                cells += ("",) * (width - len(cells))
            yield whose, Row(cells, f"{self._files[file]}, row {number}")

    def _of_customers(self) -> Iterator[Line]:
        """The lines of customers. A customer is registered once, by the earliest row."""
        registered = ""
        found = self.scratch.sql.execute(
            "SELECT line FROM csv_customers ORDER BY customer, at, number"
        )
        for (data,) in found:
            made = _decode_line(data)
            if made.type == "CustomerRegistered":
                if registered == made.stream:
                    continue
                registered = made.stream
            yield made

    def _cannot_merge(self, case_id: str, into: str) -> str | None:
        sql = self.scratch.sql
        if (
            not self.options.known.has(f"case:{into}")
            and not sql.execute(
                "SELECT 1 FROM csv_rows WHERE whose = ? LIMIT 1", (into,)
            ).fetchone()
        ):
            return NO_WINNER
        seen: str | None = into
        while seen is not None:
            if seen == case_id:
                return CIRCLE
            found = sql.execute("SELECT into_case FROM csv_merges WHERE whose = ?", (seen,))
            seen = next((each for (each,) in found), None)
        sql.execute("INSERT OR IGNORE INTO csv_merges VALUES (?, ?)", (case_id, into))
        return None


def events(
    row: Map[str, str],
    mapping: Mapping,
    options: Options = Options(),  # noqa: B008  (it is frozen)
) -> list[Read]:
    """The lines of one row, as a service receives it.

    Args:
        row: its cells by their columns.
        mapping: what it becomes. Rows of states are not read one by one, as none tells by itself
            what has changed; rows of changes and events need a `row_id`.
        options: what a reader is told.

    Raises:
        InvalidMapping: the mapping is not for single rows, or names a column that the row lacks.
    """
    if mapping.rows == "states" or (mapping.rows != "cases" and mapping.row_id is None):
        what = "is needed to read rows one by one, and rows must not be states"
        raise InvalidMapping([Mistake(None, "case.row_id", what)])
    written = io.StringIO()
    csv.writer(written, delimiter=mapping.file.delimiter).writerows([row.keys(), row.values()])
    utf8 = replace(mapping, file=replace(mapping.file, encoding="utf-8"))
    given = written.getvalue().encode("utf-8", "surrogateescape")
    return reading.events(Reader, given, replace(options, mapping=utf8))
