"""An archive that is folded in tasks, by whatever engine, gives the rows of one rebuild."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casestore import CaseStore
from casestore.streams.history import to_microseconds
from projections import reports
from projections.engine import filling
from projections.engine.runner import Runner
from projections.folding import folding, sources
from projections.folding.engines import processes
from projections.folding.folding import fold_archive, fold_store
from projections.folding.loading import load
from projections.folding.sources import Bucket, Families
from projections.folding.tasks import Done, Engine, Task, run
from tests.generate import fill
from tests.support.folds import archived, some_store
from tests.support.made_up import ALL, FRAGILE, LOOKING, contents


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
    monkeypatch.setattr(folding, "EVENTS", 40)
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


def test_merged_streams_are_made_in_a_last_step_where_they_are_in_several_buckets(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "MERGED", 30)
    with some_store(store_url, tmp_path, seed=5) as store, Runner(store, ALL) as runner:
        archive = archived(store, tmp_path / "archive")
        did: list[tuple[Task, Done]] = []

        def noting(tasks: Sequence[Task]) -> Iterator[Done]:
            for task in tasks:
                did.append((task, run(task)))
                yield did[-1][1]

        fold_archive(archive, ALL, tmp_path / "fold", noting)
        left = [done.left for task, done in did if isinstance(task.source, Bucket)]
        last = [done.events for task, done in did if isinstance(task.source, Families)]
        assert len([n for n in left if n]) > 1
        assert len(last) > 1
        assert sum(last) == sum(left)
        runner.rebuild()
        whole = contents(runner)
        load(runner._live, tmp_path / "fold")
        assert contents(runner) == whole


def test_as_many_events_are_held_as_make_some_whole_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "EVENTS", 10)
    held: list[int] = []
    last: list[int] = []
    module: Any = sources
    real = module.fold

    def noting(rows: list[Any], *given: Any, **more: Any) -> Any:
        (held if "after" in more else last).append(len(rows))
        return real(rows, *given, **more)

    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        fill(store, 400)
        longest = max(len(store.history(name).originals) for name in store.streams("case"))
        archive = archived(store, tmp_path / "archive", buckets=1)
    monkeypatch.setattr(module, "fold", noting)
    manifest = fold_archive(archive, ALL, tmp_path / "fold", processes(1))
    assert sum(held) + sum(last) == sum(part.events for part in manifest.parts) > 300
    assert max(held) < 10 + longest


def test_a_folded_part_can_be_read_by_others(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with some_store(f"sqlite:///{tmp_path}/store.db", tmp_path, seed=3) as store:
        fold_archive(archived(store, tmp_path / "a"), ALL, tmp_path / "fold", processes(1))
        rows = {row.case_id: row for row in reports.cases(store).rows}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            "SELECT case_id, epoch_us(opened_at) FROM "
            f"read_parquet('{tmp_path}/fold/cases/part-*.parquet')"
        ).fetchall()
    assert found
    assert dict(found) == {name: to_microseconds(row.opened_at) for name, row in rows.items()}
    assert {path.name for path in (tmp_path / "fold").iterdir()} == {
        *(each.name for each in ALL),
        *("_lock", "_fold.json", "_manifest.json"),
    }
