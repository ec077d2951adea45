"""A tree's hashes in files, and the file names of a static log (c2sp.org/tlog-tiles).

The files are a cache. They are trusted only after they have given a root that was signed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from casestore.system.files import naming, open_file
from casestore.tlog.merkle import HASH_SIZE, Frontier, blocks, fold

TILE = 256
"""Hashes in a full tile (c2sp.org/tlog-tiles)."""
_HEIGHT = 8
"""Levels of the tree that a tile covers: TILE is 2**8."""
_BLOCK = 1 << 14
"""Hashes to read at a time."""
Extend = Callable[[Sequence[bytes]], None]


class Hashes:
    """The hashes of a tree in a folder.

    File `0` holds the hashes of the leaves, one after the other. File `1` holds the roots over each
    256 of them, file `2` the roots over each 256 of file `1`, and so on; only of full groups.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, level: int) -> Path:
        return self.folder / str(level)

    def _open(self, level: int, flags: int) -> int:
        """Open a file, and give its descriptor. Raises OSError, also at a link or a pipe."""
        if self.folder.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, which is refused there", str(self.folder))
        # Without O_NONBLOCK, to open a pipe waits until somebody writes to it.
        flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        return open_file(self._file(level), flags)

    @property
    def size(self) -> int:
        """The number of leaves whose hashes are in the files."""
        try:
            return self._file(0).stat().st_size // HASH_SIZE
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def read(self, level: int, start: int, end: int) -> bytes:
        """The hashes of a level from start to end, one after the other; fewer if the file ends.

        Raises OSError where a link or a pipe stands in the place of the file.
        """
        try:
            with os.fdopen(self._open(level, os.O_RDONLY), "rb") as file:
                file.seek(start * HASH_SIZE)
                return file.read((end - start) * HASH_SIZE)
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def subtree(self, start: int, end: int) -> bytes:
        """The root over the leaves from start (included) to end (excluded), as proofs need it.

        The range must be one that `merkle.blocks` takes. Gives b"" where hashes are missing.
        """
        roots = [self._block(*subtree) for subtree in blocks(start, end)]
        return fold(roots) if all(roots) else b""

    def _block(self, start: int, height: int) -> bytes:
        """The root of the perfect subtree of a height; b"" where hashes are missing."""
        level, rest = divmod(height, _HEIGHT)
        first = start >> (level * _HEIGHT)
        hashes = _split(self.read(level, first, first + (1 << rest)))
        return _perfect(hashes) if len(hashes) == 1 << rest else b""

    def give(self, size: int, root: bytes) -> bool:
        """Whether the files give a root over the first `size` leaves. It reads few hashes."""
        return self.size >= size and self.subtree(0, size) == root

    def leaves_give(self, size: int, root: bytes) -> bool:
        """Whether the hashes of the first `size` leaves give a root: then all of them are right."""
        frontier = Frontier()
        for start in range(0, size, _BLOCK):
            for leaf in _split(self.read(0, start, min(start + _BLOCK, size))):
                frontier.append(leaf)
        return frontier.size == size and frontier.root() == root

    def frontier(self, size: int) -> Frontier:
        """The tree of the first `size` leaves, to append to."""
        return Frontier(size, [self._block(*subtree) for subtree in blocks(0, size)])

    def find(self, leaf: bytes, start: int = 0) -> int | None:
        """The index of a leaf's hash, searched from `start` on; None where it is not there."""
        # Not mapped into memory: if a sealer shortens the file meanwhile, that would crash us.
        while block := self.read(0, start, start + _BLOCK):
            offset = block.find(leaf)
            while offset >= 0 and offset % HASH_SIZE:
                offset = block.find(leaf, offset + 1)
            if offset >= 0:
                return start + offset // HASH_SIZE
            start += _BLOCK
        return None

    @contextmanager
    def extending(self, size: int) -> Iterator[Extend]:
        """Keep the first `size` leaves, drop the others, and give a function that appends hashes.

        The files are durable when the context ends. Raises OSError.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with naming(self.folder), ExitStack() as stack:
            files: list[BinaryIO] = []
            tails: list[list[bytes]] = []  # of each level, the hashes after the last full tile

            def open_next() -> None:
                level = len(files)
                width = size >> (level * _HEIGHT)
                descriptor = self._open(level, os.O_RDWR | os.O_CREAT)
                file = stack.enter_context(os.fdopen(descriptor, "r+b"))
                file.truncate(width * HASH_SIZE)
                file.seek(width * HASH_SIZE)
                files.append(file)
                tails.append(_split(self.read(level, width // TILE * TILE, width)))

            def extend(leaves: Sequence[bytes]) -> None:
                level, new = 0, list(leaves)
                while new:
                    if level == len(files):
                        open_next()
                    files[level].write(b"".join(new))
                    hashes = tails[level] + new
                    full = len(hashes) // TILE * TILE
                    tails[level] = hashes[full:]
                    new = [_perfect(hashes[n : n + TILE]) for n in range(0, full, TILE)]
                    level += 1

            while not files or size >> (len(files) * _HEIGHT) or self._file(len(files)).exists():
                open_next()
            yield extend
            for file in files:
                file.flush()
                os.fsync(file.fileno())


def _split(data: bytes) -> list[bytes]:
    end = len(data) // HASH_SIZE * HASH_SIZE  # without a hash that was cut off
    return [data[n : n + HASH_SIZE] for n in range(0, end, HASH_SIZE)]


def _perfect(hashes: list[bytes]) -> bytes:
    """The root over subtrees of the same size, whose number is a power of two."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


# --- the layout of c2sp.org/tlog-tiles -----------------------------------------------------


def tile_path(level: int | str, index: int, width: int = TILE) -> str:
    """The path of a tile, or with level "entries" of an entry bundle (c2sp.org/tlog-tiles).

    `width` is the number of hashes or entries in it; with less than TILE it is a partial one.
    """
    *groups, last = _thousands(index)
    name = "/".join([*(f"x{group}" for group in groups), last])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < TILE else "")


def _thousands(index: int) -> list[str]:
    """The decimal digits of a number in groups of three, with zeros in front."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"{index % 1000:03d}")
    return groups


def tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """All tiles of a tree of `size` leaves, as (level, index, width).

    The full ones of each level, and the partial one at its end.
    """
    level = 0
    while width := size >> (level * _HEIGHT):
        for index in range(-(-width // TILE)):
            yield level, index, min(TILE, width - index * TILE)
        level += 1
