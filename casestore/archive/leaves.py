"""The leaf hashes of an archive's rows, which stand in the order of streams, by position."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from types import TracebackType
from typing import BinaryIO, Self, cast

from casestore.archive.manifest import Manifest
from casestore.errors import ArchiveDamaged
from casestore.system.files import naming
from casestore.tlog.merkle import HASH_SIZE

_NONE = bytes(HASH_SIZE)
_BLOCK = 4_096
"""Hashes that are read at a time."""
_WIDE = 64
"""Positions to an event on average, beyond which the file would be too large. A store leaves out
one only where an append fails."""


class Leaves:
    """A temporary file of 32 bytes for each position from the first to the last.

    Raises ArchiveDamaged where positions lie too far apart, OSError.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._first = manifest.first or 1
        self._last = manifest.last
        if self._last - self._first > _WIDE * (manifest.events + 1_000):
            raise ArchiveDamaged(
                f"the archive has {manifest.events:,} events at positions {self._first:,} to "
                f"{self._last:,}: that is none of a store"
            )
        self._file = cast(BinaryIO, TemporaryFile(buffering=0))  # noqa: SIM115  (see __exit__)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, position: int, leaf: bytes) -> None:
        """Keep the hash of the event at a position, which must be one of the archive's."""
        self._file.seek((position - self._first) * HASH_SIZE)
        with naming(Path(gettempdir())):
            written = self._file.write(leaf)
        if written != HASH_SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), gettempdir())

    def in_order(self) -> Iterator[tuple[int, bytes]]:
        """Each position that has a hash, with it, in order."""
        for start in range(self._first, self._last + 1, _BLOCK):
            self._file.seek((start - self._first) * HASH_SIZE)
            block = self._file.read(_BLOCK * HASH_SIZE)
            for n in range(0, len(block), HASH_SIZE):
                if (leaf := block[n : n + HASH_SIZE]) != _NONE:
                    yield start + n // HASH_SIZE, leaf
