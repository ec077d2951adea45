"""What reads all events holds a few large ones at a time, however many there are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from casestore import CaseStore, Retry
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from casestore.backup.backup import backup, copy, restore
from casestore.doctor.examine import examine
from casestore.transfer.ndjson import export_lines
from casestore.transfer.parquet import write_parquet
from tests.support import stories
from tests.support.sealed import audit_folder

MIB = 1024 * 1024
LARGE = 64
"""Events of a MiB each."""
IMPORTED = (pq, pd)
"""What a first Parquet file imports (pyarrow takes pandas where it is there), so that it is not
counted as memory for events."""


@pytest.fixture
def store(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaseStore]:
    audit_folder(tmp_path, monkeypatch)
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(store_url, retry=Retry(attempts=1)) as store:
        store.append("case:1", stories.opened())
        for number in range(LARGE):
            store.append("case:1", stories.noted(text=f"{number} {'x' * MIB}"), key=f"{number}")
        yield store


def exported(store: CaseStore, _: Path) -> None:
    assert sum(1 for _ in export_lines(store, reveal=True)) == LARGE + 2


def exported_as_parquet(store: CaseStore, folder: Path) -> None:
    assert write_parquet(store, folder / "all.parquet", reveal=True) == LARGE + 2


def examined(store: CaseStore, _: Path) -> None:
    assert all(finding.level != "error" for finding in examine(store))


def sealed(store: CaseStore, _: Path) -> None:
    Folder.of(store.url).make_key(origin(store))
    seal(store)
    assert verify(store).verdict == "fine"


def restored(store: CaseStore, folder: Path) -> None:
    backup(store.url, folder / "kept")
    restore(folder / "kept", f"sqlite:///{folder / 'again.db'}")


def copied(store: CaseStore, folder: Path) -> None:
    copy(store.url, f"sqlite:///{folder / 'copy.db'}")


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    "work", [exported, exported_as_parquet, examined, sealed, restored, copied]
)
def test_large_events_are_read_a_few_at_a_time(
    store: CaseStore, tmp_path: Path, work: Callable[[CaseStore, Path], None]
) -> None:
    tracemalloc.start()
    try:
        work(store, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * LARGE * MIB, f"{peak / MIB:.0f} MiB"


def test_a_reader_gives_all_of_them_in_order(store: CaseStore) -> None:
    assert [recorded.position for recorded in store.read()] == list(range(1, LARGE + 3))
    following = store.follow()
    assert [next(following).position for _ in range(LARGE + 2)] == list(range(1, LARGE + 3))
