"""The files that a reader is given: files, folders, archives, compressed or not, one by one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

BROKEN = (
    EOFError,
    OSError,  # gzip.BadGzipFile is one, and what a disk says
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,  # zipfile: a compression that it does not know
    RuntimeError,  # zipfile: it is encrypted
)
"""What is raised by a file that is no whole archive, or cannot be read."""
_TAR_MAGIC = 257
_PEEK = 512


class Input(NamedTuple):
    """A file, or a member of an archive."""

    name: str
    """As a person would name it: "mails.zip: inbox/17.eml"."""
    stream: BinaryIO
    """Its bytes. It cannot be read twice, and no longer when the next input has been taken."""


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files under paths in the order of their names; each once.

    Folders are looked through. Files whose names begin with a dot are left aside, and so are
    folders, unless they are folders of a Maildir.
    """
    found: dict[Path, None] = {}
    for path in sorted(set(paths)):
        if path.is_dir():
            found.update(dict.fromkeys(_within(path)))
        else:
            found[path] = None
    return iter(found)


def _within(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") or _is_maildir(Path(where, name))
        )
        for name in sorted(names):
            path = Path(where, name)
            if not name.startswith(".") and _is_regular(path):
                yield path


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() or (path / "new").is_dir()


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a link to nothing; opening it would tell, but it is no file of the source
        return False


def inputs(path: Path) -> Iterator[Input]:
    """What a file holds: itself, unpacked where it is compressed, or the members of an archive.

    Raises one of BROKEN, on the way or while a stream is read, where the file is not whole.
    """
    if str(path) == "-":
        yield from _unpacked("<stdin>", sys.stdin.buffer)
        return
    with path.open("rb") as file:
        yield from _unpacked(str(path), file)


def _unpacked(name: str, file: BinaryIO) -> Iterator[Input]:
    begin, stream = _peek(file)
    if begin.startswith(b"PK\x03\x04"):
        yield from _zipped(name, stream)
    elif (opened := _decompressed(begin, stream)) is not None:
        with opened as inner:
            yield from _unpacked(name, inner)
    elif begin[_TAR_MAGIC : _TAR_MAGIC + 5] == b"ustar":
        yield from _tarred(name, stream)
    else:
        yield Input(name, stream)


def _peek(file: BinaryIO) -> tuple[bytes, BinaryIO]:
    buffered = file if isinstance(file, io.BufferedReader) else _Peekable(file)
    return buffered.peek(_PEEK)[:_PEEK], cast(BinaryIO, buffered)


class _Peekable(io.BufferedReader):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(cast(io.RawIOBase, file))


def _decompressed(begin: bytes, stream: BinaryIO) -> BinaryIO | None:
    if begin.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    if begin.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(stream))
    if begin.startswith(b"\xfd7zXZ"):
        return cast(BinaryIO, lzma.LZMAFile(stream))
    return None


def _zipped(name: str, stream: BinaryIO) -> Iterator[Input]:
    with _seekable(stream) as file, zipfile.ZipFile(file) as archive:
        for member in sorted(archive.infolist(), key=lambda each: each.filename):
            if not member.is_dir() and _is_shown(member.filename):
                with archive.open(member) as inner:
                    yield from _unpacked(f"{name}: {member.filename}", cast(BinaryIO, inner))


def _tarred(name: str, stream: BinaryIO) -> Iterator[Input]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.isfile() and _is_shown(member.name):
                inner = cast(BinaryIO, archive.extractfile(member))
                yield from _unpacked(f"{name}: {member.name}", inner)


def _is_shown(name: str) -> bool:
    """Whether a member is one that a person put there, and no file of macOS about it."""
    parts = name.split("/")
    return "__MACOSX" not in parts and not parts[-1].startswith(".")


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    if stream.seekable():
        yield stream
        return
    import shutil  # noqa: PLC0415  (only for an archive in a pipe or an archive)
    import tempfile  # noqa: PLC0415  (the same)

    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast(BinaryIO, copy)
