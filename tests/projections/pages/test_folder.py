"""The folder of a site: what others put there stays, and two processes do not mix their pages."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from casestore import CaseStore
from casestore.errors import StoreExists
from tests.support.command_line import Casestore, demo_store
from tests.support.pages import RECORDED, demo_in
from tests.support.sites import site

AS_OF = ("--as-of", "2026-09-01")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with demo_in(tmp_path) as store:
        yield store


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    (tmp_path / "store").mkdir()
    return demo_store(tmp_path / "store")


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def foreign_page(folder: Path) -> None:
    (folder / "case/mine.html").write_text("mine")


def foreign_overview(folder: Path) -> None:
    (folder / "index.html").write_text("mine")


def folder_named_as_a_page(folder: Path) -> None:
    (folder / "list/lapses.html").unlink()
    (folder / "list/lapses.html").mkdir()


def link_named_as_a_page(folder: Path) -> None:
    (folder / "list/mine.html").symlink_to("lapses.html")


def link_to_elsewhere(folder: Path) -> None:
    (folder / "case").rename(folder / "elsewhere")
    (folder / "elsewhere/mine.html").write_text("mine")
    (folder / "case").symlink_to("elsewhere")


def mark_to_elsewhere(folder: Path) -> None:
    (folder / "casestore-pages").unlink()
    (folder / "casestore-pages").symlink_to("../elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        *(foreign_page, foreign_overview, folder_named_as_a_page, link_named_as_a_page),
        *(link_to_elsewhere, mark_to_elsewhere),
    ],
)
def test_what_is_not_ours_is_neither_replaced_nor_removed(
    store: CaseStore, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = tmp_path / "s"
    site(store, folder, as_of=RECORDED)
    change(folder)
    before = bytes_of(tmp_path)
    with pytest.raises(StoreExists, match=r"no page of casestore|is a link to"):
        site(store, folder, as_of=RECORDED)
    assert bytes_of(tmp_path) == before


def test_files_in_other_places_stay(store: CaseStore, tmp_path: Path) -> None:
    site(store, tmp_path / "s", as_of=RECORDED)
    for name in ("notes.txt", "case/notes.txt", ".hidden"):
        (tmp_path / "s" / name).write_text("mine")
    site(store, tmp_path / "s", as_of=RECORDED)
    assert (tmp_path / "s/notes.txt").read_text() == "mine"
    assert (tmp_path / "s/case/notes.txt").read_text() == "mine"


def test_two_processes_write_one_after_the_other(casestore: Casestore, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    asked = ([*AS_OF], ["--as-of", "2026-05-01", "--by", "day"])
    sites = []
    for n, options in enumerate(asked):
        casestore("report", "pages", str(tmp_path / str(n)), *options).fine()
        sites.append(bytes_of(tmp_path / str(n)))
    running = [casestore.process("report", "pages", str(folder), *o) for o in asked]
    for process in running:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
    assert bytes_of(folder) in sites


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_one_that_was_killed_at_any_moment_is_finished_by_the_next(
    casestore: Casestore, tmp_path: Path, sign: signal.Signals
) -> None:
    folder, random = tmp_path / "s", Random(1)
    started = time.monotonic()
    casestore.spawn("report", "pages", str(tmp_path / "whole"), *AS_OF).fine()
    lasted = time.monotonic() - started
    for _ in range(2):
        process = casestore.process("report", "pages", str(folder), *AS_OF)
        time.sleep(lasted * random.uniform(0.6, 1))
        process.send_signal(sign)
        process.communicate(timeout=60)
        if (folder / "index.html").exists():  # the last to be written, so all the others are there
            assert bytes_of(folder) == bytes_of(tmp_path / "whole")
    casestore("report", "pages", str(folder), *AS_OF).fine()
    assert bytes_of(folder) == bytes_of(tmp_path / "whole")


def test_a_full_disk_leaves_no_overview_and_no_half_page(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site(store, tmp_path / "whole", as_of=RECORDED)
    whole = bytes_of(tmp_path / "whole")
    room = sum(map(len, whole.values())) // 2
    sync = os.fsync

    def full(descriptor: int) -> None:
        nonlocal room
        room -= os.fstat(descriptor).st_size
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*/s/\w+/[\w~-]+\.html"):
            site(store, tmp_path / "s", as_of=RECORDED)
    left = bytes_of(tmp_path / "s")
    assert left.items() < whole.items()
    assert "index.html" not in left
    site(store, tmp_path / "s", as_of=RECORDED)
    assert bytes_of(tmp_path / "s") == whole
