"""Finding the rows of an append that is on record already, by its event ids.

The event ids of an append with a key are made from the stream, the key and an index. Today the
index counts the events of each stream, so the order of the streams does not matter. Earlier
versions counted through all streams in the order given. Those ids are looked for too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from casestore.append.request import Append
from casestore.journal.rows import Row
from casestore.streams.history import decode_metadata


def on_record(append: Append, found: Mapping[str, Row]) -> list[Row] | None:
    """The rows of an append, in the order of its events.

    None if its ids belong to an append of other streams, or of another number of events.

    Args:
        append: the append; some of its ids are on record.
        found: the rows on record, by event id.
    """
    rows = [row for each in append.event_ids if (row := found.get(each)) is not None]
    if append.imported or append.key is None:  # a line is one event of an append of any size
        return rows if len(rows) == append.events else None
    if len(rows) == append.events and _of_as_many(rows, append) == rows:
        return rows
    return _numbered_through(append, found) if append.older_ids else None


def _of_as_many(rows: Sequence[Row], append: Append) -> list[Row]:
    """The rows whose append had as many events as this one."""
    return [row for row in rows if decode_metadata(row.metadata).events == append.events]


def _numbered_through(append: Append, found: Mapping[str, Row]) -> list[Row] | None:
    ids = {*append.event_ids, *append.older_ids}
    rows = _of_as_many([found[each] for each in ids if each in found], append)
    streams = [stream for stream, events in append.batches for _ in events]
    if Counter(row.stream for row in rows) != Counter(streams):
        return None
    rows.sort(key=lambda row: row.version)
    by_stream = {name: iter([row for row in rows if row.stream == name]) for name in streams}
    return [next(by_stream[name]) for name in streams]
