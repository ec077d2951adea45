"""-o FILE: a file that is whole, or the one that was there before."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casestore import CaseStore
from cli.terminal import files
from tests.support.alter import alter
from tests.support.command_line import Casestore, demo_store

FORMATS = ("table", "json", "ndjson", "csv", "tsv", "markdown", "html")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("command", ["cases --as-of 2026-09-01", "case timeline nine-days"])
def test_a_file_holds_what_would_be_printed(
    demo: Casestore, tmp_path: Path, form: str, command: str
) -> None:
    asked = (*command.split(), "--format", form)
    file = tmp_path / "out"
    assert demo(*asked, "-o", str(file)).fine().out == ""
    assert file.read_bytes().decode() == demo(*asked).fine().out
    assert os.listdir(tmp_path) == ["out"]


def test_an_object_and_text_go_into_a_file_too(demo: Casestore, tmp_path: Path) -> None:
    for asked in ("case show nine-days", "lessons bare-no", "events PromiseMade", "policy show"):
        file = tmp_path / "out"
        assert demo(*asked.split(), "--output", str(file)).fine().out == ""
        assert file.read_text().splitlines()[2:] == demo(*asked.split()).fine().out.splitlines()[2:]


def test_the_mode_is_kept_and_a_link_leads_to_its_file(demo: Casestore, tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to(file)
    demo("cases", "-o", str(link)).fine()
    assert link.is_symlink()
    assert file.read_text() != "before"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_is_as_the_umask_says_and_private_with_words(
    demo: Casestore, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        demo("cases", "-o", str(tmp_path / "cases")).fine()
        words = ("case", "timeline", "nine-days", "--reveal")
        demo(*words, "-o", str(tmp_path / "words")).fine()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"cases": 0o640, "words": 0o600}


def test_what_cannot_be_replaced_is_refused_before_anything_is_done(
    demo: Casestore, tmp_path: Path
) -> None:
    assert "is a folder" in demo("cases", "-o", str(tmp_path)).failed(2)
    assert "does not exist" in demo("cases", "-o", str(tmp_path / "no" / "out")).failed(2)
    os.mkfifo(tmp_path / "pipe")
    assert "no ordinary file" in demo("cases", "-o", str(tmp_path / "pipe")).failed(2)
    assert "no ordinary file" in demo("cases", "-o", "/dev/null").failed(2)


COMMANDS = (
    "cases -o {}",
    "export -o {}",
    "export --format xes -o {}",
    "report export sqlite {}",
    "import --from mail --ours help@kettles.example --to {} docs/examples/complaints.mbox",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_and_what_it_cannot_do_without_are_never_replaced(
    tmp_path: Path, command: str
) -> None:
    demo = demo_store(tmp_path)
    assert demo("audit", "key").code == 0
    (store,) = tmp_path.glob("*.db")
    beside = [store.with_name(f"{store.name}{end}") for end in (".relays", ".key.erased")]
    for each in beside:
        each.write_text("something")
    (tmp_path / "link").symlink_to(store)
    key = store.with_name(f"{store.name}.key")
    copies = [tmp_path / "kept", tmp_path / "signing"]
    copies[0].write_bytes(key.read_bytes())
    copies[1].write_bytes(next(store.with_name(f"{store.name}.audit").glob("*key*")).read_bytes())
    for path in (store, key, *beside, *copies, tmp_path / "link"):
        before = path.read_bytes()
        told = demo(*command.format(path).split()).failed(2)
        assert "name another file" in told, path
        assert path.read_bytes() == before, path


def test_a_command_that_fails_changes_nothing(demo: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("before")
    demo("cases", "--columns", "nothing", "-o", str(file)).failed(2)
    demo("case", "timeline", "nobody", "-o", str(file)).failed(2)
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["out"]


def test_a_command_with_an_exit_code_of_its_own_writes_its_file(tmp_path: Path) -> None:
    """Damage is found, which is exit code 1, and what was found is in the file."""
    (tmp_path / "store").mkdir()
    demo = demo_store(tmp_path / "store")
    with CaseStore.open(demo.env["CASESTORE_URL"]) as store:
        alter(store, "UPDATE {t} SET topic = 'NoSuchType' WHERE position = 20")
    ran = demo("doctor", "-o", str(tmp_path / "out"))
    assert (ran.code, ran.out) == (1, "")
    assert "NoSuchType" in (tmp_path / "out").read_text()


def test_a_command_that_is_stopped_leaves_what_was_there(demo: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("before")
    for send in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for delay in (0.2, 0.5, 0.8):
            process = demo.process("cases", "--format", "json", "-o", str(file))
            time.sleep(delay)
            process.send_signal(send)
            process.communicate(timeout=60)
            text = file.read_text()
            assert text == "before" or text.endswith("}\n")
            if send == signal.SIGINT:
                assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_and_leaves_what_was_there(
    demo: Casestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(*_: object, **__: object) -> Iterator[Path]:
        yield Path("/dev/full")
        raise AssertionError("it was not noticed")

    monkeypatch.setattr(files, "part_of", full)
    said = demo("cases", "-o", str(tmp_path / "out")).failed(3)
    assert "No space left" in said
    assert list(tmp_path.iterdir()) == []
