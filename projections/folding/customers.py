"""The customers of a bucket, whom a task meets in the order of their cases, not in their own.

They are put into a temporary file, so that a bucket may have more of them than memory holds.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from tempfile import gettempdir

import msgspec

from casestore.journal.rows import PlainRow
from projections.engine.fold import stream_of

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[PlainRow]).decode


class Customers:
    """The events of customers, by stream. Use `keeping`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def of(self, streams: Iterable[str]) -> dict[str, Sequence[PlainRow]]:
        """The events of those that there are. Raises OSError."""
        found: dict[str, Sequence[PlainRow]] = {}
        for stream in streams:
            asked = "SELECT events FROM customers WHERE stream = ?"
            for (events,) in self._database.execute(asked, (stream,)):
                found[stream] = _decode(events)
        return found


@contextmanager
def keeping(rows: Iterable[PlainRow]) -> Iterator[Customers]:
    """Keep customers while the context lasts.

    Args:
        rows: their events, ordered by stream and version.

    Raises OSError, also in the context: there is no room for the file.
    """
    try:
        # With an empty name it has 2 MB in memory, and the rest in a file that is gone when closed.
        with closing(sqlite3.connect("", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("CREATE TABLE customers (stream PRIMARY KEY, events) WITHOUT ROWID")
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO customers VALUES (?, ?)",
                ((stream, _encode(list(each))) for stream, each in groupby(rows, key=stream_of)),
            )
            yield Customers(database)
    except sqlite3.OperationalError as error:
        raise OSError(
            errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({error})", gettempdir()
        ) from None
