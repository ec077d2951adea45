"""Spark as the engine of a fold, on a cluster of a master and two workers."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from casestore import CaseStore, StoreDamaged, StoreUnavailable
from casestore.archive import Archive, write_archive
from projections import PROJECTIONS
from projections.engine import filling
from projections.engine.runner import Runner
from projections.folding import folding
from projections.folding.folding import fold_archive, fold_store
from projections.folding.loading import load
from projections.folding.plan import Manifest
from projections.folding.sources import Range
from projections.folding.spark import spark
from projections.folding.tasks import Engine, Task
from tests.generate import fill
from tests.support.command_line import ROOT, Casestore, demo_store
from tests.support.histories import Histories
from tests.support.made_up import ALL, contents
from tests.support.processes import wait_until
from tests.support.spark_cluster import Cluster, cluster
from tests.support.spark_tasks import (
    LONG,
    Gate,
    divide_by_zero,
    find_damage,
    find_no_folder,
    run_gated,
)

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
    spark_cluster.add_workers(2 - len(spark_cluster.workers))
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
        wait_until(lambda: job.done() or len(gate.workers()) == 2, LONG)
        if job.done():
            job.result()
        # When one of them is killed
        spark_cluster.kill(min(gate.workers()))
        gate.open()
        # Then its tasks are done by another
        done = job.result()
        assert len(done.parts) > 2
        load(runner._live, out)
        assert contents(runner) == whole


def test_a_rebuild_whose_driver_is_killed_changes_no_table_and_goes_on_when_it_is_run_again(
    spark_cluster: Cluster, postgres_schema_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    spark_cluster.add_workers(2 - len(spark_cluster.workers))
    histories = Histories(postgres_schema_url, tmp_path / "store.key", 4, STREAMS)
    histories.go_on(300)
    with histories.store as store, Runner(store) as runner:
        runner.rebuild()
        before, whole = runner._live.current(), contents(runner)
        script = (
            "from pathlib import Path\n"
            "from casestore import CaseStore\n"
            "from projections import PROJECTIONS, Runner\n"
            "from projections.folding import folding\n"
            "from projections.folding.rebuilding import rebuild_by\n"
            "from projections.folding.spark import spark\n"
            "from tests.support.spark_tasks import run_two_and_gate_others\n"
            "folding.EVENTS = 40\n"
            f"engine = spark({spark_cluster.url!r}, 2, running=run_two_and_gate_others)\n"
            f"with CaseStore.open({store.url!r}) as store, Runner(store) as runner:\n"
            "    names = [each.name for each in PROJECTIONS]\n"
            f"    rebuild_by(runner._live, names, engine, Path({str(out)!r}))\n"
        )
        casestore = Casestore(store.url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))

        # Given a rebuild that has done two tasks and has begun others
        gate = Gate(out)
        with subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"CASESTORE_KEY_FILE": str(tmp_path / "store.key")},
            start_new_session=True,
        ) as job:
            wait_until(lambda: job.poll() is not None or bool(gate.workers()), LONG)
            wait_until(lambda: job.poll() is not None or len(notes(out)) == 2, LONG)
            # When it is killed with its Java
            os.killpg(job.pid, signal.SIGKILL)
        assert job.returncode == -signal.SIGKILL
        gate.open()
        # Then the tables are those of before
        assert runner._live.current() == before
        assert contents(runner) == whole
        # And a second one makes what is missing, and new tables
        files = [path for note in notes(out) for path in out.glob(f"*/{note.stem}.parquet")]
        written = [path.stat().st_mtime_ns for path in files]
        rebuild = ("projections", "rebuild", "--engine", "spark", "--master", spark_cluster.url)
        again = casestore.process(*rebuild, "--out", str(out))
        again.communicate(timeout=LONG)
        assert again.returncode == 0
        now = runner._live.current()
        assert all(now[name].table != before[name].table for name in before)
        assert contents(runner) == whole
        assert [path.stat().st_mtime_ns for path in files] == written
        assert len(files) == 2 * len(PROJECTIONS)
        assert len(list((out / "cases").iterdir())) > 3


def notes(out: Path) -> list[Path]:
    """What tells that a task was done."""
    return list((out / "_done").glob("*.json"))


# --- what goes wrong is told in one line ---------------------------------------------------


def tasks(folder: Path) -> list[Task]:
    return [Task(n, Range("sqlite:///none.db", "", ""), (), 0, str(folder)) for n in range(5)]


def told_by(engine: Engine, folder: Path) -> str:
    """What the engine raises."""
    with pytest.raises(StoreUnavailable) as raised:
        list(engine(tasks(folder)))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_a_task_finds_is_raised_as_it_was_there(
    spark_cluster: Cluster, tmp_path: Path
) -> None:
    with pytest.raises(StoreDamaged, match=r"^case:4711 has version 3 in the place of version 2$"):
        list(spark(None, 2, running=find_damage)(tasks(tmp_path)))


def test_a_folder_that_a_worker_cannot_see_is_named_with_its_machine(
    spark_cluster: Cluster, tmp_path: Path
) -> None:
    told = told_by(spark(None, 2, running=find_no_folder), tmp_path)
    assert told == (
        f"the worker on {socket.gethostname()} cannot find {tmp_path}/promises: all machines must "
        "see the folders at the same place"
    )


def test_a_fault_is_told_in_one_line_that_names_the_file_with_the_rest(
    spark_cluster: Cluster, tmp_path: Path
) -> None:
    told = told_by(spark(None, 2, running=divide_by_zero), tmp_path)
    assert re.match(r"Spark ended the job: ZeroDivisionError: in task \d", told)


def test_a_master_that_does_not_answer_is_named_at_once(
    spark_cluster: Cluster, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        nobody = f"spark://127.0.0.1:{taken.getsockname()[1]}"
    told = told_by(spark(nobody, 2), tmp_path)
    assert told == f"no Spark master answers at {nobody}; start it, or name another"


def test_where_no_worker_takes_a_task_it_says_so(spark_cluster: Cluster, tmp_path: Path) -> None:
    with cluster(tmp_path, workers=0) as alone:
        told = told_by(spark(alone.url, 2, patience=1), tmp_path)
    assert told.startswith(f"no worker of {alone.url} has taken a task for 1 seconds: ")


def test_where_java_does_not_start_it_says_what_to_install(
    spark_cluster: Cluster, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    casestore = demo_store(tmp_path)
    casestore.env["JAVA_HOME"] = str(nowhere)
    told = casestore.spawn("projections", "rebuild", "--engine", "spark").failed(3)
    assert told.startswith("Spark needs Java 17 or later, which does not start (")
    assert f"{nowhere}/bin/java" in told


# --- as a command --------------------------------------------------------------------------


def test_the_command_says_nothing_of_java_and_leaves_nothing_but_rows(
    spark_cluster: Cluster, postgres_schema_url: str, tmp_path: Path
) -> None:
    """Nor does the store's password stand in any file of Spark."""
    secret, folder, out = "open-sesame-4711", tmp_path / "here", tmp_path / "out"
    folder.mkdir()
    with CaseStore.create(postgres_schema_url, key_file=tmp_path / "store.key") as store:
        fill(store, 300)
    url = postgres_schema_url.replace("postgres@", f"postgres:{secret}@")
    assert secret in url
    casestore = Casestore(url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))
    rebuild = ("projections", "rebuild", "--engine", "spark", "--master", spark_cluster.url)
    process = casestore.process(*rebuild, "--out", str(out), cwd=folder)
    assert process.communicate(timeout=LONG)[1] == b""
    assert process.returncode == 0
    assert list(folder.iterdir()) == []
    assert casestore("projections", "verify", "--from-events").code == 0
    written = [path for path in spark_cluster.folder.rglob("*") if path.is_file()]
    assert [p for p in written if "events" in p.parts and b'"casestore"' in p.read_bytes()]
    assert [path for path in written if secret.encode() in path.read_bytes()] == []


def test_ctrl_c_ends_the_job_and_its_java(spark_cluster: Cluster, tmp_path: Path) -> None:
    script = (
        "from projections.folding.spark import spark\n"
        "from tests.projections.folding.test_spark import tasks\n"
        "from tests.support.spark_tasks import run_gated\n"
        f"engine = spark({spark_cluster.url!r}, 2, running=run_gated)\n"
        f"list(engine(tasks({str(tmp_path / 'out')!r})))"
    )
    gate = Gate(tmp_path / "out")
    # Java has its standard error open too, until it ends.
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE) as job:
        wait_until(lambda: job.poll() is not None or bool(gate.workers()), LONG)
        job.send_signal(signal.SIGINT)
        _, err = job.communicate(timeout=LONG)
    assert err.splitlines()[-1] == b"KeyboardInterrupt"
