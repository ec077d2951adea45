"""The files that a reader is given: files, folders, archives, compressed or not, one by one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Self, TypeVar, cast

DEEPEST = 8
"""How many archives, or compressed files, may stand in one another."""


class BrokenInput(Exception):  # noqa: N818  (its name says what it is)
    """A file that cannot be unpacked."""


BROKEN = (
    BrokenInput,
    EOFError,
    OSError,  # gzip.BadGzipFile is one, and what a disk says
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What is raised by a file that is no whole archive, or cannot be read."""
_TAR_MAGIC = 257
_PEEK = 512
_ENCRYPTED = 0x1
"""Of a zip's flags."""
T = TypeVar("T")


class Input(NamedTuple):
    """A file, or a member of an archive."""

    name: str
    """As a person would name it: "mails.zip: inbox/17.eml"."""
    stream: BinaryIO
    """Its bytes. It cannot be read twice, and no longer when the next input has been taken."""


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files under paths, folder by folder, in the order of their names; each once.

    Folders are looked through, each once, whatever links lead to it. Files whose names begin with a
    dot are left aside, and so are folders, unless they are folders of a Maildir; and pipes. What
    cannot be looked into is among the files: to open it tells why.
    """
    given = set(paths)
    for path in sorted(given):
        if path.is_dir():
            yield from (each for each in _within(path, given) if each not in given)
        else:
            yield path


def _within(top: Path, given: Collection[Path]) -> Iterator[Path]:
    ahead = [top]
    seen: set[tuple[int, int]] = set()
    while ahead:
        folder = ahead.pop()
        try:
            about = folder.stat()
            if (itself := (about.st_dev, about.st_ino)) in seen:
                continue
            seen.add(itself)
            entries = sorted(os.scandir(folder), key=lambda each: each.name)
        except OSError:
            yield folder
            continue
        folders = []
        for entry in entries:
            path = folder / entry.name
            is_shown = not entry.name.startswith(".")
            kind = _kind(entry)
            if kind == "file" and is_shown:
                yield path
            elif kind == "folder" and path not in given and (is_shown or _is_maildir(path)):
                folders.append(path)
        ahead += reversed(folders)


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "other"]:
    """What a link leads to counts; one that leads nowhere is a file that cannot be opened."""
    try:
        if entry.is_dir():
            return "folder"
        is_file = entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return "file"
    return "file" if is_file else "other"


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() or (path / "new").is_dir()


def shown(name: Path | str) -> str:
    """A file's name as text; what in it is no UTF-8 is escaped, since no database takes it."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def inputs(path: Path) -> Iterator[Input]:
    """What a file holds: itself, unpacked where it is compressed, or the members of an archive.

    Raises one of BROKEN, on the way or while a stream is read, where the file is not whole.
    """
    if str(path) == "-":
        yield from _unpacked("<stdin>", sys.stdin.buffer)
        return
    if path.is_dir():
        os.scandir(path).close()  # it could not be looked into: this says why
        return
    with path.open("rb") as file:
        yield from _unpacked(shown(path), file)


def _unpacked(name: str, file: BinaryIO, deep: int = 0) -> Iterator[Input]:
    if deep > DEEPEST:
        raise BrokenInput(f"more than {DEEPEST} archives stand in one another; unpack them")
    begin, stream = _peek(file)
    if begin.startswith(b"PK\x03\x04"):
        yield from _zipped(name, stream, deep + 1)
    elif (opened := _decompressed(begin, stream)) is not None:
        with opened as inner:
            yield from _unpacked(name, inner, deep + 1)
    elif begin[_TAR_MAGIC : _TAR_MAGIC + 5] == b"ustar":
        yield from _tarred(name, stream, deep + 1)
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
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb"))
    if begin.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(stream))
    if begin.startswith(b"\xfd7zXZ"):
        return cast(BinaryIO, lzma.LZMAFile(stream))
    return None


def _zipped(name: str, stream: BinaryIO, deep: int) -> Iterator[Input]:
    with _seekable(stream) as file, _sound(lambda: zipfile.ZipFile(file)) as archive:
        for member in sorted(archive.infolist(), key=lambda each: each.filename):
            if member.filename.endswith("/") or not _is_shown(member.filename):
                continue
            if member.flag_bits & _ENCRYPTED:
                raise BrokenInput("it is encrypted; unpack it and import what is in it")
            with _sound(lambda: archive.open(member)) as inner:  # noqa: B023  (called at once)
                place = f"{name}: {shown(member.filename)}"
                yield from _unpacked(place, cast(BinaryIO, inner), deep)


class _Member(tarfile.TarInfo):
    """A member whose header tells where a tar is cut off, or damaged: tarfile takes that for its
    end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the two empty blocks
            raise
        except tarfile.HeaderError as error:
            raise BrokenInput(f"the tar is cut off, or damaged: {error}") from None


def _tarred(name: str, stream: BinaryIO, deep: int) -> Iterator[Input]:
    with _sound(partial(tarfile.open, fileobj=stream, mode="r|", tarinfo=_Member)) as archive:
        while (member := _sound(archive.next)) is not None:
            if member.isfile() and _is_shown(member.name):
                inner = cast(BinaryIO, archive.extractfile(member))
                yield from _unpacked(f"{name}: {shown(member.name)}", inner, deep)
            archive.members = []  # type: ignore[attr-defined]  # it would remember them all


def _sound(call: Callable[[], T]) -> T:
    """What a call gives; on damaged archives zipfile and tarfile raise more kinds than they say."""
    try:
        return call()
    except BROKEN:
        raise
    except Exception as error:
        raise BrokenInput(str(error) or type(error).__name__) from None


def _is_shown(name: str) -> bool:
    """Whether a member is one that a person put there, and no file of macOS about it."""
    parts = name.split("/")
    return "__MACOSX" not in parts and not parts[-1].startswith(".")


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """A stream that goes back cheaply: one that unpacks would begin anew each time."""
    if isinstance(getattr(stream, "raw", None), io.FileIO) and stream.seekable():
        yield stream
        return
    import shutil  # noqa: PLC0415  (only for an archive in a pipe or an archive)
    import tempfile  # noqa: PLC0415  (the same)

    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast(BinaryIO, copy)
