"""What is not of this store, this history and these versions is not loaded, and nothing changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from casestore import ArchiveDamaged, CaseStore, FoldRefused, StoreDamaged
from casestore.archive import Archive
from casestore.journal.rows import PlainRow
from projections.engine.runner import Runner
from projections.folding import sources
from projections.folding.engines import processes
from projections.folding.folding import fold_archive
from projections.folding.loading import load
from projections.folding.tasks import Done, Task, run
from projections.models.cases import CASES
from projections.models.promises import PROMISES
from tests.generate import fill
from tests.support.folds import archived, some_store
from tests.support.made_up import SOME, contents
from tests.support.stories import noted

ONE = processes(1)


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[CaseStore]:
    with some_store(store_url, tmp_path, seed=5, proposals=150) as store:
        yield store


@pytest.fixture
def out(store: CaseStore, tmp_path: Path) -> Path:
    """A fold of that store, which is at its position."""
    fold_archive(archived(store, tmp_path / "archive"), SOME, tmp_path / "fold", ONE)
    return tmp_path / "fold"


def refused(store: CaseStore, out: Path, why: str) -> None:
    """A load is refused, and the tables are as they were."""
    with Runner(store, SOME) as runner:
        runner.catch_up()
        live, whole = runner._live.current(), contents(runner)
        with pytest.raises(FoldRefused, match=why):
            load(runner._live, out)
        assert runner._live.current() == live
        assert contents(runner) == whole


def edit(out: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = out / "_manifest.json"
    manifest = msgspec.json.decode(path.read_bytes())
    change(manifest)
    path.write_bytes(msgspec.json.encode(manifest))


def formerly(manifest: dict[str, Any], name: str) -> None:
    """The fold has rows of a projection that is there no more."""
    manifest["projections"][name] = 1
    for part in manifest["parts"]:
        part["rows"][name] = part["rows"]["cases"]


# --- load --------------------------------------------------------------------------------------


def test_a_store_that_went_on_has_what_came_since(store: CaseStore, out: Path) -> None:
    name = next(iter(store.streams("case")))
    for _ in range(5):
        store.append(name, noted())
    with Runner(store, SOME) as runner:
        load(runner._live, out)
        assert runner.catch_up() == runner.head()
        loaded = contents(runner)
        runner.rebuild()
        assert contents(runner) == loaded
        assert {each.result for each in runner.verify(from_events=True)} == {"ok"}


@pytest.mark.parametrize("name", ["_manifest.json", "cases/part-00000.parquet"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    store: CaseStore, out: Path, name: str
) -> None:
    (out / name).unlink()
    os.mkfifo(out / name)
    refused(store, out, f"{name} .*is no ordinary file")


def test_a_folder_that_holds_something_else_stays_as_it_was(
    store: CaseStore, tmp_path: Path
) -> None:
    archive, other = archived(store, tmp_path / "archive"), tmp_path / "other"
    other.mkdir()
    (other / "letter").write_text("dear")
    with pytest.raises(FoldRefused, match="holds something else; name a new folder"):
        fold_archive(archive, SOME, other, ONE)
    assert [path.name for path in other.iterdir()] == ["letter"]


def test_notes_and_merges_that_were_altered(store: CaseStore, tmp_path: Path) -> None:
    archive, out = archived(store, tmp_path / "archive"), tmp_path / "fold"

    def engine(tasks: Sequence[Task]) -> Iterator[Done]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        fold_archive(archive, SOME, out, engine)
    merges = (out / "_merges").read_bytes()
    (out / "_merges").write_bytes(b"other")
    with pytest.raises(FoldRefused, match="_merges is not as a fold writes it"):
        fold_archive(archive, SOME, out, ONE)
    (out / "_merges").write_bytes(merges)
    (out / "_done").mkdir(exist_ok=True)
    note = {"number": 0, "events": 0, "left": 0, "newest": [0, ""], "rows": {}, "parked": {}}
    (out / "_done" / "part-00000.json").write_bytes(msgspec.json.encode(note))
    fold_archive(archive, SOME, out, ONE)
    with Runner(store, SOME) as runner:
        runner.rebuild()
        whole = contents(runner)
        load(runner._live, out)
        assert contents(runner) == whole


def test_the_fold_of_another_store(out: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with some_store(f"sqlite:///{tmp_path}/other/a.db", tmp_path / "other", seed=6) as other:
        refused(other, out, "a fold of another store; --db names the store")


def test_an_older_copy_of_the_store(tmp_path: Path) -> None:
    now, older = tmp_path / "now", tmp_path / "older"
    now.mkdir()
    with CaseStore.create(f"sqlite:///{now}/store.db") as store:
        fill(store, 200)
    shutil.copytree(now, older)
    with CaseStore.open(f"sqlite:///{now}/store.db") as store:
        name = next(iter(store.streams("case")))
        store.append(name, noted())
        fold_archive(archived(store, tmp_path / "archive"), SOME, tmp_path / "fold", ONE)
    with CaseStore.open(f"sqlite:///{older}/store.db") as store:
        refused(store, tmp_path / "fold", "the store ends at 200: an older copy of it")
        store.append(name, noted())
        refused(store, tmp_path / "fold", "of another history: at position 201")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda manifest: manifest["projections"].update(cases=CASES.version - 1),
            f"holds version {CASES.version - 1} of cases, and this casestore has version",
        ),
        (
            lambda manifest: formerly(manifest, "former"),
            "holds version 1 of former, and this casestore has none",
        ),
        (lambda manifest: manifest.update(version=2), "is of a later casestore; upgrade this one"),
        (lambda manifest: manifest.pop("mark"), "is not as a fold writes it"),
        (lambda manifest: manifest["parts"][0]["rows"].clear(), "is not as a fold writes it"),
        (
            lambda manifest: manifest["parts"][0]["rows"]["cases"].update(checksum="none"),
            "is not as a fold writes it",
        ),
    ],
    ids=["an older version", "gone", "a later format", "not ours", "no rows", "no checksum"],
)
def test_another_version(store: CaseStore, out: Path, change: Any, why: str) -> None:
    edit(out, change)
    refused(store, out, why)


def change_a_row(file: Path) -> None:
    table = pyarrow.parquet.read_table(file)
    column = table["stream"].to_pylist()
    changed = table.set_column(0, "stream", [[f"{column[0]}!", *column[1:]]])
    pyarrow.parquet.write_table(changed, file)


def take_a_row(file: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(file)[1:], file)


def take_a_column(file: Path) -> None:
    table = pyarrow.parquet.read_table(file)
    pyarrow.parquet.write_table(table.drop_columns(table.column_names[-1:]), file)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_a_row, "was changed: it has"),
        (take_a_row, "was changed: it has"),
        (take_a_column, "has other columns than cases"),
        (Path.unlink, "cannot be read"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "cannot be read"),
    ],
    ids=["a row", "a row less", "a column less", "missing", "cut"],
)
def test_a_file_that_was_changed(store: CaseStore, out: Path, change: Any, why: str) -> None:
    files = (out / "cases").iterdir()
    change(max(files, key=lambda file: pyarrow.parquet.read_metadata(file).num_rows))
    refused(store, out, why)


def test_a_fold_that_is_not_whole(store: CaseStore, out: Path) -> None:
    (out / "_manifest.json").unlink()
    refused(store, out, "holds no fold that is whole")


# --- fold --------------------------------------------------------------------------------------


def test_a_folder_that_holds_something_else(store: CaseStore, out: Path, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    with pytest.raises(FoldRefused, match="a fold of another choice of projections"):
        fold_archive(archive, [PROMISES], out, ONE)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(FoldRefused, match="holds something else"):
        fold_archive(archive, SOME, tmp_path / "full", ONE)
    assert [path.name for path in (tmp_path / "full").glob("*.json")] == []
    with pytest.raises(FileNotFoundError):
        fold_archive(archive, SOME, tmp_path / "no" / "folder", ONE)


def test_an_archive_that_went_on_is_folded_anew(
    store: CaseStore, out: Path, tmp_path: Path
) -> None:
    before = fold_archive(Archive(tmp_path / "archive"), SOME, out, ONE)  # is whole: nothing to do
    store.append(next(iter(store.streams("case"))), noted())
    grown = archived(store, tmp_path / "archive")
    with pytest.raises(FoldRefused, match=f"a fold up to position {before.position}, and there"):
        fold_archive(grown, SOME, out, ONE)


def test_a_fold_that_was_broken_off_goes_on_to_where_it_was_begun(
    store: CaseStore, tmp_path: Path
) -> None:
    archive, out = archived(store, tmp_path / "archive"), tmp_path / "fold"

    def first_only(tasks: Sequence[Task]) -> Iterator[Done]:
        yield run(tasks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold_archive(archive, SOME, out, first_only)
    store.append(next(iter(store.streams("case"))), noted())
    grown = archived(store, tmp_path / "archive")
    assert fold_archive(grown, SOME, out, ONE).position == archive.manifest.last
    with Runner(store, SOME) as runner:
        runner.rebuild()
        whole = contents(runner)
        load(runner._live, out)
        assert runner.catch_up() == runner.head()
        assert contents(runner) == whole


def test_an_archive_that_lost_a_file(store: CaseStore, tmp_path: Path) -> None:
    archive = archived(store, tmp_path / "archive")
    next((tmp_path / "archive").rglob("bucket-0*.parquet")).unlink()
    with pytest.raises(ArchiveDamaged, match="is missing"):
        fold_archive(archive, SOME, tmp_path / "fold", ONE)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda rows: rows[::-1], "has version|comes after"),
        (lambda rows: rows + rows, "comes after"),
        (lambda rows: rows[1:], "has version 2 in the place of version 1"),
        (lambda rows: rows[:-1], "events up to position"),
    ],
    ids=["backwards", "twice", "without the first", "without the last"],
)
def test_a_bucket_that_comes_in_another_order_or_not_whole(
    store: CaseStore, tmp_path: Path, wrong: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Archive):
        def rows(self, bucket: int | None, *given: Any, **more: Any) -> Iterator[PlainRow]:
            rows = list(super().rows(bucket, *given, **more))
            return iter(rows if bucket is None or more else wrong(rows))

    monkeypatch.setattr(sources, "Archive", Wrong)
    archive = archived(store, tmp_path / "archive", buckets=1)
    with pytest.raises(StoreDamaged, match=why):
        fold_archive(archive, SOME, tmp_path / "fold", ONE)
    assert not (tmp_path / "fold" / "_manifest.json").exists()
