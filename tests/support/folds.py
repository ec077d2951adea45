"""Stores whose cases and customers were merged, their archives, and folds of them."""

from __future__ import annotations

from pathlib import Path

from casestore import CaseStore
from casestore.archive import Archive, write_archive
from tests.support.histories import Histories

STREAMS = (
    *(f"case:{each}" for each in "abcdefghijkl"),
    *(f"customer:{each}" for each in ("x", "y", "z")),
    "policy",
)


def some_store(url: str, folder: Path, seed: int, proposals: int = 500) -> CaseStore:
    """Cases and customers that were merged, corrections, policies, erasures: see Histories."""
    histories = Histories(url, folder / "store.key", seed, STREAMS)
    histories.go_on(proposals)
    return histories.store


def archived(store: CaseStore, folder: Path, buckets: int = 3) -> Archive:
    write_archive(store, folder, buckets=buckets)
    return Archive(folder)


def files_in(folder: Path) -> dict[str, bytes]:
    """By its path in a folder, the bytes of each file but the lock."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "_lock"}
