"""A fold or a load that is killed, or has no room, is run again and ends with the same result."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from multiprocessing import active_children
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from casestore import CaseStore, FoldRefused, StoreUnavailable
from casestore.archive import Archive
from projections.engine.runner import Runner
from projections.folding import engines, folding, loading, parts
from projections.folding.engines import processes
from projections.folding.folding import fold_archive
from projections.folding.loading import load
from projections.folding.plan import read_manifest
from projections.folding.tasks import Done, Task, run
from tests.support.folds import archived, files_in, some_store
from tests.support.made_up import SOME, contents
from tests.support.processes import PATIENCE, Place
from tests.support.runners import process


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[CaseStore]:
    with some_store(store_url, tmp_path, seed=5, proposals=250) as store:
        yield store


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    with some_store(f"sqlite:///{tmp_path}/a.db", tmp_path, seed=5, proposals=250) as store:
        return archived(store, tmp_path / "archive", buckets=4)


FoldStage = Literal["keep_plan", "was_done", "files", "between", "keep_manifest", "tidy"]
LoadStage = Literal["rows", "index", "drop"]


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(real: Any, calls: int) -> Any:
    """A function that is killed when it is called for the last of some calls."""
    numbers = count(1)
    return lambda *given: die() if next(numbers) == calls else real(*given)


def fold_and_die(archive: Archive, out: Path, stage: FoldStage) -> None:
    module: Any = folding
    match stage:
        case "files":
            file: Any = parts._File
            file.finish = dying(file.finish, 8)
        case "between":
            fold_archive(archive, SOME, out, engine_that_dies)
        case "tidy":
            module.shutil.rmtree = die
        case "keep_plan" | "keep_manifest" | "was_done":
            setattr(module, stage, dying(getattr(module, stage), 1))
    fold_archive(archive, SOME, out, processes(1))


def engine_that_dies(tasks: Sequence[Task]) -> Iterator[Done]:
    yield run(tasks[0])
    run(tasks[1])
    die()


@pytest.mark.parametrize("stage", get_args(FoldStage))
def test_a_fold_that_is_killed_goes_on_to_the_same_files(
    archive: Archive, tmp_path: Path, stage: FoldStage
) -> None:
    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    out = tmp_path / "fold"
    with process(fold_and_die, archive, out, stage) as folded:
        folded.join(PATIENCE)
        assert folded.exitcode == -signal.SIGKILL
    assert (read_manifest(out) is None) == (stage != "tidy")
    ran: list[int] = []

    def noting(tasks: Sequence[Task]) -> Iterator[Done]:
        ran.extend(task.number for task in tasks)
        return map(run, tasks)

    manifest = fold_archive(archive, SOME, out, noting)
    assert files_in(out) == files_in(tmp_path / "whole")
    assert manifest == read_manifest(tmp_path / "whole")
    if stage == "between":
        assert not {0, 1} & set(ran)


def test_a_worker_that_is_killed_is_done_without(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []

    def kill_one(_: int) -> None:
        if not killed and (workers := active_children()):
            killed.append(workers[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)
            workers[0].join()

    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    fold_archive(archive, SOME, tmp_path / "fold", processes(2), kill_one)
    assert killed
    assert files_in(tmp_path / "fold") == files_in(tmp_path / "whole")
    assert not active_children()


def die_once() -> None:
    """The first process that starts is killed, before it does anything."""
    with suppress(FileExistsError):
        os.close(os.open(os.environ["DIED_ONCE"], os.O_CREAT | os.O_EXCL))
        die()


def test_one_worker_that_is_killed_before_anything_is_done_is_done_without_too(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIED_ONCE", str(tmp_path / "died"))
    monkeypatch.setattr(engines, "_begin", die_once)
    fold_archive(archive, SOME, tmp_path / "fold", processes(2))
    assert (tmp_path / "died").exists()
    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    assert files_in(tmp_path / "fold") == files_in(tmp_path / "whole")


def test_what_a_killed_worker_left_half_written_is_not_read(
    archive: Archive, tmp_path: Path
) -> None:
    out = tmp_path / "fold"

    def engine(tasks: Sequence[Task]) -> Iterator[Done]:
        for path in list((out / "_left").glob("part-*")):  # in the last step, those of the first
            path.with_name(f"{path.name}.part-00000001").write_bytes(path.read_bytes()[:-1])
        yield from map(run, tasks)

    fold_archive(archive, SOME, out, engine)
    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    assert files_in(out) == files_in(tmp_path / "whole")


def test_workers_that_are_killed_each_time_end_it(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_begin", die)
    with pytest.raises(StoreUnavailable, match="killed before one gets anything done"):
        fold_archive(archive, SOME, tmp_path / "fold", processes(2))
    monkeypatch.undo()
    fold_archive(archive, SOME, tmp_path / "fold", processes(2))
    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    assert files_in(tmp_path / "fold") == files_in(tmp_path / "whole")


def fold_in_little_room(archive: Archive, out: Path, told: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
    try:
        fold_archive(archive, SOME, out, processes(1))
    except OSError as error:
        told.write_text(f"{error.errno} {error.filename}")


def test_a_full_disk_is_told_and_then_it_goes_on(archive: Archive, tmp_path: Path) -> None:
    out, told = tmp_path / "fold", tmp_path / "told"
    with process(fold_in_little_room, archive, out, told) as folded:
        folded.join(PATIENCE)
        assert folded.exitcode == 0
    number, file = told.read_text().split(maxsplit=1)
    assert int(number) == errno.EFBIG
    assert file.startswith(f"{out}/")
    assert not list(out.rglob("*.part-*"))
    fold_archive(archive, SOME, out, processes(1))
    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    assert files_in(out) == files_in(tmp_path / "whole")


def test_only_one_process_folds_into_a_folder(archive: Archive, tmp_path: Path) -> None:
    out = tmp_path / "fold"

    def engine(tasks: Sequence[Task]) -> Iterator[Done]:
        with pytest.raises(FoldRefused, match="another process folds into"):
            fold_archive(archive, SOME, out, processes(1))
        yield from map(run, tasks)

    fold_archive(archive, SOME, out, engine)


def load_and_die(place: Place, out: Path, stage: LoadStage) -> None:
    with place.open() as store, Runner(store, SOME) as runner:
        tables: Any = runner._live.tables
        module: Any = loading
        match stage:
            case "rows":
                module.read_part = dying(module.read_part, 4)
            case "index" | "drop":
                setattr(tables, stage, dying(getattr(tables, stage), 2))
        load(runner._live, out)


@pytest.mark.parametrize("stage", get_args(LoadStage))
def test_a_load_that_is_killed_leaves_the_live_tables_and_is_done_again(
    store: CaseStore, tmp_path: Path, stage: LoadStage
) -> None:
    with Runner(store, SOME) as runner:
        runner.catch_up()
        live, whole = runner._live.current(), contents(runner)
        out = tmp_path / "fold"
        fold_archive(archived(store, tmp_path / "archive"), SOME, out, processes(1))
        place = Place(store.url, tmp_path / "store.key")
        with process(load_and_die, place, out, stage) as loaded:
            loaded.join(PATIENCE)
            assert loaded.exitcode == -signal.SIGKILL
        assert (runner._live.current() == live) == (stage != "drop")
        assert contents(runner) == whole
        load(runner._live, out)
        assert contents(runner) == whole
        with runner._live.tables.reading() as cursor:
            assert len(runner._live.tables.tracked(cursor)) == len(SOME)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broken off"])
def test_a_file_that_somebody_took_away_is_made_again(
    archive: Archive, tmp_path: Path, whole: bool
) -> None:
    fold_archive(archive, SOME, tmp_path / "whole", processes(1))
    out = tmp_path / "fold"

    def broken_off(tasks: Sequence[Task]) -> Iterator[Done]:
        yield run(tasks[0])
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        fold_archive(archive, SOME, out, processes(1) if whole else broken_off)
    min((out / SOME[0].name).glob("part-*")).unlink()
    fold_archive(archive, SOME, out, processes(1))
    assert files_in(out) == files_in(tmp_path / "whole")
