"""`casestore export` into the formats of other programs, at the command line's end of it."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from casestore import CaseStore
from tests.generate import fill
from tests.support.command_line import Casestore, demo_store
from tests.support.ocel import broken_rules, loaded

FILES = (
    ("cloudevents", "events.ndjson"),
    ("ocel", "log.json"),
    ("ocel", "log.sqlite"),
    ("xes", "log.xes"),
)


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    return demo_store(tmp_path)


@pytest.fixture
def busy(tmp_path: Path) -> Casestore:
    """A store whose export takes a while."""
    url = f"sqlite:///{tmp_path}/busy.db"
    with CaseStore.create(url) as store:
        fill(store, 5000)
    return Casestore(url)


@pytest.mark.parametrize(("form", "name"), FILES)
def test_an_export_ends_with_one_line_and_comes_to_the_same_bytes_again(
    casestore: Casestore, tmp_path: Path, form: str, name: str
) -> None:
    file = tmp_path / name
    told = casestore("export", "--format", form, "-o", str(file)).fine().out
    assert told.startswith(f"wrote {file}: 1")
    assert told.endswith(" events\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_bytes()
    assert casestore("export", "--format", form, "-o", str(file)).fine().out == told
    assert file.read_bytes() == first


def test_a_link_leads_to_its_file(casestore: Casestore, tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    assert casestore("export", "-o", str(link)).fine().out.startswith(f"wrote {link}: ")
    assert link.is_symlink()
    assert file.read_bytes()
    link.unlink()
    link.symlink_to(tmp_path / "nowhere" / "file")
    assert "nowhere does not exist" in casestore("export", "-o", str(link)).failed(2)


def test_cloudevents_go_through_a_pipe_into_another_store(
    casestore: Casestore, tmp_path: Path
) -> None:
    lines = casestore("export", "--format", "cloudevents").fine().out
    assert json.loads(lines.splitlines()[0])["specversion"] == "1.0"
    (tmp_path / "events.ndjson").write_text(lines, "utf-8")
    other = Casestore(f"sqlite:///{tmp_path}/other.db")
    other("init").fine()
    done = other("import", "--from", "cloudevents", str(tmp_path / "events.ndjson"))
    assert done.code == 0, done
    before, after = (
        [
            (line["event_id"], line["stream"], line["data"])
            for line in map(json.loads, each("export").fine().out.splitlines())
        ]
        for each in (casestore, other)
    )
    assert before == after


def test_the_name_says_which_kind_of_ocel_it_is(casestore: Casestore, tmp_path: Path) -> None:
    for name in ("log.json", "log.sqlite"):
        casestore("export", "--format", "ocel", "-o", str(tmp_path / name)).fine()
    assert broken_rules(tmp_path / "log.sqlite") == []
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as log:
        (count,) = log.execute("SELECT count(*) FROM event").fetchone()
    assert len(loaded(tmp_path / "log.json")["events"]) == count


@pytest.mark.parametrize("form", ["ocel", "xes"])
def test_a_log_is_a_file_and_never_holds_personal_text(casestore: Casestore, form: str) -> None:
    assert casestore("export", "--format", form).failed(2) == f"{form} is a file: give -o FILE"
    told = casestore("export", "--format", form, "-o", "x", "--reveal").failed(2)
    assert told == f"{form} never holds personal text; leave --reveal out"
    assert "is no case" in casestore(
        "export", "--format", "xes", "-o", "x", "--stream", "policy"
    ).failed(2)
    assert not Path("x").exists()


@pytest.mark.parametrize(("form", "name"), FILES)
def test_a_full_disk_leaves_what_was_there(
    busy: Casestore, tmp_path: Path, form: str, name: str
) -> None:
    resource = pytest.importorskip("resource")
    file = tmp_path / "out" / name
    file.parent.mkdir()
    file.write_text("before")
    limit = (200_000, 200_000)
    ran = busy.spawn(
        *("export", "--format", form, "-o", str(file)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert ran.failed(3).startswith(f"{file}: ")
    assert [each.read_text() for each in file.parent.iterdir()] == ["before"]


@pytest.mark.parametrize(("form", "name"), FILES)
def test_a_killed_export_leaves_what_was_there(
    busy: Casestore, tmp_path: Path, form: str, name: str
) -> None:
    file = tmp_path / "out" / name
    file.parent.mkdir()
    file.write_text("before")
    busy("export", "--format", form, "-o", str(tmp_path / name)).fine()
    whole = (tmp_path / name).read_bytes()
    for wait in (0.2, 0.4, 0.6):
        process = busy.process("export", "--format", form, "-o", str(file))
        time.sleep(wait)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert file.read_bytes() in (b"before", whole)
    busy("export", "--format", form, "-o", str(file)).fine()
    assert file.stat().st_size > 500_000


def test_schemas_are_told_for_other_programs(casestore: Casestore) -> None:
    schema = casestore("events", "--schema", "json").fine().json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert casestore("events", "--schema", "asyncapi").fine().json["asyncapi"] == "3.0.0"
    one = casestore("events", "promisemade", "--schema", "json").fine().json
    assert one["title"] == "PromiseMade"
    assert "leave TYPE out" in casestore("events", "PromiseMade", "--schema", "asyncapi").failed(2)
    assert "'json'" in casestore("events", "--schema", "jsn").failed(2)
