"""Files, folders and archives as readers get them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from casestore.intake.inputs import BROKEN, files, inputs


def read(path: Path) -> dict[str, bytes]:
    return {each.name: each.stream.read() for each in inputs(path)}


def tar(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_a_compressed_file_is_unpacked_whatever_its_name(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "export.dat"
    path.write_bytes(pack(b'{"a": 1}'))
    assert read(path) == {str(path): b'{"a": 1}'}


@pytest.mark.parametrize("pack", [tar, zipped])
def test_the_members_of_an_archive_come_one_by_one(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "export"
    hidden = {"a/.DS_Store": b"x", "__MACOSX/a": b"x"}
    path.write_bytes(
        gzip.compress(pack({"a/1.json": b"one", "b.gz": gzip.compress(b"two")} | hidden))
    )
    assert read(path) == {f"{path}: a/1.json": b"one", f"{path}: b.gz": b"two"}


def test_an_archive_in_an_archive_is_unpacked_too(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({"inner.tar": tar({"1": b"one"}), "inner.zip": zipped({"2": b"two"})}))
    assert read(path) == {f"{path}: inner.tar: 1": b"one", f"{path}: inner.zip: 2": b"two"}


@pytest.mark.parametrize(
    "whole",
    [
        gzip.compress(os.urandom(5000)),
        zipped({"a": os.urandom(5000)}),
        gzip.compress(tar({"a": os.urandom(5000)})),
        lzma.compress(os.urandom(5000)),
    ],
)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_archive_says_so(whole: bytes, part: float, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(BROKEN):
        read(path)


def test_an_empty_file_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert read(path) == {str(path): b""}


def test_a_folder_gives_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", ".hidden", ".git/x", ".Sent/cur/1:2,S", ".Sent/dovecot"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    found = [path.relative_to(tmp_path).as_posix() for path in files([tmp_path])]
    assert found == ["a", ".Sent/dovecot", ".Sent/cur/1:2,S", "b/1", "b/2"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    assert list(files([path, tmp_path, path])) == [path]
