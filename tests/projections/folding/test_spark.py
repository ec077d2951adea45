"""Spark as the engine of a fold, on a cluster of a master and two workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from casestore.archive import Archive, write_archive
from projections.engine import filling
from projections.engine.runner import Runner
from projections.folding import folding
from projections.folding.folding import fold_archive, fold_store
from projections.folding.loading import load
from projections.folding.plan import Manifest
from projections.folding.spark import spark
from tests.support.gated import Gate, run_gated
from tests.support.histories import Histories
from tests.support.made_up import ALL, contents
from tests.support.processes import wait_until
from tests.support.spark_cluster import Cluster

STREAMS = (
    *(f"case:{each}" for each in "abcdefghijkl"),
    *(f"customer:{each}" for each in ("x", "y", "z")),
    "policy",
)


@pytest.mark.parametrize("source", ["archive", "store"])
def test_a_worker_is_killed_with_its_executor_in_mid_job_and_every_row_is_that_of_a_rebuild(
    source: str,
    spark_cluster: Cluster,
    postgres_schema_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filling, "EVENTS", 7)
    monkeypatch.setattr(folding, "EVENTS", 40)
    out = tmp_path / "fold"
    histories = Histories(postgres_schema_url, tmp_path / "store.key", 3, STREAMS)
    histories.go_on(500)
    engine = spark(spark_cluster.url, 2, running=run_gated)
    with histories.store as store, Runner(store, ALL) as runner, ThreadPoolExecutor(1) as thread:
        runner.rebuild()
        whole = contents(runner)
        write_archive(store, tmp_path / "archive", buckets=6)

        def fold() -> Manifest:
            if source == "archive":
                return fold_archive(Archive(tmp_path / "archive"), ALL, out, engine)
            return fold_store(store, ALL, out, engine)

        # Given tasks that have begun on both workers
        gate = Gate(out)
        job = thread.submit(fold)
        wait_until(lambda: job.done() or len(gate.workers()) == 2)
        # When one of them is killed
        spark_cluster.kill(min(gate.workers()))
        gate.open()
        # Then its tasks are done by another
        done = job.result()
        assert len(done.parts) > 2
        load(runner._live, out)
        assert contents(runner) == whole
    spark_cluster.add_workers(1)
