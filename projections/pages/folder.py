"""The folder of a site: taken by one process at a time, and nothing of others is touched in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from casestore.errors import StoreExists
from casestore.system.files import naming
from casestore.system.locking import lock
from projections.pages.page import GENERATOR

MARK = "casestore-pages"
"""The file by which a folder is known to be a site, so that it may be written anew."""
_MARKED = (
    b"casestore wrote this folder, and replaces the pages in it when told to write it again.\n"
)
FOLDERS = ("list", "case", "customer", "page")
INDEX = "index.html"
_PART = re.compile(r"\..*\.html\.part-[0-9a-f]{8}")
"""The name of a page that was never completed, because its process was killed."""


@contextmanager
def taken(folder: Path, mode: int) -> Iterator[None]:
    """Make a folder ready for a site, without an overview, and keep other processes waiting.

    Args:
        folder: where; new, empty, or that of an earlier site.
        mode: the permissions of folders that are made.

    Raises:
        StoreExists: it has something in it that is not of a site, in a place where pages stand.
        OSError: it cannot be written.
    """
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    found = {path.name for path in folder.iterdir()}
    if found and MARK not in found:
        raise StoreExists(
            f"{folder} has files in it that are no pages of casestore; give a new or an empty "
            "folder"
        )
    _refuse_links(folder)
    mark = folder / MARK
    # The lock goes with the file object, even where a signal handler interrupts us.
    with naming(mark), mark.open("ab") as file:
        lock(file.fileno())
        if os.fstat(file.fileno()).st_size == 0:
            file.write(_MARKED)
            file.flush()
        for name in FOLDERS:
            (folder / name).mkdir(mode=mode, exist_ok=True)
        for path in _pages(folder):
            if not _is_ours(path):
                raise StoreExists(
                    f"{path} is no page of casestore, and would be replaced or removed; move it "
                    "elsewhere, or give another folder"
                )
        (folder / INDEX).unlink(missing_ok=True)
        yield


def remove_others(folder: Path, written: Set[str]) -> None:
    """Remove the pages of an earlier site, or of one that was stopped, that are no part of this.

    Args:
        folder: that of the site.
        written: the names of the files of this one, below the folder. Raises OSError.
    """
    for path in _pages(folder):
        if path.relative_to(folder).as_posix() not in written and _is_ours(path):
            path.unlink()
    for place in (folder, *(folder / name for name in FOLDERS)):
        for path in sorted(place.iterdir()):
            if _PART.fullmatch(path.name):
                path.unlink()


def _refuse_links(folder: Path) -> None:
    """Raises StoreExists where writing into the folder would write elsewhere."""
    for name in (MARK, *FOLDERS):
        path = folder / name
        if path.is_symlink():
            raise StoreExists(
                f"{path} is a link to {path.readlink()}, and pages are written into the folder "
                "alone; remove the link"
            )


def _pages(folder: Path) -> Iterator[Path]:
    """What stands where a site has its pages."""
    if (folder / INDEX).exists() or (folder / INDEX).is_symlink():
        yield folder / INDEX
    for name in FOLDERS:
        yield from sorted(path for path in (folder / name).iterdir() if path.suffix == ".html")


def _is_ours(path: Path) -> bool:
    """Whether a file is a page that casestore wrote."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(400)
