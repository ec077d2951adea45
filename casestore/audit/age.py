"""How long events have waited for a seal, for those who watch that sealing goes on."""

from __future__ import annotations

import time

from casestore.audit.folder import Folder
from casestore.audit.leaf import read_leaf
from casestore.audit.rows import BEFORE_ALL, origin
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.streams.history import from_microseconds
from casestore.telemetry.telling import found, measure

_EVERY = 10.0
"""Seconds between two looks: a metric is exported less often."""


class SealAge:
    """Tells OpenTelemetry now and then how old the first event without a seal is.

    Args:
        store: the store.
    """

    def __init__(self, store: CaseStore) -> None:
        self._store = store
        self._next = 0.0

    def tell(self) -> None:
        """Tell it, if somebody is told at all, and a while after the last time."""
        if found() is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        try:
            age = seal_age(self._store)
        except (CaseStoreError, OSError):  # `doctor` and `audit verify` say what is wrong there
            return
        if age is not None:
            measure("casestore.seal.age", age, self._store.url)


def seal_age(store: CaseStore) -> float | None:
    """Seconds since the first event that no seal covers was recorded; 0 if all are covered.

    None where there is no audit folder: such a store is not sealed.

    Raises:
        CaseStoreError: the newest seal cannot be read, or the database does not answer.
        OSError: the audit folder cannot be read.
    """
    folder = Folder.of(store.url)
    if not folder.path.is_dir():
        return None
    newest = folder.newest(origin(store))
    last = newest[0].last if newest else ""  # empty in the seal of an empty store
    after = read_leaf(last.encode()).position if last else BEFORE_ALL
    first = store._recorder.rows(after, 1)
    if not first:
        return 0.0
    return max(0.0, (store.now() - from_microseconds(first[0][8])).total_seconds())
