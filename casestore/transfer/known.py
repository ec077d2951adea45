"""What a reader of other systems' files may ask about a store."""

from __future__ import annotations

from casestore.store import CaseStore


class StoreKnows:
    """Answers a reader from a store."""

    def __init__(self, store: CaseStore) -> None:
        self._store = store

    def has(self, stream: str) -> bool:
        """Whether the store has a stream."""
        return self._store._recorder.row_at(stream, 1) is not None
