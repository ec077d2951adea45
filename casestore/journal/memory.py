"""A cache of stream heads and data keys, so that an append need not read them first."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from casestore.journal.rows import KeyRow

_LIMIT = 10_000
"""Heads and keys together: a cache that holds more is emptied."""


class Memory:
    """The heads of streams and the data keys of customers that this process last read or wrote.

    A head is the version of a stream's last event. On PostgreSQL an optimistic write decides with
    the cache, and compares it with the tables once it has the lock. On SQLite a writer has the lock
    already, and `as_of` empties the cache where another connection has written since.
    """

    def __init__(self) -> None:
        self.heads: dict[str, int] = {}
        self.keys: dict[str, KeyRow] = {}
        self.last_us: int | None = None
        """When the last event was recorded, in microseconds since 1970; None if it is not known."""
        self._version: Hashable = None

    def as_of(self, version: Hashable) -> None:
        """Empty the cache if it is of another version of the database.

        Args:
            version: which connection it is, and its PRAGMA data_version, which means nothing to
                another connection.
        """
        if version != self._version or len(self.heads) + len(self.keys) > _LIMIT:
            self.clear()
            self._version = version

    def clear(self) -> None:
        """Forget everything."""
        self.heads.clear()
        self.keys.clear()
        self.last_us = None

    def learn(self, heads: Mapping[str, int], keys: Mapping[str, KeyRow]) -> None:
        """Add what was read or committed."""
        if len(self.heads) + len(self.keys) > _LIMIT:
            self.clear()
        self.heads.update(heads)
        self.keys.update(keys)

    def forget(self, streams: Iterable[str], customers: Iterable[str]) -> None:
        """Remove the heads of some streams and the keys of some customers: they may be wrong."""
        for stream in streams:
            self.heads.pop(stream, None)
        for customer_id in customers:
            self.keys.pop(customer_id, None)
