"""Exporting a sealed history as the static files of a log, which public tools can check.

The files are those of c2sp.org/tlog-tiles. A log entry is the leaf of an event: it has no contents.
"""

from __future__ import annotations

import errno
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from casestore.audit.folder import Folder
from casestore.audit.leaf import leaf_of, read_leaf
from casestore.audit.rows import BEFORE_ALL, Progress, chunks, log_id, origin
from casestore.errors import CannotTell, StoreDamaged
from casestore.store import CaseStore
from casestore.system.files import write_whole
from casestore.tlog.note import Checkpoint
from casestore.tlog.tiles import TILE, Hashes, tile_path, tiles

_LONGEST = 0xFFFF
"""Bytes of the longest leaf that an entry bundle can hold: its length is written in two bytes."""


def export_log(store: CaseStore, folder: Path, *, progress: Progress | None = None) -> Checkpoint:
    """Write the checkpoint of the newest seal, and the tiles and entry bundles that it covers.

    The checkpoint is written last, when all the files that it covers are there. So if an export
    fails, the folder has no checkpoint, or that of an earlier export.

    Args:
        store: the store.
        folder: where to write; it may hold an earlier export.
        progress: called with the number of events done.

    Raises:
        CannotTell: nothing was sealed yet.
        StoreDamaged: the store is not what was sealed.
        OSError: a file cannot be written.
    """
    newest = Folder.of(store.url).newest(origin(store))
    if newest is None:
        raise CannotTell("nothing was sealed yet; seal it with `casestore audit seal`")
    seal, checkpoint = newest
    folder.mkdir(parents=True, exist_ok=True)
    last = read_leaf(seal.last.encode()).position if seal.last else 0
    with TemporaryDirectory(dir=folder, prefix=".part-") as name:
        hashes = Hashes(Path(name))
        with hashes.extending(0) as extend:
            done = 0
            for rows in chunks(store, BEFORE_ALL, last, TILE):
                try:
                    leaves = [leaf_of(log_id(store), row) for row in rows]
                except TypeError:
                    raise _damaged() from None
                extend([sha256(b"\x00" + leaf).digest() for leaf in leaves])
                _write(folder, tile_path("entries", done // TILE, len(rows)), _bundle(leaves))
                done += len(rows)
                if progress:
                    progress(done)
        if not hashes.give(checkpoint.size, checkpoint.root):
            raise _damaged()
        for level, index, width in tiles(checkpoint.size):
            start = index * TILE
            _write(folder, tile_path(level, index, width), hashes.read(level, start, start + width))
    _write(folder, "checkpoint", seal.checkpoint.encode())
    _drop_partial(folder, checkpoint.size)
    return checkpoint


def _drop_partial(folder: Path, size: int) -> None:
    """Remove the partial tiles of earlier exports: larger tiles hold the same hashes now."""
    wanted = {folder / tile_path(*tile) for tile in tiles(size)}
    wanted |= {folder / tile_path("entries", n, w) for level, n, w in tiles(size) if level == 0}
    for path in (folder / "tile").rglob("*.p/*"):
        if path not in wanted:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _damaged() -> StoreDamaged:
    return StoreDamaged("the store is not what was sealed; `casestore audit verify` says more")


def _bundle(leaves: list[bytes]) -> bytes:
    """An entry bundle: of each leaf its length in two bytes, and the leaf."""
    if any(len(leaf) > _LONGEST for leaf in leaves):
        raise StoreDamaged(f"a leaf is longer than {_LONGEST} bytes, and has no place in a bundle")
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def _write(folder: Path, name: str, data: bytes) -> None:
    """Write a file, but not through a link that stands in the place of one of the folders."""
    path = folder / name
    if path.parent.resolve() != folder.resolve() / Path(name).parent:
        raise OSError(errno.ELOOP, "it is, or is in, a link, which is refused there", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
