"""Writing files that are there whole, or not at all, also after a loss of power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make what the system refuses in here say which file it was."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file where there is none. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with naming(path), os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there. Raises OSError."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        write_new(part, data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
