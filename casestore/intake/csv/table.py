"""The rows of a CSV file, one by one, in bounded memory. RFC 4180, with any delimiter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from casestore.errors import UnreadableInput
from casestore.intake.csv.cells import Unfit
from casestore.intake.csv.document import File

MOST = 16 * 1024 * 1024
"""The most characters of a cell and of a line: 16 Mi."""


class Table:
    """A CSV file whose first row names its columns.

    Iterating gives each row's number as a spreadsheet shows it (the first row is 1, and names the
    columns) with its cells, or with why it cannot be read.

    Raises:
        UnreadableInput: it is empty, or is no text in the encoding. So does iterating.
    """

    def __init__(self, stream: BinaryIO, file: File) -> None:
        encoding = "utf-8-sig" if file.encoding.lower() in ("utf-8", "utf8") else file.encoding
        self._text = io.TextIOWrapper(
            stream, encoding, errors="surrogateescape", newline="", write_through=True
        )
        self._encoding = file.encoding
        self._bad: str | None = None
        self._rows = csv.reader(self._lines(), delimiter=file.delimiter)
        self._numbered = self._numbers()
        try:
            self.header = self._first()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the stream, which stays open."""
        self._text.detach()

    def _first(self) -> list[str]:
        for _, cells in self._numbered:
            if isinstance(cells, Unfit):
                raise UnreadableInput(f"its first row cannot be read: {cells.reason}")
            if any("\0" in cell for cell in cells):
                raise UnreadableInput("it is no text")
            return [cell.strip() for cell in cells]
        raise UnreadableInput("the file is empty")

    def __iter__(self) -> Iterator[tuple[int, list[str] | Unfit]]:
        width = len(self.header)
        for number, cells in self._numbered:
            if not isinstance(cells, Unfit) and len(cells) != width:
                detail = f"{len(cells)} cells, and the first row has {width}"
                yield number, Unfit("a row with another number of cells than the first", detail)
            else:
                yield number, cells

    def _numbers(self) -> Iterator[tuple[int, list[str] | Unfit]]:
        number = 0
        while True:
            number += 1
            before = csv.field_size_limit(MOST)  # it is one for the whole process
            try:
                cells = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                self._bad = None
                yield number, Unfit("a row that is no CSV", str(error))
                continue
            finally:
                csv.field_size_limit(before)
            if self._bad is not None:
                yield number, Unfit(self._bad, "")
                self._bad = None
            elif cells:  # else it is an empty line
                yield number, cells

    def _lines(self) -> Iterator[str]:
        """The lines; of one that is too long, an empty one."""
        try:
            while line := self._text.readline(MOST):
                if len(line) == MOST and line[-1] not in "\r\n":
                    self._bad = "a line of more than 16 Mi characters"
                    while line and line[-1] not in "\r\n":
                        line = self._text.readline(MOST)
                    yield "\n"
                    continue
                if not line.isascii() and not _is_whole(line):
                    self._bad = f"bytes that are no {self._encoding}"
                yield line
        except UnicodeError:
            raise UnreadableInput(f"it is no text in {self._encoding}") from None


def _is_whole(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
