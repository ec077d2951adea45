"""Files that are complete or absent, whoever else writes beside them."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from casestore import StoreExists
from casestore.system.files import move_new, part_of, write_whole


def test_the_part_of_a_killed_process_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container, a process often has the id that the killed one before it had."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    given_a_part_that_was_left = part_of(tmp_path / "backup")
    given_a_part_that_was_left.__enter__()
    with part_of(tmp_path / "backup") as part:
        part.write_text("whole")
    write_whole(tmp_path / "note", b"whole")
    assert (tmp_path / "backup").read_text() == (tmp_path / "note").read_text() == "whole"


def test_threads_may_replace_one_file_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = [bytes([65 + number]) * 1000 for number in range(8)]
        list(pool.map(lambda text: write_whole(tmp_path / "file", text), texts * 20))
    assert (tmp_path / "file").read_bytes() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("links", [True, False])
def test_what_is_there_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:  # as on exFAT and some shares
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "there").write_text("older")
    (tmp_path / "part").write_text("newer")
    with pytest.raises(FileExistsError):
        move_new(tmp_path / "part", tmp_path / "there")
    with pytest.raises(StoreExists, match="use another name"), part_of(tmp_path / "there"):
        pass
    move_new(tmp_path / "part", tmp_path / "free")
    assert (tmp_path / "there").read_text() == "older"
    assert (tmp_path / "free").read_text() == "newer"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free", "there"]


def test_an_error_names_the_file_and_not_its_part(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 250)  # which may be a name, but not with what a part has besides
    with pytest.raises(OSError, match=f"'{long}'$"), part_of(long):
        pass
    with pytest.raises(OSError, match=f"'{long}'$"):
        write_whole(long, b"")
