"""The access log of a server that shows words: who saw which page of whom, and when.

A line is one JSON object. It is appended by one write, under a lock where the system has one, so
that several servers may share the file. It has no words: ids, times, and who asked.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from casestore.journal.url import SQLiteUrl, parse_url
from projections.serve.asked import Asked, told

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def log_beside(url: str) -> Path | None:
    """The access log of a store: beside its file; None for one that has no file."""
    where = parse_url(url)
    if not isinstance(where, SQLiteUrl):
        return None
    return where.path.with_name(f"{where.path.name}.views.ndjson")


class ViewsLog:
    """An access log.

    Args:
        path: the file. It is made for its owner alone (mode 0600) if it is not there.

    Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.close(self._open())

    def note(self, who: str, asked: Asked, position: int, store_id: str) -> None:
        """Note that a page is shown. Raises OSError: then it must not be shown.

        Args:
            who: who asked for it.
            asked: which page, at which moment.
            position: of the last event that the page takes into account.
            store_id: of which store.
        """
        moment, address = asked
        rows = address.rows or address.about.rows
        kind, id_ = address.page, address.id
        if address.page == "changed":
            kind, id_ = address.about.kind, address.about.id
        view = {
            "at": told(datetime.now(UTC)),
            "who": who,
            "page": address.page,
            "list": None if rows is None else rows.report,
            "case": id_ if kind == "case" else None,
            "customer": id_ if kind == "customer" else None,
            "as_of": None if moment.as_of is None else told(moment.as_of),
            "known_at": None if moment.known_at is None else told(moment.known_at),
            "since": None if address.since is None else told(address.since),
            "position": position,
            "store_id": store_id,
        }
        self._append(json.dumps(view, ensure_ascii=True).encode() + b"\n")

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(self.path, flags, 0o600)

    def _append(self, line: bytes) -> None:
        descriptor = self._open()
        try:
            if fcntl is not None:
                with suppress(OSError):  # a file system without locks: one write is enough
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.write(descriptor, line) != len(line):
                raise OSError(None, "the access log took only a part of a line", str(self.path))
        finally:
            os.close(descriptor)
