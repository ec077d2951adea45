"""What a task leaves for the last step: streams that were ever merged with others.

The rows of merged streams are made together, and these may stand in the buckets of several
customers. So no task on a bucket makes their rows: it puts their events into a file, with those of
their customers. When all buckets are done, the tasks of the last step read these files, each the
families that fall to it.

The file has a frame for each stream, one after another: MessagePack of the stream's rows and of the
rows of its customer. Behind them stands where each frame is, in the order of the families' hashes
(see `_PLACE`), and last the number of frames. So a task of the last step, whose families are those
with hashes from one to another, reads the places and the frames of these, and nothing else.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from struct import Struct
from typing import BinaryIO
from zlib import crc32

import msgspec

from casestore.journal.rows import PlainRow
from casestore.system.files import naming, part_name, sync

_PLACE = Struct(">IQI")
"""Of a frame: the hash of its family, where it begins, and how many bytes it has."""
_COUNT = Struct(">Q")
_HASHES = 1 << 32
Stream = tuple[list[PlainRow], list[PlainRow]]
"""The events of a stream, and those of its customer, if it is a case."""
_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Stream] = msgspec.msgpack.Decoder(Stream)


def left_file(folder: Path, number: int) -> Path:
    """The file of what a task leaves."""
    return folder / "_left" / f"part-{number:05d}"


class Left:
    """The file of what one task leaves. It is made only where there is something."""

    def __init__(self, folder: Path, number: int) -> None:
        self._path = left_file(folder, number)
        self._part = part_name(self._path)
        self._file: BinaryIO | None = None
        self._places: list[bytes] = []
        self._size = 0
        self.events = 0

    def add(self, family: str, rows: Sequence[PlainRow], customer: Sequence[PlainRow]) -> None:
        """Write a stream.

        Args:
            family: the name of the first stream of those that it was ever merged with.
            rows: its events.
            customer: those of its customer, if it is a case.

        Raises OSError.
        """
        if self._file is None:
            self._path.parent.mkdir(exist_ok=True)
            self._file = self._part.open("xb")
        self.events += len(rows)
        data = _encode((rows, customer))
        self._places.append(_PLACE.pack(crc32(family.encode()), self._size, len(data)))
        self._size += len(data)
        with naming(self._path):
            self._file.write(data)

    def finish(self) -> None:
        """Move the file to its place, durably. Raises OSError."""
        if self._file is None:
            return
        with naming(self._path):
            self._file.writelines(sorted(self._places))
            self._file.write(_COUNT.pack(len(self._places)))
            self._file.close()
            sync(self._part)
            os.replace(self._part, self._path)
            sync(self._path.parent)

    def close(self) -> None:
        """Remove what was not finished."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)


def left_in(folder: Path, group: int, of: int) -> Iterator[list[Stream]]:
    """The streams that were left: each time those of one family, or of a few, and all of them.

    Args:
        folder: of the fold.
        group: the number of the share of families to read, from 0 on.
        of: the number of shares.

    Raises OSError.
    """
    first, last = group * _HASHES // of, (group + 1) * _HASHES // of
    places: list[tuple[int, Path, int, int]] = []
    for path in sorted((folder / "_left").glob("part-*")):
        if not path.suffix:  # else half written by a process that was killed
            for hash_, start, size in _places(path, first, last):
                places.append((hash_, path, start, size))
    for _, together in groupby(sorted(places), key=itemgetter(0)):
        yield [_read(path, start, size) for _, path, start, size in together]


def _read(path: Path, start: int, size: int) -> Stream:
    with path.open("rb") as file:  # anew: there may be more than a process may have open
        file.seek(start)
        return _decoder.decode(file.read(size))


def _places(path: Path, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """The places of a file whose hashes are from `first` to below `last`."""
    with path.open("rb") as file:
        end = file.seek(-_COUNT.size, os.SEEK_END)
        (count,) = _COUNT.unpack(file.read(_COUNT.size))
        start = end - count * _PLACE.size

        def place(number: int) -> tuple[int, int, int]:
            file.seek(start + number * _PLACE.size)
            found: tuple[int, int, int] = _PLACE.unpack(file.read(_PLACE.size))
            return found

        def hash_of(number: int) -> int:
            return place(number)[0]

        from_, to = (bisect_left(range(count), each, key=hash_of) for each in (first, last))
        yield from map(place, range(from_, to))
