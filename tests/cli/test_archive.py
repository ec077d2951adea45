"""`casestore archive`: what is printed, and with which exit code it ends."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.archive import write_archive
from tests.support import stories
from tests.support.command_line import Casestore
from tests.support.sealed import audit_folder, make_store, sealed


@pytest.fixture
def casestore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Casestore:
    """The command line, on a store of 11 events that are sealed."""
    audit_folder(tmp_path, monkeypatch)
    url = f"sqlite:///{tmp_path}/store.db"
    make_store(url)
    return Casestore(url)


def test_an_archive_is_written_verified_and_read(casestore: Casestore, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    told = casestore("archive", "write", str(folder), "--buckets", "4").fine().out
    assert told.splitlines() == [
        f"wrote 11 events in 2 files to {folder}",
        "it holds 11 events up to position 11, 11 of them sealed",
    ]
    assert casestore("archive", "verify", str(folder)).fine().out == (
        "11 events are what was signed\n"
    )
    lines = casestore("archive", "read", str(folder)).fine().out
    assert lines == casestore("export").fine().out
    one = casestore("archive", "read", str(folder), "--stream", "case:c2").fine().out
    assert one == casestore("export", "--stream", "case:c2").fine().out
    casestore("archive", "read", str(folder), "-o", str(tmp_path / "lines")).fine()
    assert (tmp_path / "lines").read_text() == lines
    again = casestore("--format", "json", "archive", "write", str(folder)).fine().out
    assert json.loads(again) == {
        "folder": str(folder),
        "new": 0,
        "files": 0,
        "events": 11,
        "position": 11,
        "sealed": 11,
    }


def test_it_ends_with_1_where_something_was_altered_and_with_3_where_it_cannot_tell(
    casestore: Casestore, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    casestore("archive", "write", str(folder)).fine()
    key = casestore("audit", "key").fine().out.strip()
    (tmp_path / "audit").rename(tmp_path / "gone")
    ran = casestore("archive", "verify", str(folder))
    assert ran.code == 3
    assert "cannot be checked: no key is known" in ran.out
    elsewhere = Casestore(None, CASESTORE_AUDIT_DIR=None)
    assert elsewhere("archive", "verify", str(folder), "--key", key).fine()
    part = next(folder.glob("events/*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    ran = elsewhere("--format", "json", "archive", "verify", str(folder), "--key", key)
    assert ran.code == 1
    found = json.loads(ran.out)
    assert found["verdict"] == "tampered"
    assert found["findings"][0]["where"] == part.relative_to(folder).as_posix()


def test_what_is_no_archive_or_anothers_is_told(casestore: Casestore, tmp_path: Path) -> None:
    assert "is no archive" in casestore("archive", "verify", str(tmp_path / "none")).failed(2)
    assert "is no archive" in casestore("archive", "read", str(tmp_path)).failed(2)
    assert "is no archive" in casestore("archive", "write", str(tmp_path)).failed(1)
    folder = tmp_path / "archive"
    casestore("archive", "write", str(folder)).fine()
    told = casestore("archive", "read", str(folder), "--stream", "case:nobody").failed(2)
    assert "there is no case nobody in this archive" in told
    assert casestore("archive", "write", str(folder), "--buckets", "600").code == 2
    assert sealed(casestore.env["CASESTORE_URL"] or "").new == 0


def test_a_full_disk_is_named_where_verify_has_its_temporary_file(
    casestore: Casestore, tmp_path: Path
) -> None:
    folder, temporary = tmp_path / "archive", tmp_path / "temporary"
    casestore("archive", "write", str(folder)).fine()
    temporary.mkdir()
    casestore.env["TMPDIR"] = str(temporary)
    ran = casestore.spawn(
        *("archive", "verify", str(folder)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (32, 32)),
    )
    assert ran.failed(3) == f"{temporary}: File too large"
    assert not list(temporary.iterdir())


def test_an_archive_of_more_writes_than_files_may_be_open(
    casestore: Casestore, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    with CaseStore.open(casestore.env["CASESTORE_URL"] or "") as store:
        for _ in range(50):
            store.append("case:c2", stories.noted())
            write_archive(store, folder, buckets=1)
    one = casestore.spawn(
        *("archive", "read", str(folder), "--stream", "case:c2"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)),
    ).fine()
    assert one.out == casestore("export", "--stream", "case:c2").fine().out


def test_a_manifest_that_names_another_last_event(casestore: Casestore, tmp_path: Path) -> None:
    casestore("archive", "write", str(tmp_path / "archive")).fine()
    file = tmp_path / "archive" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["end"]["event_id"] = "00000000-0000-0000-0000-000000000000"
    file.write_text(json.dumps(manifest))
    ran = casestore("archive", "verify", str(tmp_path / "archive"))
    assert ran.code == 1
    assert "does not say what the last event is" in ran.out
