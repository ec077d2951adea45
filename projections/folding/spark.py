"""Runs the tasks of a fold on Apache Spark, which only schedules them: each is a partition.

A task reads by casestore's own readers what it folds, and writes its own files. So Spark moves no
events, nothing is shuffled, and nothing rests on its order. A task that runs twice, because a
worker was lost, leaves the same files. There is no session of Spark SQL, and so no catalogue, which
would leave files behind.

What a task is goes from Spark's driver to its workers, and into no plan, setting or log of it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from casestore.errors import CaseStoreError, StoreUnavailable
from casestore.journal.answering import brief
from projections.folding.tasks import Done, Engine, Task, run

PATIENCE = 600.0
"""Seconds within which some worker must take a task: a cluster may have to start machines first."""
_OFTEN = 0.1
_LOOPBACK = "127.0.0.1"
_errors_in = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception): .+)$", re.M).findall


def spark(
    master: str | None,
    number: int,
    *,
    running: Callable[[Task], Done] = run,
    patience: float = PATIENCE,
) -> Engine:
    """Spark, as `tasks.Engine` asks. It is started for the tasks, and stopped after them.

    Workers run the Python that PYSPARK_PYTHON names, or that of this one's path if it is not set.
    It must have the same version of casestore.

    Args:
        master: where Spark is, like `spark://host:7077`. If left out, what spark-submit or
            spark-defaults.conf say, else this machine.
        number: how many tasks run at a time on this machine.
        running: runs a task. Workers import it.
        patience: seconds within which a worker must take a task.

    The engine raises StoreUnavailable: there is no Java, the master does not answer, no worker
    takes a task, or a task failed for a reason that is none of ours.

    Raises:
        ImportError: PySpark is not installed.
    """
    if find_spec("pyspark") is None:
        raise ImportError("Spark needs PySpark: pip install 'casestore[spark]'")

    def engine(tasks: Sequence[Task]) -> Iterator[Done]:
        if not tasks:
            return
        if master is not None:
            _check_that_it_answers(master)
        java = _java()
        with _one_line(java.log), _context(java, master, number) as context:
            yield from _done(context, running, tasks, patience)

    return engine


def _done(
    context: Any, running: Callable[[Task], Done], tasks: Sequence[Task], patience: float
) -> Iterator[Done]:
    from pyspark.accumulators import AddingAccumulatorParam  # noqa: PLC0415  (it is an extra)

    # What a task adds arrives when the task has ended, and counts once, however often it ran.
    arrived = context.accumulator([], AddingAccumulatorParam([]))
    one = partial(_run, running, version("casestore"), arrived)
    yielded, deadline = 0, time.monotonic() + patience
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(context.parallelize(tasks, len(tasks)).foreach, one)
        try:
            while yielded < len(tasks):
                wait([job], _OFTEN)
                ended = job.done()
                for found in arrived.value[yielded:]:
                    if isinstance(found, CaseStoreError):
                        raise found
                    yield found
                    yielded += 1
                if ended:
                    job.result()
                elif not yielded and time.monotonic() > deadline and not _busy(context):
                    raise StoreUnavailable(
                        f"no worker of {context.master} has taken a task for {patience:.0f} "
                        "seconds: see the master's page for workers with free cores and memory"
                    )
        finally:
            if not job.done():
                with suppress(Exception):  # its Java may have ended
                    context.cancelAllJobs()


def _run(running: Callable[[Task], Done], ours: str, arrived: Any, task: Task) -> None:
    """Run a task, on a worker. To Spark our errors are no failures, which it would try again."""
    theirs, here = version("casestore"), f"the worker on {socket.gethostname()}"
    found: Done | CaseStoreError
    try:
        if theirs != ours:
            raise StoreUnavailable(f"{here} has casestore {theirs}, not {ours}: install that there")
        found = running(task)
    except CaseStoreError as error:
        found = error
    except FileNotFoundError as error:
        why = "all machines must see the folders at the same place"
        found = StoreUnavailable(f"{here} cannot find {error.filename or error}: {why}")
    except OSError as error:
        found = StoreUnavailable(f"{here}: {error}")
    arrived.add([found])


def _busy(context: Any) -> bool:
    """Whether some worker runs a task."""
    tracker = context.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return any(stage and stage.numActiveTasks for stage in stages)


# --- Spark itself --------------------------------------------------------------------------


class _Java(NamedTuple):
    """What PySpark talks to: there is one in a process."""

    gateway: Any
    log: Path | None
    """What it says; None where spark-submit has started it."""


@cache
def _java() -> _Java:
    """Start Java, or take the one that spark-submit has started."""
    from pyspark.errors import PySparkException  # noqa: PLC0415  (it is an extra)
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415  (the same)

    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return _Java(launch_gateway(), None)
    descriptor, name = tempfile.mkstemp(".log", "casestore-spark-")
    log = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            return _Java(launch_gateway(None, {"stdout": file, "stderr": file}), log)
    except PySparkException:
        said = log.read_text("utf-8", "replace").strip() or "it said nothing"
        log.unlink()
        raise StoreUnavailable(
            f"Spark needs Java 17 or later, which does not start ({said.splitlines()[0]}): "
            "install it, as with apt install default-jre-headless, or name its folder in JAVA_HOME"
        ) from None


@contextmanager
def _context(java: _Java, master: str | None, number: int) -> Iterator[Any]:
    """A context of Spark, which is stopped at the end."""
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415  (it is an extra)

    with _ctrl_c():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a pandas that we do not use
            conf = SparkConf(_jvm=java.gateway.jvm)  # with what spark-defaults.conf says
            conf.setAppName("casestore")
            if master is not None:
                conf.setMaster(master)
            for name, value in _settings(conf.get("spark.master"), number).items():
                conf.setIfMissing(name, value)
            python = conf.get("spark.pyspark.python") or sys.executable
            os.environ.setdefault("PYSPARK_PYTHON", python)
            context = SparkContext(gateway=java.gateway, conf=conf)
        try:
            yield context
        finally:
            with suppress(Exception):  # its Java may have ended
                context.stop()


def _settings(master: str | None, number: int) -> dict[str, str]:
    """What we set where nobody else does."""
    ours = {"spark.master": f"local[{number}]", "spark.ui.enabled": "false"}
    if master is None or master.startswith("local"):
        ours |= {"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}
    return ours


def _check_that_it_answers(master: str) -> None:
    """Raise StoreUnavailable if no master is there. Spark would try for a minute."""
    if not master.startswith("spark://"):
        return
    for place in master.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        with suppress(OSError, ValueError):
            socket.create_connection((host, int(port)), 10).close()
            return
    raise StoreUnavailable(f"no Spark master answers at {master}; start it, or name another")


@contextmanager
def _ctrl_c() -> Iterator[None]:
    """Give Ctrl-C back what it did: a context of Spark changes that, and leaves it so."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        with suppress(ValueError):  # this is not the main thread, where Spark changes nothing
            signal.signal(signal.SIGINT, before)


@contextmanager
def _one_line(log: Path | None) -> Iterator[None]:
    """Turn an error of Spark into one of ours, which names the log. It is removed otherwise."""
    named = None
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("py4j", "pyspark"):
            raise
        named = log
        found = _errors_in(str(getattr(error, "java_exception", error)))
        why = (found[-1] if found else brief(error)).rpartition("Exception: ")[2]
        if "No module named" in why:
            why += "; casestore must be installed in the Python of every worker, PYSPARK_PYTHON"
        told = f"; see {log}" if log else ""
        raise StoreUnavailable(f"Spark ended the job: {why}{told}") from None
    finally:
        if log is not None and named is None:
            log.unlink(missing_ok=True)
