"""Receivers that are files: each event becomes a line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from casestore.relay.message import Answer, Message
from casestore.system.files import sync

_STEP = 1 << 16
_BEGIN = b'{"specversion":'
"""Of every line that is written."""


class LinesFile:
    """A file that grows by a line for each event. Only its owner can read a new one.

    One relay alone may write it.

    Where a relay was killed while it wrote, the file ends in part of a line: that part is removed,
    as the whole line is written again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def target(self) -> str:
        """The file's URL."""
        return self._path.absolute().as_uri()

    def close(self) -> None:
        """Nothing is open."""

    def send(self, message: Message) -> Answer:
        """Write lines, and wait until they are on the disk."""
        lines = b"".join(b"%s\n" % each for each in message.events)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                first = file.read(len(_BEGIN)) or b""
                file.seek(end := _end_of_lines(descriptor))
                part = file.read(len(_BEGIN)) or b""
                # What ends in a whole line may be anything: a key file, say.
                for which, found in (("first", first), ("last", part)):
                    if not _BEGIN.startswith(found):
                        return Answer(False, f"its {which} line is none that a relay has begun")
                if part:
                    file.truncate(end)
                file.seek(end)
                while lines:
                    lines = lines[file.write(lines) :]
                os.fsync(descriptor)
            if not end:  # so that the file itself outlives a loss of power
                sync(self._path.parent)
        except OSError as error:
            return Answer(False, f"it cannot be written: {error.strerror}")
        return Answer(True)


def _end_of_lines(descriptor: int) -> int:
    """Where the last whole line of a file ends."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end:
        begin = max(0, end - _STEP)
        os.lseek(descriptor, begin, os.SEEK_SET)
        found = os.read(descriptor, end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


class StandardOutput:
    """A receiver that prints each event on a line."""

    target = "-"

    def close(self) -> None:
        """It stays open."""

    def send(self, message: Message) -> Answer:
        """Print lines. Raises OSError where nobody reads them any more."""
        for each in message.events:
            sys.stdout.buffer.write(b"%s\n" % each)
        sys.stdout.buffer.flush()
        return Answer(True)


def path_of(url: str) -> Path:
    """The path that a URL file:///… names. Raises ValueError."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise ValueError("a file is named with its whole path, like file:///var/lib/out.ndjson")
    return Path(path)
