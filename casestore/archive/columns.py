"""The columns of an archive's Parquet files: a stored row to the byte, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from casestore.errors import StoreDamaged
from casestore.journal.rows import PlainRow

COLUMNS = {
    "position": "int64",
    "stream": "string",
    "version": "int64",
    "topic": "string",
    "state": "binary",
    "personal": "binary",  # null where the event has no personal text
    "customer_id": "string",  # null where it is of no customer
    "event_id": "string",
    "recorded_at": "int64",  # microseconds since 1970-01-01T00:00:00Z
    "metadata": "binary",
}
"""By the name of a column its type in Arrow, in the order of a Row. Two columns may have nulls."""
MAY_BE_NULL = ("personal", "customer_id")
WRITING = {
    "compression": "zstd",
    "use_dictionary": ["stream", "topic", "customer_id"],
    "write_statistics": ["position", "stream", "version", "topic"],  # none of contents
    "write_page_checksum": True,
}
"""How the files are written, for pyarrow's ParquetWriter."""
_AT_ONCE = 256
"""Rows that are made of a table at a time."""

_ALWAYS = (int, str, int, str, bytes, bytes, str, str, int, bytes)
_KINDS = {
    (*_ALWAYS[:5], personal, customer, *_ALWAYS[7:])
    for personal in (bytes, type(None))
    for customer in (str, type(None))
}


def check_row(row: PlainRow) -> None:
    """Check that a row has the types that casestore stores. Raises StoreDamaged."""
    if tuple(map(type, row)) not in _KINDS:
        raise StoreDamaged(
            f"what stands at position {row[0]} is not as casestore writes events; run "
            "`casestore doctor`"
        )


def schema(pa: Any) -> Any:
    """The pyarrow.Schema of the files."""
    return pa.schema(
        [pa.field(name, kind, nullable=name in MAY_BE_NULL) for name, kind in COLUMNS.items()]
    )


def batch_of(pa: Any, kind: Any, rows: Sequence[PlainRow]) -> Any:
    """Rows, which were checked, as a pyarrow.RecordBatch of a schema."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(each, field.type) for each, field in zip(columns, kind, strict=True)]
    return pa.record_batch(arrays, schema=kind)


def rows_of(table: Any) -> Iterator[PlainRow]:
    """The rows of a pyarrow.Table; a column that was not read has None.

    Python's objects take several times the room, so they are made some at a time.
    """
    there = set(table.column_names)
    for batch in table.to_batches(_AT_ONCE):
        columns = [batch[name].to_pylist() if name in there else repeat(None) for name in COLUMNS]
        yield from zip(*columns, strict=False)
