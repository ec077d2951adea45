"""Decoders of classes, made by one thread at a time.

msgspec (0.22.0) finds out what the fields of a class are when its first decoder is made, and keeps
that with the class before it is whole. Another thread that makes a decoder of the same class then,
or of one that has such a field, ends the process with SIGSEGV.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_made: dict[type[Any], Any] = {}
_making = RLock()  # a handler of a signal may come in while its thread holds it
if hasattr(os, "register_at_fork"):  # a child would have a half of what was being made
    os.register_at_fork(
        before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release
    )


def decoder(kind: type[T]) -> Callable[[bytes | str], T]:
    """The function that decodes JSON to a class. It raises msgspec.DecodeError."""
    found: Callable[[bytes | str], T] | None = _made.get(kind)
    if found is None:
        with _making:
            found = _made[kind] = msgspec.json.Decoder(kind).decode
    return found


def converted(value: Any, kind: type[T]) -> T:
    """Plain values as a class. Raises msgspec.ValidationError."""
    with _making:
        return msgspec.convert(value, kind)
