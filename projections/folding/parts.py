"""The files of a fold: the rows of one task, one Parquet file for each projection.

A row has the columns of the projection's table, and before them `stream`. Their values are those of
the table, to the digit, so that a fold can be loaded: money is text like "12.50 EUR", and a list is
JSON. Only times and flags have types of their own, as these give the same numbers back: a time is
an instant in UTC, to the microsecond, which DuckDB, pandas and Spark read as one. So the columns
are not those of `--format parquet` of a report. That is for reading: it spreads money over two
columns and has what a report works out.

    OUT/PROJECTION/part-00017.parquet
    OUT/_left/part-00017           what the task left for the last step
    OUT/_done/part-00017.json      what it did; written last

A file is written beside its place and moved there when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from casestore.errors import FoldRefused
from casestore.system.files import meaning, naming, part_name, sync
from casestore.transfer.parquet import pyarrow
from projections.engine.sums import Sum
from projections.folding.left import Left
from projections.projection import Projection, shape

_MOST_ROWS = 8_192
"""Rows of a group. There is one in memory of each projection."""
_MOST_BYTES = 1024 * 1024
"""Bytes after which a group ends, however few rows it has."""
_LOADED = 8_192
"""Rows that are read at a time."""


def schema(pa: Any, projection: Projection) -> Any:
    """The columns of a projection's files, as a pyarrow.Schema."""
    form = shape(projection.row)
    known = {"TEXT": pa.string(), "BIGINT": pa.int64()}
    own = {datetime: pa.timestamp("us", tz="UTC"), bool: pa.bool_()}
    columns = [
        (name, own.get(kind, known[stored]))
        for name, kind, stored in zip(form.columns, form.kinds, form.types, strict=True)
    ]
    return pa.schema([("stream", pa.string()), *columns])


def file_of(folder: Path, projection: str, number: int) -> Path:
    """The file of a task's rows of a projection."""
    return folder / projection / f"part-{number:05d}.parquet"


class Parts:
    """The files of one task. Use `writing_parts`."""

    def __init__(self, folder: Path, number: int, projections: Sequence[Projection]) -> None:
        self.left = Left(folder, number)
        self._files = {
            each.name: _File(file_of(folder, each.name, number), each) for each in projections
        }

    def add(self, projection: str, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of a projection. Raises OSError."""
        if rows:
            self._files[projection].add(rows)

    def finish(self) -> dict[str, Sum]:
        """Move all files to their places, durably; gives the sums of the rows. Raises OSError."""
        self.left.finish()
        return {name: file.finish() for name, file in self._files.items()}

    def close(self) -> None:
        """Remove what was not finished."""
        self.left.close()
        for file in self._files.values():
            file.close()


@contextmanager
def writing_parts(folder: Path, number: int, projections: Sequence[Projection]) -> Iterator[Parts]:
    """Write the files of a task."""
    parts = Parts(folder, number, projections)
    try:
        yield parts
    finally:
        parts.close()


class _File:
    def __init__(self, path: Path, projection: Projection) -> None:
        self._pa, parquet = pyarrow()
        self._path = path
        self._schema = schema(self._pa, projection)
        self._batches: list[Any] = []
        self._waiting = self._size = 0
        self._sum = Sum()
        path.parent.mkdir(exist_ok=True)
        self._part = part_name(path.with_name(f"_{path.name}"))  # no reader takes it for a part
        with meaning(self._part, path):
            self._file = self._part.open("xb")
        self._writer: Any = parquet.ParquetWriter(self._file, self._schema, compression="zstd")

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        self._sum = self._sum.plus(Sum.of(rows))
        self._batches.append(batch := _batch(self._pa, self._schema, rows))
        self._waiting += len(rows)
        self._size += batch.nbytes
        if self._waiting >= _MOST_ROWS or self._size >= _MOST_BYTES:
            self._write()

    def _write(self) -> None:
        with naming(self._path):
            self._writer.write_table(self._pa.Table.from_batches(self._batches))
        self._batches, self._waiting, self._size = [], 0, 0

    def finish(self) -> Sum:
        if self._batches:
            self._write()
        with naming(self._path):
            self._writer.close()
            self._file.close()
            sync(self._part)
            self._part.replace(self._path)
            sync(self._path.parent)
        return self._sum

    def close(self) -> None:
        for each in (self._writer, self._file):
            with suppress(OSError, ValueError):  # what is buffered may find no place on the disk
                each.close()
        self._part.unlink(missing_ok=True)


def _batch(pa: Any, kind: Any, rows: Iterable[Sequence[Any]]) -> Any:
    """Stored rows as a pyarrow.RecordBatch."""
    arrays = []
    for values, field in zip(zip(*rows, strict=True), kind, strict=True):
        if pa.types.is_timestamp(field.type) or pa.types.is_boolean(field.type):
            arrays.append(pa.array(values, pa.int64()).cast(field.type))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.record_batch(arrays, schema=kind)


def read_part(path: Path, projection: Projection) -> Iterator[list[tuple[Any, ...]]]:
    """The stored rows of a file, some at a time. Raises FoldRefused."""
    pa, parquet = pyarrow()
    if path.exists() and not path.is_file():  # to open a pipe would wait
        raise FoldRefused(f"{path} is no ordinary file; fold again, into a new folder")
    try:
        with parquet.ParquetFile(path) as file:
            if not file.schema_arrow.equals(schema(pa, projection)):
                raise FoldRefused(f"{path} has other columns than {projection.name}; fold again")
            for batch in file.iter_batches(_LOADED, use_threads=False):
                yield list(zip(*map(_stored, batch.columns), strict=True))
    except (OSError, pa.ArrowException) as error:
        why = str(error).partition("\n")[0][:200]
        raise FoldRefused(f"{path} cannot be read: {why}; fold again, into a new folder") from None


def _stored(column: Any) -> list[Any]:
    pa, _ = pyarrow()
    if pa.types.is_timestamp(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
