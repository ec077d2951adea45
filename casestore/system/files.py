"""Writing files that are there whole, or not at all, also after a loss of power."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from casestore.errors import StoreExists, StoreNotFound


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make what the system refuses in here say which file it was."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def sync(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, outlive a loss of power. Raises OSError."""
    if path.is_dir() and os.name != "posix":
        return  # only there can a folder be opened
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes | Iterable[bytes], mode: int = 0o644) -> None:
    """Write a file where there is none. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with naming(path), os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes | Iterable[bytes], mode: int = 0o644) -> None:
    """Write a file in the place of whatever is there. Raises OSError."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        write_new(part, data, mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def part_of(path: Path, mode: int = 0o666, *, replace: bool = False) -> Iterator[Path]:
    """A file that others fill, and that takes its place when the context ends well.

    Args:
        path: where it is to be in the end; gone if the context ends badly.
        mode: its rights, less the process's umask.
        replace: take the place of what is there.

    Raises:
        StoreNotFound: there is no such folder.
        StoreExists: something is at that place by the end.
    """
    if not path.parent.is_dir():
        raise StoreNotFound(f"cannot write {path}: the folder {path.parent} does not exist")
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield part
        sync(part)
        if replace:
            part.replace(path)
        else:
            _link(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, path: Path) -> None:
    """Another name for a file, which fails where there is one, as a rename does not everywhere."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise StoreExists(f"cannot write {path}: it is there meanwhile; use another name") from None
    except OSError:  # no links on that disk
        part.rename(path)
