"""What the workers log: a line before each operation, and a line after it.

A line is a JSON object, written at once, so that it is there whole even if its writer is killed:

    {"at": …, "op": "writer1.17", "ask": "note", …}     what it asked
    {"at": …, "op": "writer1.17", "told": "done", …}    what it was told; see the worker

`at` is in nanoseconds of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class Line(NamedTuple):
    """A line of a log."""

    file: str
    number: int
    """From 1."""
    said: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.file} line {self.number}"


@dataclass(frozen=True)
class Operation:
    """What a worker asked, and what it was told; None where it was killed before."""

    asked: Line
    answer: Line | None

    @property
    def ask(self) -> str:
        return str(self.asked.said["ask"])

    @property
    def op(self) -> str:
        return str(self.asked.said["op"])

    @property
    def told(self) -> str:
        """done, refused, unknown or wrong."""
        return "unknown" if self.answer is None else str(self.answer.said["told"])

    def __getitem__(self, name: str) -> Any:
        """A field of the answer, else of the question. Raises KeyError."""
        if self.answer is not None and name in self.answer.said:
            return self.answer.said[name]
        return self.asked.said[name]

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __str__(self) -> str:
        return str(self.answer or self.asked)


class Log:
    """Writes a log. Its file is opened to append: a worker that is started anew goes on in it."""

    def __init__(self, path: Path) -> None:
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if torn:
            os.write(self._file, b"\n")

    def line(self, **said: Any) -> None:
        """Write a line."""
        whole = msgspec.json.encode({"at": time.monotonic_ns(), **said}) + b"\n"
        while whole:
            whole = whole[os.write(self._file, whole) :]


def read(path: Path) -> list[Line]:
    """The lines of a log. One that is torn is left out: its writer was killed."""
    found = []
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        try:
            said = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            continue
        found.append(Line(path.name, number, said))
    return found


def operations(lines: list[Line]) -> Iterator[Operation]:
    """The operations of one log, in the order in which they were asked."""
    waiting: Line | None = None
    for line in lines:
        if "ask" in line.said:
            if waiting is not None:
                yield Operation(waiting, None)
            waiting = line
        elif "told" in line.said and waiting is not None:
            yield Operation(waiting, line)
            waiting = None
    if waiting is not None:
        yield Operation(waiting, None)
