"""Writing files that are complete or absent, also after a process is killed or power is lost."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from casestore.errors import StoreExists, StoreNotFound


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make an OSError that the context raises name a file, if it names none itself."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def meaning(part: Path, path: Path) -> Iterator[None]:
    """Make an OSError that the context raises name `path`, where it names the part of it."""
    try:
        yield
    except OSError as error:
        if str(error.filename) != str(part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, outlive a loss of power. Raises OSError."""
    if path.is_dir() and os.name != "posix":
        return  # Windows cannot open a folder to sync it
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def part_name(path: Path) -> Path:
    """A new name beside `path`, for what is moved to `path` once it is complete.

    The name is random, not made of the process id. In a container, each process may have the same
    id: the next one would find the file that a killed one left. And threads would share one name.
    """
    return path.with_name(f"{path.name}.part-{secrets.token_hex(4)}")


def read_file(path: Path, most: int, *, private: bool = False, follow: bool = False) -> bytes:
    """Read an ordinary file that somebody else may have put there.

    Args:
        path: of the file.
        most: the most bytes that it may have.
        private: whether it is a secret: then only its owner may have any right to it, and it may
            be a link, as a secret that a machine is given often is.
        follow: whether it may be a link in any case.

    Raises:
        OSError: it cannot be read, is no ordinary file, a link, too large, or not private.
    """
    # Without O_NONBLOCK, to open a pipe waits until somebody writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = open_file(path, flags, follow=private or follow)
    with naming(path), os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if private and os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            why = f"others than its owner have a right to it (mode {mode:04o}); chmod 600 it"
            raise OSError(errno.EPERM, why)
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return data


def open_file(path: Path, flags: int, *, follow: bool = False, mode: int = 0o666) -> int:
    """Open an ordinary file, which is made with `mode` less the umask if `flags` say so.

    Gives its descriptor. Raises OSError where it is something else, or, unless `follow`, a link:
    what is written would be written elsewhere.
    """
    try:
        descriptor = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)), mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, which is refused there", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    return descriptor


def write_new(path: Path, data: bytes | Iterable[bytes], mode: int = 0o644) -> None:
    """Write a file that does not exist yet, durably. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with naming(path), os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes | Iterable[bytes], mode: int = 0o644) -> None:
    """Write a file, or replace it. Readers see the old file or the new one. Raises OSError."""
    part = part_name(path.with_name(f".{path.name}"))
    with meaning(part, path):
        try:
            write_new(part, data, mode)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def part_of(path: Path, mode: int = 0o666, *, replace: bool = False) -> Iterator[Path]:
    """Give the path of an empty file to fill, which is moved to `path` when the context ends.

    If the context raises, the file is removed, and what is at `path` stays.

    Args:
        path: where the file is moved to.
        mode: its permissions, less the process's umask.
        replace: replace a file that is at `path`.

    Raises:
        StoreNotFound: the folder does not exist.
        StoreExists: there is a file at `path` at the end, and `replace` is not set.
        OSError: the file cannot be written.
    """
    if not path.parent.is_dir():
        raise StoreNotFound(f"cannot write {path}: the folder {path.parent} does not exist")
    part = part_name(path)
    with meaning(part, path):
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield part
        sync(part)
        if replace:
            part.replace(path)
        else:
            _move_new(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _move_new(part: Path, path: Path) -> None:
    try:
        move_new(part, path)
    except FileExistsError:
        raise StoreExists(f"cannot write {path}: it is there meanwhile; use another name") from None


def move_new(part: Path, path: Path) -> None:
    """Move a file to a name that must be free: a plain rename would replace what is there.

    Raises FileExistsError, OSError.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # this file system has no hard links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.rename(path)
    else:
        part.unlink()


def share_like(path: Path, model: Path) -> None:
    """Give a file the mode, the group and, where root does it, the owner of another one.

    A user who may not give the group away leaves it as it is. Raises OSError.
    """
    wanted, present = model.stat(), path.stat()
    owner = wanted.st_uid if hasattr(os, "geteuid") and os.geteuid() == 0 else -1
    other = wanted.st_gid != present.st_gid or owner not in (-1, present.st_uid)
    if other and hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(path, owner, wanted.st_gid)
    if stat.S_IMODE(present.st_mode) != stat.S_IMODE(wanted.st_mode):
        with suppress(PermissionError):  # of another user, who gave it its mode
            path.chmod(stat.S_IMODE(wanted.st_mode))
