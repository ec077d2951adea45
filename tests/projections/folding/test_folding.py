"""An archive that is folded in tasks, by whatever engine, gives the rows of one rebuild."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from casestore import CaseStore
from casestore.archive import Archive, write_archive
from projections.engine import filling
from projections.engine.runner import Runner
from projections.folding import folding as module
from projections.folding.engines import processes
from projections.folding.folding import fold_archive, fold_store
from projections.folding.loading import load
from projections.folding.tasks import Done, Engine, Task, run
from tests.support.histories import Histories
from tests.support.made_up import ALL, FRAGILE, LOOKING, contents


STREAMS = (
    *(f"case:{each}" for each in "abcdefghijkl"),
    *(f"customer:{each}" for each in ("x", "y", "z")),
    "policy",
)


def some_store(url: str, folder: Path, seed: int, proposals: int = 500) -> CaseStore:
    """Cases and customers that were merged, corrections, policies, erasures: see Histories."""
    histories = Histories(url, folder / "store.key", seed, STREAMS)
    histories.go_on(proposals)
    return histories.store


def archived(store: CaseStore, folder: Path, buckets: int = 3) -> Archive:
    write_archive(store, folder, buckets=buckets)
    return Archive(folder)


def twice_and_shuffled(tasks: Sequence[Task]) -> Iterator[Done]:
    """An engine that runs each task twice, in any order, as Spark may when a worker is lost."""
    again = list(tasks) * 2
    Random(1).shuffle(again)
    yield from map(run, again)


@pytest.mark.parametrize(
    "engine", [processes(1), processes(2), twice_and_shuffled], ids=["one", "two", "twice"]
)
@pytest.mark.parametrize("source", ["archive", "store"])
def test_every_row_is_that_of_a_rebuild_and_so_is_what_is_parked(
    store_url: str,
    tmp_path: Path,
    engine: Engine,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filling, "EVENTS", 7)
    monkeypatch.setattr(module, "EVENTS", 40)
    with some_store(store_url, tmp_path, seed=3) as store, Runner(store, ALL) as runner:
        runner.rebuild()
        whole = contents(runner)
        assert whole[LOOKING.name]
        assert any(each.projection == FRAGILE.name for each in whole["parked"])
        out = tmp_path / "fold"
        if source == "archive":
            fold_archive(archived(store, tmp_path / "archive"), ALL, out, engine)
        else:
            fold_store(store, ALL, out, engine)
        assert contents(runner) == whole
        load(runner._live, out)
        assert contents(runner) == whole
        assert [each.result for each in runner.verify(from_events=True)] == ["ok"] * len(ALL)
        assert runner.catch_up() == runner.head()
