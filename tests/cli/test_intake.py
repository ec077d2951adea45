"""`casestore import --from`, at the command line's end of it."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.intake.reading import READERS
from casestore.intake.scratch import Scratch
from cli.commands import intake
from tests.support.command_line import Casestore


def event(
    number: int, kind: str, stream: str = "case:1", day: int = 1, **data: Any
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "desk",
        "type": f"org.casestore.{kind}.v1",
        "subject": stream,
        "time": f"2026-03-{day:02}T10:00:00Z",
        "data": {"actor": {"kind": "agent", "id": "anna"}, **data},
    }


STORY = [
    event(1, "CaseOpened", customer_id="k1", channel="email", subject="The kettle leaks"),
    event(2, "NoteAdded", day=3, text="rang back"),
    event(3, "CaseOpened", "case:2", 2, customer_id="k2", channel="email"),
]
FROM = ("import", "--from", "cloudevents")


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    url = f"sqlite:///{tmp_path}/store.db"
    CaseStore.create(url).close()
    return Casestore(url)


@pytest.fixture
def export(tmp_path: Path) -> str:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(STORY))
    return str(path)


def positions(casestore: Casestore) -> int:
    return len(casestore("export").out.splitlines())


def test_the_readers_are_those_that_there_are() -> None:
    assert tuple(READERS) == intake.READERS


def test_an_import_ends_with_what_was_read_and_what_came_of_it(
    casestore: Casestore, export: str
) -> None:
    assert casestore(*FROM, export).fine().out == (
        "3 events read: 3 events appended, 0 already there, 0 refused; the store registered 2 "
        "customers itself\n"
        "  2 CaseOpened, 1 NoteAdded\n"
    )
    again = casestore(*FROM, export, "--format", "json").fine().json
    assert again == {
        "read": {"events": 3},
        "lines": 3,
        "appended": 0,
        "repeated": 3,
        "refused": [],
        "registered": 0,
        "events": {"CaseOpened": 2, "NoteAdded": 1},
        "left_out": [],
        "remarks": [],
        "kept": 0,
    }


def test_what_is_left_out_is_told_with_its_place_and_reason(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    (tmp_path / "cut.json").write_text('[{"id": 1')
    ran = casestore(*FROM, export, str(tmp_path / "cut.json")).fine()
    assert ran.out.endswith(
        f"left out, for it could not be read:\n  1 × it ends in the middle ({tmp_path}/cut.json)\n"
    )
    strict = casestore(*FROM, export, str(tmp_path / "cut.json"), "--strict")
    assert "nothing was appended" in strict.err
    assert strict.code == 1
    as_json = casestore(*FROM, str(tmp_path / "cut.json"), "--format", "json").fine().json
    assert as_json["left_out"] == [
        {
            "reason": "it ends in the middle",
            "count": 1,
            "where": [f"{tmp_path}/cut.json"],
            "unreadable": True,
        }
    ]


def test_strict_appends_nothing(casestore: Casestore, export: str, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text("[")
    casestore(*FROM, export, str(tmp_path / "cut.json"), "--strict")
    assert positions(casestore) == 0


def test_a_dry_run_shows_cases_and_appends_nothing(casestore: Casestore, export: str) -> None:
    shown = casestore(*FROM, export, "--dry-run", "--show", "1").fine().out
    assert "case:1" in shown
    assert "The kettle leaks" in shown
    assert "case:2" not in shown
    assert "dry run, nothing was appended: 3 events read; 3 events to append, 0 refused" in shown
    assert positions(casestore) == 0
    as_json = casestore(*FROM, export, "--dry-run", "--format", "json").fine().json
    assert list(as_json["cases"]) == ["case:1", "case:2"]


def test_a_dry_run_needs_no_store(export: str, tmp_path: Path) -> None:
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    nowhere(*FROM, export, "--dry-run").fine()
    assert not (tmp_path / "none.db").exists()
    assert "casestore init" in nowhere(*FROM, export).failed(2)


def test_lines_are_written_and_can_be_imported(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.ndjson"
    wrote = casestore(*FROM, export, "--to", str(lines))
    assert wrote.err == "3 events read; wrote 3 lines\n"
    assert wrote.out == ""
    assert lines.stat().st_mode & 0o777 == 0o600
    assert casestore(*FROM, export, "--to", "-", "-q").fine().out == lines.read_text()
    assert casestore("import", str(lines)).fine().out.startswith("3 lines: 3 events appended")
    assert " 0 events appended, 3 already there" in casestore(*FROM, export).fine().out


def test_lines_are_written_whole_or_not_at_all(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    (tmp_path / "cut.json").write_text("[")
    lines = tmp_path / "lines.ndjson"
    ran = casestore(*FROM, export, str(tmp_path / "cut.json"), "--to", str(lines), "--strict")
    assert ran.code == 1
    assert not lines.exists()


def test_lines_are_written_into_a_pipe_or_a_device(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as reading:
        read = reading.submit(pipe.read_bytes)
        assert casestore(*FROM, export, "--to", str(pipe)).code == 0
        assert read.result(30).count(b"\n") == 3
    assert pipe.is_fifo()


def test_a_full_disk_for_the_temporary_file_is_told(
    casestore: Casestore, export: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Scratch.__init__

    def tiny(scratch: Scratch, path: str = "") -> None:
        make(scratch, path)
        scratch.sql.execute("PRAGMA max_page_count = 1")  # it takes no page more

    monkeypatch.setattr(Scratch, "__init__", tiny)
    Path(export).write_text(json.dumps([event(n, "NoteAdded", text="x" * 5000) for n in range(9)]))
    for args in ((), ("--dry-run",), ("--to", "-")):
        said = casestore(*FROM, export, *args).failed(3)
        assert said.startswith(
            "the temporary file of the import could not be written: database or disk is full;"
        )
    assert positions(casestore) == 0


def test_a_full_disk_for_an_archive_that_is_copied_is_told(
    casestore: Casestore, export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped = tmp_path / "x.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(export, "export.json")
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(zipped.read_bytes()))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    said = casestore(*FROM, str(packed)).failed(3)
    assert said.startswith("the temporary file of the import could not be written: No space left")


def test_since_leaves_out_the_cases_of_before(casestore: Casestore, export: str) -> None:
    ran = casestore(*FROM, export, "--since", "2026-03-03").fine().out
    assert "1 × a case in which nothing happened since then (1 case)" in ran
    assert positions(casestore) == 3  # with the registration of k1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("import",), "an import of NDJSON takes a FILE"),
        (("import", "x", "y"), "an import of NDJSON takes one FILE"),
        (("import", "--strict", "x"), "--strict is for --from"),
        (("import", "--from", "zendesk", "x"), "there is no such file"),
        (("import", "--from", "zendesk"), "name what to read"),
        (("import", "--from", "zendesk", "."), "zendesk needs --instance"),
        (("import", "--from", "zendesk", "--instance", "a:b", "."), "--instance is a short name"),
        (("import", "--from", "zendesk", "--ours", "a@b", "."), "--ours is for mail"),
        (("import", "--from", "zendex", "x"), "did you mean 'zendesk'"),
        (("import", "--from", "mail", "--tag", "[", "."), "--tag is no regular expression"),
        (("import", "--from", "mail", "--tag", "x", "."), "--tag needs a group"),
        (("import", "--from", "otrs", "--instance", "a", "--states", "x", "."), "--states is like"),
        (
            ("import", "--from", "zendesk", "--instance", "a", "--fields", "1=x", "."),
            "--fields is like",
        ),
        ((*FROM, "--trust-recorded-at", "."), "--trust-recorded-at is for NDJSON"),
        ((*FROM, "--dry-run", "--to", "x", "."), "--dry-run shows the lines and --to writes them"),
        (("import", "--from", "csv", "."), "--mapping"),
    ],
)
def test_wrong_usage_says_what_to_write(
    casestore: Casestore, args: tuple[str, ...], says: str
) -> None:
    assert says in casestore(*args).failed(2)
