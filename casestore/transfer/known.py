"""What a reader of other systems' files may ask about a store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from casestore.store import CaseStore
from casestore.streams.history import decode_metadata


class Course(NamedTuple):
    """What is on record of a case's course."""

    customer_id: str
    """Whose case it is."""
    turns: Mapping[str, datetime]
    """When it was closed and reopened, by the keys of these events."""
    closed: bool
    """Whether the case is closed now."""


class StoreKnows:
    """Answers a reader from a store."""

    def __init__(self, store: CaseStore) -> None:
        self._store = store

    def course(self, case_id: str) -> Course | None:
        """What is on record of a case's course; None if there is no such case."""
        rows = self._store._recorder.stream_rows(f"case:{case_id}")
        if not rows:
            return None
        turns: dict[str, datetime] = {}
        for _, _, _, topic, state, _, _, _, _, metadata in rows:
            key = decode_metadata(metadata).key
            if topic in ("CaseClosed", "CaseReopened") and key is not None:
                turns[key] = _decode_time(state).occurred_at
        case = self._store.case(case_id)
        return Course(case.customer_id or "", turns, case.status == "closed")

    def has(self, stream: str) -> bool:
        """Whether the store has a stream."""
        return self._store._recorder.row_at(stream, 1) is not None


class _Timed(msgspec.Struct):
    occurred_at: datetime


_decode_time = msgspec.json.Decoder(_Timed).decode
