"""An audit folder that somebody else wrote into: links, pipes, modes, sizes, seals taken away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casestore import CaseStore, KeyFileError, SealRefused
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.tlog_export import export_log
from casestore.errors import InvalidNote
from casestore.keys.key_file import create_key_file, load_key_file
from tests.support.command_line import Casestore
from tests.support.sealed import opened, tampered, tell, verified

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes are of POSIX")


def test_a_newer_checkpoint_without_its_seal_is_no_ground_for_another_history(
    url: str, folder: Path
) -> None:
    """Who takes the newest seal away, and puts an older database back, gets no second history."""
    max((folder / "seals").iterdir()).unlink()
    assert "checkpoint: signs 11 events, and no seal as many: a seal was taken away" in tampered(
        url
    )
    with opened(url) as store:
        tell(store, "c9", "k9")
        with pytest.raises(
            SealRefused, match="signs 11 events, and the newest seal 7: a seal was t"
        ):
            seal(store)


def test_a_copy_of_the_checkpoint_that_was_edited(url: str, folder: Path) -> None:
    copy = folder / "checkpoint"
    copy.write_text(copy.read_text().replace("\n11\n", "\n12\n"))
    assert "was altered" in tampered(url)
    with opened(url) as store, pytest.raises(SealRefused, match="cannot be built upon"):
        seal(store)


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640])
def test_a_signing_key_that_others_may_read_or_write_signs_nothing(
    url: str, folder: Path, mode: int
) -> None:
    (folder / "key").chmod(mode)
    with opened(url) as store, pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        seal(store)


@pytest.mark.parametrize("mode", [0o666, 0o644])
def test_a_key_of_words_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    create_key_file(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(KeyFileError, match="others than its owner have a right to it"):
        load_key_file(tmp_path / "key")


def test_a_pipe_in_the_place_of_a_key_does_not_hang(url: str, folder: Path, tmp_path: Path) -> None:
    (folder / "key").unlink()
    os.mkfifo(folder / "key", 0o600)
    os.mkfifo(tmp_path / "words", 0o600)
    with opened(url) as store, pytest.raises(KeyFileError, match="no ordinary file"):
        seal(store)
    with pytest.raises(KeyFileError, match="no ordinary file"):
        load_key_file(tmp_path / "words")


def test_a_key_may_be_a_link_as_secrets_on_a_machine_often_are(
    url: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "key").rename(tmp_path / "secret")
    (folder / "key").symlink_to(tmp_path / "secret")
    with opened(url) as store:
        tell(store, "c9", "k9")
        assert seal(store).new == 4


@pytest.mark.parametrize("name", ["hashes/0", "lock"])
def test_a_link_in_the_place_of_a_file_is_not_written_through(
    url: str, folder: Path, tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes((folder / name).read_bytes() or b"mine")
    before = precious.read_bytes()
    (folder / name).unlink()
    (folder / name).symlink_to(precious)
    with opened(url) as store:
        tell(store, "c9", "k9")
        with pytest.raises(OSError, match="it is a link, which is refused there"):
            seal(store)
    assert precious.read_bytes() == before
    ran = Casestore(url)("audit", "seal")
    assert ran.code != 0
    assert "it is a link, which is refused there" in ran.err


@pytest.mark.parametrize("name", ["hashes", "seals"])
def test_a_link_in_the_place_of_a_folder_is_neither_read_nor_written_through(
    url: str, folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    before = {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}
    with opened(url) as store:
        tell(store, "c9", "k9")
    for command in ("seal", "verify"):
        ran = Casestore(url)("audit", command)
        assert ran.code != 0, command
        assert f"{folder / name}: it is a link, which is refused there" in ran.err
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}


@pytest.mark.parametrize("command", [("verify",), ("case", "c1", "out"), ("prove", "case:c1@1")])
def test_a_pipe_in_the_place_of_the_hashes_does_not_hang(
    url: str, folder: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (folder / "hashes" / "0").unlink()
    os.mkfifo(folder / "hashes" / "0")
    key_file = os.environ["CASESTORE_KEY_FILE"]
    ran = Casestore(url, CASESTORE_KEY_FILE=key_file).spawn("audit", *command, cwd=tmp_path)
    assert ran.code != 0
    assert f"{folder}/hashes/0: it is no ordinary file" in ran.err


def test_a_pipe_in_the_place_of_what_was_verified_does_not_hang(url: str, folder: Path) -> None:
    """What was verified last is not known then, so all is read again."""
    os.mkfifo(folder / "verified")
    ran = Casestore(url).spawn("audit", "verify", "--incremental")
    assert (ran.code, ran.err) == (0, "")
    assert "11 events are what was signed" in ran.out


@pytest.mark.parametrize("name", ["seals", "checkpoint", "verifiers"])
def test_a_link_in_the_place_of_a_file_is_not_read(
    url: str, folder: Path, tmp_path: Path, name: str
) -> None:
    path = max((folder / "seals").iterdir()) if name == "seals" else folder / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with opened(url) as store:
        tell(store, "c9", "k9")
        with pytest.raises((SealRefused, InvalidNote), match="it is a link, which is refused"):
            seal(store)
    ran = Casestore(url)("audit", "verify")
    assert ran.code != 0
    assert "it is a link, which is refused there" in ran.out + ran.err


def test_an_export_is_not_written_through_a_link(url: str, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log" / "tile").symlink_to(tmp_path / "elsewhere")
    with opened(url) as store, pytest.raises(OSError, match="in, a link, which is refused"):
        export_log(store, tmp_path / "log")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_seal_of_any_size_is_read_within_a_bound(url: str, folder: Path) -> None:
    newest = max((folder / "seals").iterdir())
    with newest.open("r+b") as file:
        file.truncate(3 << 30)  # it takes no room on the disk
    assert "larger than 1,048,576 bytes" in tampered(url)


def test_a_folder_of_another_store_makes_no_key(url: str, folder: Path, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    CaseStore.create(other).close()
    ran = Casestore(other, CASESTORE_AUDIT_DIR=str(folder))("audit", "key")
    assert ran.code != 0
    assert "is the audit folder of another store (casestore/" in ran.err
    with CaseStore.open(other) as store:
        assert Folder.of(store.url).verifiers()[0].name != origin(store)
    assert verified(url).verdict == "fine"
