"""Writing an archive and going on with it: what is killed or full is done again to the same end."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import time
from hashlib import sha256
from pathlib import Path

import pytest

from casestore import ArchiveRefused, CaseStore, HistoryChanged, StoreDamaged
from casestore.archive import Archive, write_archive
from casestore.archive.writing import FEW
from casestore.audit.sealing import seal
from tests import generate
from tests.support import stories
from tests.support.alter import alter
from tests.support.command_line import Casestore
from tests.support.sealed import put_back


def files(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def more(store: CaseStore, number: int) -> None:
    store.append("case:1", stories.noted(text=f"{number}"))
    store.append(f"case:n{number}", stories.opened(customer_id="k1"))


def test_the_same_store_gives_the_same_bytes(
    store: CaseStore, archive: Path, tmp_path: Path
) -> None:
    assert write_archive(store, archive).new == store._recorder.count_after()
    write_archive(store, tmp_path / "other")
    assert files(archive) == files(tmp_path / "other")


def test_a_write_adds_files_only_to_the_buckets_that_have_new_events(
    store: CaseStore, archive: Path
) -> None:
    write_archive(store, archive)
    before = files(archive)
    assert write_archive(store, archive)[1:] == (0, 0)
    assert files(archive) == before
    store.append("case:1", stories.noted(text="new"))
    store.append("case:2", stories.noted(text="new"))
    done = write_archive(store, archive)
    assert done.new == 2
    assert done.parts <= 2
    assert done.manifest.last == store._recorder.last_position()
    assert {name: files(archive)[name] for name in before if name != "manifest.json"} == {
        name: digest for name, digest in before.items() if name != "manifest.json"
    }


def test_many_new_events_are_found_as_few_are(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db", key_file=tmp_path / "k") as store:
        generate.fill(store, 3_000)
        write_archive(store, archive)
        monkeypatch.setattr("casestore.archive.writing.FEW", 100)
        write_archive(store, tmp_path / "other")
        assert FEW > 3_000
    assert files(archive) == files(tmp_path / "other")


def test_events_of_after_it_began_are_left_for_the_next_write(
    store: CaseStore, archive: Path
) -> None:
    appended: list[int] = []

    def append(_: int) -> None:
        if not appended:
            more(store, 7)
            appended.append(store._recorder.last_position() - last)

    last = store._recorder.last_position()
    done = write_archive(store, archive, progress=append)
    assert done.manifest.last == last
    assert write_archive(store, archive).new == appended[0]


def test_an_empty_store_has_an_archive_too(store_url: str, archive: Path) -> None:
    with CaseStore.create(store_url) as store:
        assert write_archive(store, archive)[1:] == (0, 0)
        assert Archive(archive).buckets == []
        store.append("case:1", stories.opened())
        assert write_archive(store, archive).manifest.first == store._recorder.first_position()


def test_only_the_owner_can_read_it(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive)
    for path in (archive, *archive.rglob("*")):
        allowed = 0o700 if path.is_dir() else 0o644 if path.name == "lock" else 0o600
        assert stat.S_IMODE(path.stat().st_mode) & ~allowed == 0, path


def test_the_newest_seal_is_copied_in_also_without_new_events(
    store: CaseStore, archive: Path
) -> None:
    assert write_archive(store, archive).manifest.seal is None
    sealed = seal(store)
    kept = write_archive(store, archive).manifest.seal
    assert kept is not None
    assert (kept.size, kept.root) == (sealed.checkpoint.size, sealed.checkpoint.root.hex())
    assert kept.checkpoint == sealed.note


# --- what is refused


def test_another_number_of_buckets_is_refused(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive, buckets=4)
    with pytest.raises(ArchiveRefused, match="was begun with 4 buckets"):
        write_archive(store, archive, buckets=8)
    assert write_archive(store, archive, buckets=4).manifest.buckets == 4
    with pytest.raises(ArchiveRefused, match="1 to 512 buckets, not 0"):
        write_archive(store, archive, buckets=0)


def test_another_stores_archive_is_refused(store: CaseStore, archive: Path, tmp_path: Path) -> None:
    write_archive(store, archive)
    before = files(archive)
    url, key = f"sqlite:///{tmp_path}/o.db", tmp_path / "k"
    with CaseStore.create(url, key_file=key) as other, pytest.raises(ArchiveRefused, match="anoth"):
        write_archive(other, archive)
    assert files(archive) == before


def test_a_folder_with_something_else_in_it_is_refused(store: CaseStore, archive: Path) -> None:
    archive.mkdir()
    (archive / "events").mkdir()
    (archive / "letter.txt").write_text("mine")
    with pytest.raises(ArchiveRefused, match="is not empty, and is no archive"):
        write_archive(store, archive)
    assert sorted(os.listdir(archive)) == ["events", "letter.txt"]


@pytest.mark.parametrize("name", ["events", "lock", "manifest.json", ".writing"])
def test_a_link_in_the_place_of_its_own_files_is_refused(
    store: CaseStore, archive: Path, tmp_path: Path, name: str
) -> None:
    write_archive(store, archive)
    more(store, 1)
    elsewhere = tmp_path / "elsewhere"
    if (archive / name).exists():
        (archive / name).rename(elsewhere)
    else:
        elsewhere.mkdir()
    before = files(tmp_path / "elsewhere") if elsewhere.is_dir() else elsewhere.read_bytes()
    (archive / name).symlink_to(elsewhere)
    with pytest.raises(ArchiveRefused, match="is a link, which is refused"):
        write_archive(store, archive)
    assert before == (files(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes())


def test_a_pipe_in_the_place_of_the_lock_is_not_waited_for(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive)
    (archive / "lock").unlink()
    os.mkfifo(archive / "lock")
    with pytest.raises(OSError, match="it is no ordinary file"):
        write_archive(store, archive)


def test_a_store_that_was_restored_to_before_the_end_is_refused(
    store: CaseStore, archive: Path
) -> None:
    more(store, 1)
    write_archive(store, archive)
    before = files(archive)
    last = store._recorder.last_position()
    put_back(store, last - 2)
    with pytest.raises(HistoryChanged, match=f"has not the event at position {last} with which"):
        write_archive(store, archive)
    more(store, 2)  # it goes on otherwise
    more(store, 3)
    with pytest.raises(HistoryChanged, match="name another folder"):
        write_archive(store, archive)
    assert files(archive) == before


def test_an_event_of_other_types_than_casestore_stores_is_told(
    tmp_path: Path, archive: Path
) -> None:
    """On SQLite; PostgreSQL keeps the types."""
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db", key_file=tmp_path / "k") as store:
        store.append("case:1", stories.opened(), stories.noted())
        alter(store, "UPDATE {t} SET state = CAST(state AS TEXT) WHERE position = 2")
        with pytest.raises(StoreDamaged, match="stands at position 2 is not as casestore writes"):
            write_archive(store, archive)
    assert os.listdir(archive) == ["lock"]


# --- what is killed


def as_if_killed_before_the_manifest(archive: Path, manifest: bytes | None) -> None:
    if manifest is None:
        (archive / "manifest.json").unlink()
    else:
        (archive / "manifest.json").write_bytes(manifest)


def test_files_that_a_killed_writer_left_are_removed(
    store: CaseStore, archive: Path, tmp_path: Path
) -> None:
    write_archive(store, archive)
    first = files(archive)
    as_if_killed_before_the_manifest(archive, None)
    (archive / ".writing").mkdir()
    (archive / ".writing" / "bucket-000.parquet").write_bytes(b"half")
    write_archive(store, archive)
    assert files(archive) == first
    manifest = (archive / "manifest.json").read_bytes()
    more(store, 1)
    write_archive(store, archive)
    second = files(archive)
    as_if_killed_before_the_manifest(archive, manifest)
    write_archive(store, archive)
    assert files(archive) == second
    as_if_killed_before_the_manifest(archive, manifest)
    more(store, 2)  # then the next write is longer than the one that was broken off
    write_archive(store, archive)
    shutil.copytree(archive, tmp_path / "copy")
    assert len(list((archive / "events").iterdir())) == 2


@pytest.mark.parametrize("send", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whenever_its_writer_is_killed_the_next_one_comes_to_the_same(
    tmp_path: Path, archive: Path, send: signal.Signals
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with CaseStore.create(url) as store:
        generate.fill(store, 12_000)
        write_archive(store, tmp_path / "whole")
    casestore = Casestore(url)
    process = casestore.process("archive", "write", str(archive))
    while not list(archive.glob(".writing/*.parquet")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(send)
    process.communicate(timeout=60)
    casestore.spawn("archive", "write", str(archive)).fine()
    assert files(archive) == files(tmp_path / "whole")
    assert sorted(os.listdir(archive)) == ["events", "lock", "manifest.json"]


def test_two_writers_take_turns(tmp_path: Path, archive: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with CaseStore.create(url) as store:
        generate.fill(store, 5_000)
        write_archive(store, tmp_path / "whole")
    casestore = Casestore(url, CASESTORE_KEY_FILE=None)
    asked = ("--format", "json", "archive", "write", str(archive))
    both = [casestore.process(*asked) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(each["new"] for each in told) == [0, 5_000]
    assert files(archive) == files(tmp_path / "whole")


def test_a_full_disk_leaves_the_archive_as_it_was(tmp_path: Path, archive: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    casestore = Casestore(url)
    with CaseStore.create(url) as store:
        store.append("case:1", stories.opened())
        write_archive(store, archive, buckets=1)
        before = files(archive)
        store.append("case:1", *[stories.noted(text=os.urandom(9000).hex()) for _ in range(20)])
    ran = casestore.spawn(
        *("archive", "write", str(archive)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert ran.failed(3).endswith("bucket-000.parquet: File too large")
    assert files(archive) == before
    assert sorted(os.listdir(archive)) == ["events", "lock", "manifest.json"]
    casestore.spawn("archive", "write", str(archive)).fine()
    assert Archive(archive).manifest.events == 22
