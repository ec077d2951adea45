"""TOML files that people write: their contents, and the line and likely name of each mistake."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from casestore.errors import Mistake

_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_PATH = rf"({_NAME}(?:\s*\.\s*{_NAME})*)"
_HEADER = re.compile(rf"^\s*(\[\[?)\s*{_PATH}\s*\]")
_KEY = re.compile(rf"^\s*{_PATH}\s*=")
_PART = re.compile(_NAME)


def parse(text: str) -> dict[str, Any] | Mistake:
    """The contents of a TOML file, or why it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+)", place)  # no match: the mistake is at the document's end
        line = int(found[1]) if found else len(text.splitlines())
        return Mistake(line, "", what)
    except RecursionError:
        return Mistake(None, "", "it is nested too deeply")


def closest(given: Any, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The known name that is most similar to a given one, if any is.

    Args:
        given: the name as it was written.
        known: the names that could be meant.
        alike: how similar it must be, from 0 to 1.
    """
    return next(iter(get_close_matches(str(given), list(known), 1, alike)), None)


class Lines:
    """Finds the line of a setting, as tomllib does not give line numbers."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        tables: Counter[tuple[str, ...]] = Counter()
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                path = table = _parts(header[2])
                if header[1] == "[[":
                    path = table = (*table, str(tables[table]))
                    tables[table[:-1]] += 1
            elif key := _KEY.match(line):
                path = (*table, *_parts(key[1]))
            else:
                continue
            for length in range(1, len(path) + 1):
                self._found.setdefault(path[:length], number)

    def of(self, *path: str) -> int | None:
        """The line of a setting, or of the nearest table around it that has a line.

        Args:
            path: its names, like "file", "encoding"; "on", "2", "event" for the third [[on]].
        """
        for length in range(len(path), 0, -1):
            if (line := self._found.get(path[:length])) is not None:
                return line
        return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(map(_unquoted, _PART.findall(dotted)))


def _unquoted(part: str) -> str:
    if part[0] in "\"'":
        with suppress(tomllib.TOMLDecodeError):  # it is part of a text and no key
            return str(tomllib.loads(f"key = {part}")["key"])
    return part
