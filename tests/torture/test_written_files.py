"""Files of events and of reports, written by processes that are killed, or onto a full disk."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from casestore import CaseStore
from tests import generate
from tests.support.command_line import Casestore

EVENTS = 20_000
WRITES = {
    "events": ("export", "--quiet", "--format", "parquet"),
    "report": ("cases", "--as-of", "2026-01-01", "--format", "parquet"),
}


@pytest.fixture(scope="module")
def casestore(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    """A store of which a file takes a while to write, and its read models."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db"
    with CaseStore.create(url) as store:
        generate.fill(store, EVENTS)
    made = Casestore(url)
    made("cases", "--limit", "1").fine()
    return made


def part(folder: Path) -> Path | None:
    """The unfinished file, once it is there."""
    return next((file for file in folder.glob("*.part-*") if file.exists()), None)


@pytest.mark.parametrize("what", WRITES)
def test_a_file_is_whole_or_as_it_was_whenever_its_writer_is_killed(
    casestore: Casestore, tmp_path: Path, what: str
) -> None:
    asked, whole, file = WRITES[what], tmp_path / "whole", tmp_path / "out"
    casestore.spawn(*asked, "-o", str(whole)).fine()
    file.write_text("before")
    killed, chance = 0, random.Random(17)
    for send in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = casestore.process(*asked, "-o", str(file))
        while part(tmp_path) is None and process.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(send)
        process.communicate(timeout=60)
        killed += process.returncode != 0
        assert file.read_bytes() in (b"before", whole.read_bytes())
        for left in tmp_path.glob("*.part-*"):
            left.unlink()
    assert killed
    casestore.spawn(*asked, "-o", str(file)).fine()
    assert file.read_bytes() == whole.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["out", "whole"]


@pytest.mark.parametrize("what", WRITES)
def test_a_full_disk_leaves_what_was_there(casestore: Casestore, tmp_path: Path, what: str) -> None:
    file, most = tmp_path / "out", 40_000  # what SQLite needs has room
    file.write_text("before")
    ran = casestore.spawn(
        *WRITES[what],
        *("-o", str(file)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert ran.failed(3) == f"{file}: File too large"
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["out"]
    casestore.spawn(*WRITES[what], "-o", str(file)).fine()
    assert file.stat().st_size > most
