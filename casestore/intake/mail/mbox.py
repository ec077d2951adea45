"""The mails of a file: one, or the many of an mbox, without holding more than one of them.

Formats: a mail as RFC 5322 has it; mbox in the variants that are called mboxo and mboxrd, see
https://www.loc.gov/preservation/digital/formats/fdd/fdd000383.shtml, and RFC 4155. A length that a
header gives (mboxcl) is not believed.

`mailbox.mbox` of the standard library is not used: it splits at every line that begins with
"From ", so that it reads two mails as three where a text has such a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

MOST = 64 * 1024 * 1024
"""The most bytes of a mail: 64 MiB."""
_LINE = 64 * 1024
"""The most bytes that are read as a line at a time."""
_FROM = re.compile(rb"From \S+ .*\d{4}")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


class Found(NamedTuple):
    """A mail as it stands in a file."""

    data: bytes | None
    """Its bytes; None where it has more than MOST."""
    envelope: bytes
    """The line before it in an mbox, without its end: "From anna@example.com Mon Mar  2 …"."""


def begins_header(line: bytes) -> bool:
    """Whether a line begins a header field."""
    return _HEADER.match(line) is not None


def mails(stream: BinaryIO, *, single: bool = False) -> Iterator[Found]:
    """The mails of a file.

    Args:
        stream: the file.
        single: whether it is known to hold one mail, though it may begin like an mbox.
    """
    first = stream.readline(_LINE)
    if not first.startswith(b"From "):
        yield _one(first, stream, b"")
    elif single:
        yield _one(b"", stream, first.rstrip(b"\r\n"))
    else:
        yield from _split(first, stream)


def _one(begin: bytes, stream: BinaryIO, envelope: bytes) -> Found:
    data = begin + stream.read(MOST + 1)
    return Found(data if len(data) <= MOST else None, envelope)


def _split(first: bytes, stream: BinaryIO) -> Iterator[Found]:
    """Split where a blank line, a line like "From anna@example.com … 2026", and a header stand."""
    envelope, mail = first, _Gathered()
    blank = False
    lines = _lines(stream)
    for line in lines:
        if blank and _FROM.match(line):
            after = next(lines, b"")
            if begins_header(after) or after.startswith(b">From "):
                yield mail.found(envelope)
                envelope, mail = line, _Gathered()
            else:
                mail.add(line)
            line = after  # noqa: PLW2901  (it is the next one)
        mail.add(line)
        blank = line in (b"\n", b"\r\n")
    yield mail.found(envelope)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.readline(_LINE), b"")


class _Gathered:
    """The lines of a mail, forgotten when they are too many."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        self._size += len(line)
        if self._size <= MOST:
            self._lines.append(line)
        else:
            self._lines.clear()

    def found(self, envelope: bytes) -> Found:
        if self._size > MOST:
            return Found(None, envelope.rstrip(b"\r\n"))
        return Found(_unquoted(self._lines), envelope.rstrip(b"\r\n"))


def _unquoted(lines: Iterable[bytes]) -> bytes:
    """Undo what an mbox does to lines that begin with "From "."""
    data = b"".join(lines)
    return _QUOTED.sub(rb"\1", data) if b">From " in data else data
