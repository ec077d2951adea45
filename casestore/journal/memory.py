"""What a process last saw of streams and keys, so that it need not ask before each append."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from casestore.journal.rows import KeyRow

_LIMIT = 10_000


class Memory:
    """The heads of streams and the data keys of customers, as they were seen or committed.

    PostgreSQL's writers hope with it and look again under the lock. SQLite's have the lock, and
    ask `as_of` whether anybody else has written since.
    """

    def __init__(self) -> None:
        self.heads: dict[str, int] = {}
        self.keys: dict[str, KeyRow] = {}
        self.last_us: int | None = None
        """When the last event in the store was recorded."""
        self._version: int | None = None

    def as_of(self, version: int) -> None:
        """Forget what was seen of another version of the database."""
        if version != self._version or len(self.heads) + len(self.keys) > _LIMIT:
            self.clear()
            self._version = version

    def clear(self) -> None:
        """Forget everything."""
        self.heads.clear()
        self.keys.clear()
        self.last_us = None

    def learn(self, heads: Mapping[str, int], keys: Mapping[str, KeyRow]) -> None:
        """Take note of what was seen or committed."""
        if len(self.heads) + len(self.keys) > _LIMIT:
            self.clear()
        self.heads.update(heads)
        self.keys.update(keys)

    def forget(self, streams: Iterable[str], customers: Iterable[str]) -> None:
        """Something of it proved wrong."""
        for stream in streams:
            self.heads.pop(stream, None)
        for customer in customers:
            self.keys.pop(customer, None)
