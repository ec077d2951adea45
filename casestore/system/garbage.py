"""Running Python's garbage collector less often, where very many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_lock = RLock()  # a handler of a signal may come in while its thread holds it
_before: list[tuple[int, int, int]] = []
"""The thresholds before the first context that lasts, once for each that lasts."""


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the garbage collector run less often while the context lasts, in the whole process.

    For code that makes many objects and no reference cycles. It saved a tenth of an import's time,
    and a quarter of the time to fold a case of 100,000 events. Contexts of several threads may
    overlap: the last one that ends puts the thresholds back.
    """
    with _lock:
        _before.append(_before[0] if _before else gc.get_threshold())
        gc.set_threshold(50_000, *_before[0][1:])
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                gc.set_threshold(*before)
