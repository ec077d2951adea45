"""A tree's hashes, kept in files; and where C2SP's tlog-tiles has a static log's files.

What is kept here is a cache: it is never believed before it has given a root that was signed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from casestore.system.files import naming
from casestore.tlog.merkle import HASH_SIZE, Frontier, blocks, fold

TILE = 256
"""Hashes in a whole tile (c2sp.org/tlog-tiles); eight levels of the tree."""
_HEIGHT = 8
_BLOCK = 1 << 14
"""Hashes to read at a time."""
Extend = Callable[[Sequence[bytes]], None]


class Hashes:
    """The hashes of a tree in a folder.

    File `l` holds, one after the other, the roots over 256**l leaves each, of all that are whole:
    file 0 the hashes of the leaves, and each further file those of the tiles before it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, level: int) -> Path:
        return self.folder / str(level)

    @property
    def size(self) -> int:
        """Of how many leaves there are hashes."""
        try:
            return self._file(0).stat().st_size // HASH_SIZE
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def read(self, level: int, start: int, end: int) -> bytes:
        """The hashes of a level from start to end, one after the other; fewer where it ends."""
        try:
            with self._file(level).open("rb") as file:
                file.seek(start * HASH_SIZE)
                return file.read((end - start) * HASH_SIZE)
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def subtree(self, start: int, end: int) -> bytes:
        """The root over leaves from start to end, of those ranges that proofs ask for.

        Gives b"" where hashes are missing.
        """
        roots = [self._block(*each) for each in blocks(start, end)]
        return fold(roots) if all(roots) else b""

    def _block(self, start: int, height: int) -> bytes:
        level, rest = divmod(height, _HEIGHT)
        first = start >> (level * _HEIGHT)
        row = _split(self.read(level, first, first + (1 << rest)))
        return _perfect(row) if len(row) == 1 << rest else b""

    def give(self, size: int, root: bytes) -> bool:
        """Whether they still give a root, from the tops of the tree downwards."""
        return self.size >= size and self.subtree(0, size) == root

    def leaves_give(self, size: int, root: bytes) -> bool:
        """Whether the hashes of the leaves alone give a root: then each of them is right."""
        frontier = Frontier()
        for start in range(0, size, _BLOCK):
            for leaf in _split(self.read(0, start, min(start + _BLOCK, size))):
                frontier.append(leaf)
        return frontier.size == size and frontier.root() == root

    def frontier(self, size: int) -> Frontier:
        """The tree of the first so many leaves, to go on from."""
        return Frontier(size, [self._block(*each) for each in blocks(0, size)])

    def find(self, leaf: bytes, start: int = 0) -> int | None:
        """The index of a leaf's hash, from an index on; None where there is none."""
        # Read, not mapped: a sealer may cut the file meanwhile, which would crash us.
        while block := self.read(0, start, start + _BLOCK):
            found = block.find(leaf)
            while found >= 0 and found % HASH_SIZE:
                found = block.find(leaf, found + 1)
            if found >= 0:
                return start + found // HASH_SIZE
            start += _BLOCK
        return None

    @contextmanager
    def extending(self, size: int) -> Iterator[Extend]:
        """Drop what is after the first so many leaves, and take more; durable when it ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with naming(self.folder), ExitStack() as stack:
            files: list[BinaryIO] = []
            tails: list[list[bytes]] = []

            def open_next() -> None:
                level = len(files)
                width = size >> (level * _HEIGHT)
                path = self._file(level)
                path.touch()
                file = stack.enter_context(path.open("r+b"))
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
                    row = tails[level] + new
                    whole = len(row) // TILE * TILE
                    tails[level] = row[whole:]
                    new = [_perfect(row[n : n + TILE]) for n in range(0, whole, TILE)]
                    level += 1

            while not files or size >> (len(files) * _HEIGHT) or self._file(len(files)).exists():
                open_next()
            yield extend
            for file in files:
                file.flush()
                os.fsync(file.fileno())


def _split(row: bytes) -> list[bytes]:
    whole = len(row) // HASH_SIZE * HASH_SIZE
    return [row[n : n + HASH_SIZE] for n in range(0, whole, HASH_SIZE)]


def _perfect(row: list[bytes]) -> bytes:
    """The root over a power of two of subtrees."""
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=True)
        row = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return row[0]


# --- the layout of c2sp.org/tlog-tiles -----------------------------------------------------


def tile_path(level: int | str, index: int, width: int = TILE) -> str:
    """Where a tile is, or with level "entries" a bundle of entries."""
    *before, last = _thousands(index)
    name = "/".join([*(f"x{each}" for each in before), last])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < TILE else "")


def _thousands(index: int) -> list[str]:
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.insert(0, f"{index % 1000:03d}")
    return parts


def tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """All tiles of a tree of a size, whole ones and the partial one at each end."""
    level = 0
    while width := size >> (level * _HEIGHT):
        for index in range(-(-width // TILE)):
            yield level, index, min(TILE, width - index * TILE)
        level += 1
