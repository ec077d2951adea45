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

from casestore.intake import LeftOut, Options
from casestore.intake import read as reading
from casestore.intake.inputs import BROKEN, DEEPEST, files, inputs


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


def twice(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: pack(pack(data))


PACKS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress]


@pytest.mark.parametrize("pack", [bytes, *PACKS, *map(twice, PACKS)])
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


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_tar_that_is_cut_between_its_blocks_says_so(blocks: int, tmp_path: Path) -> None:
    # Each member is a block of a header and one of data: the second is missing, or a part of it.
    path = tmp_path / "cut.tar"
    path.write_bytes(tar({"a": b"one", "b": b"two"})[: blocks * 512 + 512])
    with pytest.raises(BROKEN):
        read(path)


def test_a_tar_that_is_damaged_between_its_members_says_so(tmp_path: Path) -> None:
    whole = bytearray(tar({"a": b"one", "b": b"two"}))
    whole[1024 + 150] ^= 1  # in the checksum of the second header
    path = tmp_path / "damaged.tar"
    path.write_bytes(whole)
    with pytest.raises(BROKEN):
        read(path)


def test_a_zip_whose_names_are_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    for name in (b"\xff\xff", b"\xc3("):
        path.write_bytes(zipped({"\xfc": b"one"}).replace("\xfc".encode(), name))
        with pytest.raises(BROKEN):
            read(path)


def test_an_encrypted_zip_says_so_in_plain_words(tmp_path: Path) -> None:
    whole = bytearray(zipped({"anna@example.com.json": b"{}"}))
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "sealed.zip"
    path.write_bytes(whole)
    with pytest.raises(BROKEN, match=r"^it is encrypted; unpack it and import what is in it$"):
        read(path)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"a": data})])
def test_archives_in_archives_are_unpacked_so_deep_and_no_deeper(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path, data = tmp_path / "nested", b"{}"
    for _ in range(DEEPEST):
        data = pack(data)
    path.write_bytes(data)
    assert list(read(path).values()) == [b"{}"]
    path.write_bytes(pack(data))
    with pytest.raises(BROKEN, match="in one another"):
        read(path)


def test_a_zip_in_an_archive_is_not_unpacked_anew_for_each_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.gz"
    members = {f"{number:03}": os.urandom(1000) for number in range(100, 0, -1)}
    path.write_bytes(gzip.compress(zipped(members)))
    seeks = []
    seek = gzip.GzipFile.seek

    def noting(self: gzip.GzipFile, *where: int) -> int:
        seeks.append(where)
        return seek(self, *where)

    monkeypatch.setattr(gzip.GzipFile, "seek", noting)
    assert len(read(path)) == 100
    assert len(seeks) < 10


def test_the_members_of_a_tar_are_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar({str(number): b"" for number in range(100)}))
    most = 0
    following = tarfile.TarFile.next

    def noting(self: tarfile.TarFile) -> tarfile.TarInfo | None:
        nonlocal most
        most = max(most, len(self.members))  # type: ignore[attr-defined]
        return following(self)

    monkeypatch.setattr(tarfile.TarFile, "next", noting)
    assert len(read(path)) == 100
    assert most < 5


def test_an_empty_file_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert read(path) == {str(path): b""}


def test_a_folder_gives_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", ".hidden", ".git/x", ".Sent/cur/1:2,S", ".Sent/dovecot"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    os.mkfifo(tmp_path / "pipe")
    found = [path.relative_to(tmp_path).as_posix() for path in files([tmp_path])]
    assert found == ["a", ".Sent/dovecot", ".Sent/cur/1:2,S", "b/1", "b/2"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    assert list(files([path, tmp_path, path])) == [path]


def test_a_file_in_a_folder_that_is_named_too_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a"
    path.touch()
    assert list(files([tmp_path, tmp_path / "in"])) == [path]


def test_what_cannot_be_opened_in_a_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def scandir(path: Path | str) -> object:
        if Path(path) == closed:  # whoever runs the tests may be allowed to look into any folder
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told = [each for each in reading("mail", [tmp_path], Options()) if isinstance(each, LeftOut)]
    assert {each.where: each.detail for each in told} == {
        str(closed): "Permission denied",
        str(tmp_path / "nowhere"): "No such file or directory",
        str(tmp_path / "itself"): "Too many levels of symbolic links",
    }


def test_a_link_to_a_folder_is_followed_and_none_in_circles(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").touch()
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(tmp_path / "elsewhere")
    (folder / "up").symlink_to(folder)
    assert list(files([folder])) == [folder / "again" / "a"]


def test_names_that_are_no_utf_8_are_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.json")
    (tmp_path / name).write_bytes(b"{")
    (tmp_path / "x.tar").write_bytes(tar({name: b"{"}))
    (tmp_path / os.fsdecode(b"cut\xff.gz")).write_bytes(gzip.compress(b"{}")[:12])
    told = list(reading("cloudevents", [tmp_path], Options()))
    assert [each.where for each in told if isinstance(each, LeftOut)] == [
        f"{tmp_path}/caf\\udce9.json",
        f"{tmp_path}/cut\\udcff.gz",
        f"{tmp_path}/x.tar: caf\\udce9.json",
    ]
