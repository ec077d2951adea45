"""The records of a JSON file of any size, one by one.

A file is what an API answers: an object with lists of records, a list of records, or many of these
one after another (NDJSON). A record is never parsed here; it is cut out, and the reader parses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

import msgspec

from casestore.errors import UnreadableInput

MOST = 64 * 1024 * 1024
"""The most bytes of a record: 64 MiB."""
_SMALL = 4 * 1024 * 1024
"""The most bytes of what is parsed at once: a line, or a file of one value. That is several times
as fast as to look for where its records end."""
_DEEPEST = 10_000
"""How deep a record may be nested. No parser takes one that is nested so deep, and to look for the
end of one that never ends would take minutes."""
_PIECE = 64 * 1024
_SPACE = re.compile(rb"[ \t\r\n]*")
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""All before a bracket, or before a text that does not end yet."""
_END_OF_TEXT = re.compile(rb'(?:[^"\\]|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^,\]}\s]*")


class Record(NamedTuple):
    """A record, still as JSON."""

    name: str
    """The name of the list that it stands in; "" for a record by itself, or of a nameless list."""
    data: bytes


def records(stream: BinaryIO, lists: Collection[str]) -> Iterator[Record]:
    """The records of a file.

    Args:
        stream: the file, in UTF-8.
        lists: the names of the lists that hold records. The items of such a list, in an object at
            the top, are records; what else the object holds is one record more, if any is left
            that is not null.

    Raises:
        UnreadableInput: it is empty, not JSON, ends in the middle, or a record is longer than MOST.
    """
    scanner = _Scanner(stream)
    scanner.check_begin()
    if scanner.peek() is None:
        raise UnreadableInput("the file is empty")
    while (mark := scanner.peek()) is not None:
        if (small := scanner.small(lists)) is not None:
            yield from _parsed(*small, lists)
        elif mark == b"[":
            for item in scanner.items():
                yield Record("", item)
        elif mark == b"{":
            yield from _object(scanner, lists)
        else:
            raise UnreadableInput(
                "not JSON, or not as an API answers: neither an object nor a list"
            )


def _object(scanner: _Scanner, lists: Collection[str]) -> Iterator[Record]:
    rest: list[bytes] = []
    named = False
    for name in scanner.names():
        decoded = _text(name)
        if decoded in lists and scanner.peek() == b"[":
            named = True
            for item in scanner.items():
                yield Record(decoded, item)
        else:
            rest.append(name + b":" + scanner.value())
            if sum(map(len, rest[-1:])) > MOST:
                raise UnreadableInput("a record is longer than 64 MiB")
    if rest or not named:
        yield Record("", b"{" + b",".join(rest) + b"}")


_Parsed = dict[str, msgspec.Raw] | list[msgspec.Raw]


def _parsed(data: bytes, value: _Parsed, lists: Collection[str]) -> Iterator[Record]:
    if isinstance(value, list):
        yield from (Record("", bytes(item)) for item in value)
        return
    if not any(name in value for name in lists):
        yield Record("", data)
        return
    rest: list[bytes] = []
    for name, raw in value.items():
        items = _parse(bytes(raw)) if name in lists else None
        if isinstance(items, list):
            yield from (Record(name, bytes(item)) for item in items)
        else:
            rest.append(msgspec.json.encode(name) + b":" + bytes(raw))
    if rest or not value:
        yield Record("", b"{" + b",".join(rest) + b"}")


def _parse(data: bytes) -> _Parsed | None:
    """A list or an object, whose items are still JSON; None if it is no such thing."""
    try:
        parsed: _Parsed = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return parsed


_decode = msgspec.json.Decoder(_Parsed).decode


def _repeats(data: bytes, lists: Collection[str], parsed: Collection[str]) -> bool:
    return any(name in parsed and data.count(b'"%b"' % name.encode()) > 1 for name in lists)


def _text(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableInput("not JSON: a name is no text") from None


class _Scanner:
    """Finds where values begin and end, with as little of the file in memory as one value."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data = b""
        self._at = 0
        self._ended = False
        self._is_small = True
        """Whether what begins next may be parsed at once."""

    def check_begin(self) -> None:
        """Skip a byte order mark. Raises UnreadableInput for UTF-16 and for nothing."""
        while len(self._data) < 4 and self._fill():
            pass
        if self._data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnreadableInput("it is UTF-16; write it as UTF-8")
        if not self._data:
            raise UnreadableInput("the file is empty")
        if self._data.startswith(b"\xef\xbb\xbf"):
            self._at = 3

    def _fill(self) -> bool:
        """Read more, as much again as is there: so a long value costs its length, not its square.

        False at the end of the file.
        """
        if self._ended:
            return False
        kept = self._data[self._at :]
        if len(kept) > MOST:
            raise UnreadableInput("a record is longer than 64 MiB")
        more = self._stream.read(max(_PIECE, len(kept)))
        self._data, self._at = kept + more, 0
        self._ended = not more
        return bool(more)

    def peek(self) -> bytes | None:
        """The next byte that is no space; None at the end."""
        while True:
            self._at = _end(_SPACE, self._data, self._at)
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._fill():
                return None

    def small(self, lists: Collection[str]) -> tuple[bytes, _Parsed] | None:
        """The value that begins here, if it ends with its line, or is the rest of a small file.

        As JSON, and parsed. None also where one of the lists may stand there twice, of which a
        parser keeps the last one alone.
        """
        most = min(_SMALL, MOST)
        for mark in (b"\n", b""):
            found = self._ahead(mark, most)
            if found and (parsed := _parse(found)) is not None:
                if isinstance(parsed, dict) and _repeats(found, lists, parsed):
                    return None
                self._at += len(found)
                return found.rstrip(), parsed
        self._is_small = False
        return None

    def _ahead(self, mark: bytes, most: int) -> bytes:
        """What is there until a mark, or until the file's end; b"" if that is more than `most`."""
        if not self._is_small:
            return b""
        while len(self._data) - self._at <= most:
            end = self._data.find(mark, self._at) if mark else -1
            if end >= 0:
                return self._data[self._at : end]
            if not self._fill():
                return self._data[self._at :]
        return b""

    def _take(self, wanted: bytes) -> bool:
        if (mark := self.peek()) is None:
            raise UnreadableInput("it ends in the middle")
        if mark != wanted:
            return False
        self._at += 1
        return True

    def _need(self, wanted: bytes) -> None:
        if not self._take(wanted):
            raise UnreadableInput("not JSON")

    def items(self) -> Iterator[bytes]:
        """The items of the list that begins here."""
        self._need(b"[")
        if self._take(b"]"):
            return
        while True:
            yield self.value()
            if self._take(b"]"):
                return
            self._need(b",")

    def names(self) -> Iterator[bytes]:
        """The names in the object that begins here, as JSON; take each value before the next."""
        self._need(b"{")
        if self._take(b"}"):
            return
        while True:
            if self.peek() != b'"':
                raise UnreadableInput("not JSON")
            yield self.value_and_colon()
            if self._take(b"}"):
                return
            self._need(b",")

    def value_and_colon(self) -> bytes:
        """The name that begins here; the colon after it is skipped."""
        name = self.value()
        self._need(b":")
        return name

    def value(self) -> bytes:
        """The value that begins here."""
        mark = self.peek()
        if mark is None:
            raise UnreadableInput("it ends in the middle")
        if mark == b'"':
            return self._cut(self._past_text(1))
        if mark in (b"{", b"["):
            return self._cut(self._past_nested())
        if mark in (b"}", b"]", b",", b":"):
            raise UnreadableInput("not JSON")
        while True:
            end = _end(_SCALAR, self._data, self._at)
            if end < len(self._data) or not self._fill():
                return self._cut(end - self._at)

    def _cut(self, length: int) -> bytes:
        value = self._data[self._at : self._at + length]
        self._at += length
        return value

    def _past_text(self, offset: int) -> int:
        """The offset after the text whose first character is at an offset."""
        while True:
            if found := _END_OF_TEXT.match(self._data, self._at + offset):
                return found.end() - self._at
            if not self._fill():
                raise UnreadableInput("it ends in the middle")

    def _past_nested(self) -> int:
        depth = offset = 0
        while True:
            end = _end(_TO_BRACKET, self._data, self._at + offset)
            mark = self._data[end : end + 1]
            offset = end - self._at
            if mark in (b"", b'"'):
                if not self._fill():
                    raise UnreadableInput("it ends in the middle")
                continue
            offset += 1
            depth += 1 if mark in b"{[" else -1
            if depth == 0:
                return offset
            if depth > _DEEPEST:
                raise UnreadableInput("it is nested too deeply")


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Where a pattern ends that may be empty."""
    found = pattern.match(data, at)
    return at if found is None else found.end()
