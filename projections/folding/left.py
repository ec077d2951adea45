"""What a task leaves for the last step: streams that were ever merged with others.

The rows of merged streams are made together, and these may stand in the buckets of several
customers. So no task on a bucket makes their rows: it puts their events into a file, with those of
their customers. When all buckets are done, the tasks of the last step read these files, each the
families that fall to it.

The file is a row of frames, one a stream: the family's hash and the length of what follows (4 bytes
each, big-endian), then MessagePack of the stream's rows and of the rows of its customer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import BinaryIO
from zlib import crc32

import msgspec

from casestore.journal.rows import PlainRow
from casestore.system.files import naming, part_name, sync

_HEAD = Struct(">II")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[PlainRow], list[PlainRow]]).decode


class Left:
    """The file of what one task leaves. It is made only where there is something."""

    def __init__(self, folder: Path, number: int) -> None:
        self._path = folder / "_left" / f"part-{number:05d}"
        self._part = part_name(self._path)
        self._file: BinaryIO | None = None
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
        with naming(self._path):
            self._file.write(_HEAD.pack(crc32(family.encode()), len(data)))
            self._file.write(data)

    def finish(self) -> None:
        """Move the file to its place, durably. Raises OSError."""
        if self._file is None:
            return
        with naming(self._path):
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


def left_in(folder: Path, group: int, of: int) -> Iterator[tuple[list[PlainRow], list[PlainRow]]]:
    """The streams that were left, each with its customer's events.

    Args:
        folder: of the fold.
        group: the families to read: those whose hash leaves this remainder.
        of: the number of groups.

    Raises OSError.
    """
    for path in sorted((folder / "_left").glob("part-*")):
        if path.suffix:  # half written by a process that was killed
            continue
        with path.open("rb") as file:
            while head := file.read(_HEAD.size):
                family, size = _HEAD.unpack(head)
                if family % of == group:
                    yield _decode(file.read(size))
                else:
                    file.seek(size, os.SEEK_CUR)
