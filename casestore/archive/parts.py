"""Writing the parts of one write: a Parquet file for each bucket that has new events."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from casestore.archive.columns import WRITING, batch_of, check_row, schema
from casestore.archive.manifest import Bucket, Part, bucket_of, file_name
from casestore.journal.rows import PlainRow, size_of
from casestore.system.files import naming, sync
from casestore.transfer.parquet import pyarrow

MOST_ROWS = 4_096
"""Rows of a row group. Each bucket holds one in memory."""
MOST_BYTES = 1024 * 1024
"""Bytes of contents after which a row group ends, however few rows it has."""
_BYTES_OF_ALL = 48 * 1024 * 1024
"""The same of the row groups of all buckets together."""
_ROWS_OF_ALL = 16_384
"""Rows of all buckets that are held as Python's objects, which take several times the room."""


class Parts:
    """The files of a write, in a folder that is theirs alone. Use `writing_parts`."""

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder = folder
        self._buckets = buckets
        self._files: dict[Bucket, _File] = {}

    def add(self, row: PlainRow) -> None:
        """Write a row into its bucket. Rows come in the order of streams and versions.

        Raises StoreDamaged, OSError.
        """
        check_row(row)
        bucket = bucket_of(row[6], self._buckets)
        if (file := self._files.get(bucket)) is None:
            file = self._files[bucket] = _File(self._folder / file_name(bucket), self._buckets)
        file.add(row)

    def finish(self, run: tuple[int, int]) -> tuple[Part, ...]:
        """End all files, durably, and tell of them. Raises OSError."""
        numbers = sorted(self._files, key=lambda bucket: -1 if bucket is None else bucket)
        parts = tuple(self._files[bucket].finish(bucket, run) for bucket in numbers)
        sync(self._folder)
        return parts

    def close(self) -> None:
        """Close what was not finished."""
        for file in self._files.values():
            file.close()


@contextmanager
def writing_parts(folder: Path, buckets: int) -> Iterator[Parts]:
    """Write parts into a new folder."""
    parts = Parts(folder, buckets)
    try:
        yield parts
    finally:
        parts.close()


class _File:
    def __init__(self, path: Path, buckets: int) -> None:
        self._pa, parquet = pyarrow()
        self._schema = schema(self._pa)
        self._path = path
        self._most_bytes = min(MOST_BYTES, _BYTES_OF_ALL // buckets)
        self._chunk = min(256, _ROWS_OF_ALL // buckets)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")
        self._writer: Any = parquet.ParquetWriter(self._file, self._schema, **WRITING)
        self._rows: list[PlainRow] = []
        self._chunks: list[Any] = []
        self._size = 0
        """Bytes of contents of the row group that is not yet written."""
        self._count = 0
        self._first = self._last = 0

    def add(self, row: PlainRow) -> None:
        self._rows.append(row)
        self._size += size_of(row) + len(row[9])
        if len(self._rows) == self._chunk or self._size >= self._most_bytes:
            self._end_chunk()
            if len(self._chunks) * self._chunk >= MOST_ROWS or self._size >= self._most_bytes:
                self._end_group()

    def _end_chunk(self) -> None:
        positions = [row[0] for row in self._rows]
        self._first = min(self._first or positions[0], *positions)
        self._last = max(self._last, *positions)
        self._count += len(self._rows)
        self._chunks.append(batch_of(self._pa, self._schema, self._rows))
        self._rows = []

    def _end_group(self) -> None:
        with naming(self._path):
            self._writer.write_table(self._pa.Table.from_batches(self._chunks))
        self._chunks, self._size = [], 0

    def finish(self, bucket: Bucket, run: tuple[int, int]) -> Part:
        if self._rows:
            self._end_chunk()
        if self._chunks:
            self._end_group()
        with naming(self._path):
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        with self._path.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        size = self._path.stat().st_size
        return Part(bucket, run, self._first, self._last, self._count, size, digest)

    def close(self) -> None:
        """Close the file, also where what is buffered finds no place on the disk."""
        for each in (self._writer, self._file):
            with suppress(OSError, ValueError):
                each.close()
