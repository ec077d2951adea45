"""The import of NDJSON: one event a line."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import click

from casestore.streams.wording import counted
from casestore.transfer.importing import Imported
from casestore.transfer.ndjson import MAX_LINE, import_lines
from cli.main import if_stopped
from cli.terminal.options import REFUSED, Usage, settings
from cli.terminal.output import for_people, print_object
from cli.terminal.progress import progress
from cli.terminal.text import visible
from cli.views.imported import what_came


def import_ndjson(path: Path, on_error: Literal["stop", "skip"], trust_recorded_at: bool) -> None:
    """Import a file of NDJSON, or standard input for -, and print what came of it."""
    if str(path) == "-":
        _import_file(sys.stdin.buffer, on_error, trust_recorded_at)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise Usage(f"{visible(str(path))}: {error.strerror}") from None
    with file:
        _import_file(file, on_error, trust_recorded_at)


def _import_file(
    file: IO[bytes], on_error: Literal["stop", "skip"], trust_recorded_at: bool
) -> None:
    name = getattr(file, "name", "<stdin>")
    if (other := _other_than_ndjson(file)) is not None:
        raise Usage(f"{visible(name)}: {other}")
    done = 0

    def count(lines: int) -> None:
        nonlocal done
        done = lines
        if tick is not None:
            tick(lines)

    with (
        settings().open_store() as store,
        progress("lines", _size(file), lambda _: file.tell()) as tick,
        if_stopped(
            lambda: (
                f" after {counted(done, 'line')}; import the same lines again to go on: "
                "what is in the store already is not appended twice"
            )
        ),
    ):
        result = import_lines(
            store,
            file if trust_recorded_at else limited_lines(file),
            on_error=on_error,
            trust_recorded_at=trust_recorded_at,
            progress=count,
        )
    _report(result, name)
    if result.refused:
        raise click.exceptions.Exit(REFUSED)


_MAIL = re.compile(
    rb"From \S|(Return-Path|Received|Delivered-To|From|To|Subject|Date|Message-ID|MIME-Version):",
    re.IGNORECASE,
)
_BINARY = re.compile(rb"(?!\s*\{).*[\x00-\x08\x0e-\x1a\x1c-\x1f]", re.DOTALL)
_OTHERS = (
    (
        re.compile(rb"\x1f\x8b"),
        "this is gzip; write `zcat FILE | casestore import -`",
    ),
    (re.compile(rb"PK\x03\x04"), "this is a ZIP archive (or a spreadsheet); unpack it first"),
    (re.compile(rb"SQLite format 3\0"), "this is a SQLite file; `casestore copy` copies a store"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "this is UTF-16; write it as UTF-8 first"),
    (_BINARY, "this is no text; an import reads NDJSON, one event a line"),
    (_MAIL, "this looks like mail; write `casestore import --from mail --ours ADDRESS FILE`"),
    (re.compile(rb"\s*\["), "this is a JSON array; write one object a line: `jq -c '.[]' FILE`"),
    (re.compile(rb"<"), "this looks like XML or HTML; an import reads NDJSON, one event a line"),
    (
        re.compile(rb"[^{\n]*[,;\t]"),
        "this looks like CSV; `casestore import --from csv --sample FILE` writes a first mapping",
    ),
)
"""How other files begin that people have, and what to say of each."""


def _other_than_ndjson(file: IO[bytes]) -> str | None:
    """What a file looks like that is not NDJSON; None where it may be."""
    if not isinstance(file, io.BufferedReader):
        return None
    begin = file.peek(1024)[:1024].removeprefix(b"\xef\xbb\xbf")
    return next((told for pattern, told in _OTHERS if pattern.match(begin)), None)


def limited_lines(file: IO[bytes], longest: int = MAX_LINE) -> Iterator[bytes]:
    """The lines of a file; a line of more than `longest` bytes is cut off one byte after those.

    So the import still sees that it is too long, and no line takes more memory than that.
    """
    while line := file.readline(longest + 1):
        yield line
        while len(line) > longest and not line.endswith(b"\n"):
            line = file.readline(longest + 1)


def _size(file: IO[bytes]) -> int | None:
    """A file's size in bytes; None where nobody knows it, as for a pipe."""
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None


def _report(result: Imported, name: str) -> None:
    print_refusals(result, name)
    if for_people():
        click.echo(in_words(result))
        return
    refused = [refusal._asdict() for refusal in result.refused]
    print_object({**result._asdict(), "refused": refused})


def print_refusals(result: Imported, name: str) -> None:
    """Say on stderr which lines were refused, and why."""
    for refusal in result.refused:
        click.echo(visible(f"{name}:{refusal.line}: {refusal.message}"), err=True)


def in_words(result: Imported) -> str:
    """The result of an import, in words."""
    return f"{counted(result.lines, 'line')}: {what_came(result)}"
