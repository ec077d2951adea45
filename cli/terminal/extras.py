"""What needs an extra that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli.terminal.options import Usage


@contextmanager
def with_extra() -> Iterator[None]:
    """Raise Usage where an extra is missing: the ImportError says how to get it."""
    try:
        yield
    except ImportError as error:
        raise Usage(str(error)) from None
