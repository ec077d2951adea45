"""A standalone cluster of Spark on loopback: a master and workers, each a process of its own.

All their files are in one folder, and their ports are free ones. A worker's executors are in its
process group. The Python processes that run tasks are not; they end when their executor has.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from tests.support.command_line import ROOT
from tests.support.processes import wait_until

_CLASS = "org.apache.spark.deploy"

# A test run that is killed runs no `finally`: when the stdin of this process ends, it kills its
# group, and so the program that it runs.
GUARDED = '"$@" & read -r _; kill -KILL 0'


class NoSpark(Exception):  # noqa: N818  (tests skip on it: it is no error)
    """No Spark can be had here; the message says why."""


class Daemon:
    """A master or a worker."""

    def __init__(self, folder: Path, *command: str) -> None:
        folder.mkdir()
        self.name = folder.name
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", GUARDED, "guarded", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **environment(folder)},
                start_new_session=True,
            )

    def said(self, pattern: str) -> str:
        """Wait until its log has a line like this; gives what the pattern's group found."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = re.findall(pattern, self.log.read_text("utf-8", "replace"))
            assert found or self._process.poll() is None, self.log.read_text("utf-8", "replace")
            return bool(found)

        wait_until(is_there)
        return found[0]

    def kill(self) -> None:
        """Kill -9: the process, and for a worker its executors."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


class Cluster:
    """A master and its workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[Daemon] = []
        self._master = self._start("master.Master", "--host", "127.0.0.1", "--port", "0")
        self.url = self._master.said(r"Starting Spark master at (spark://\S+)")
        self.version = self._master.said(r"Running (Spark version \S+)")

    def add_workers(self, number: int) -> None:
        """Start workers of one core, and wait until the master has them."""
        asked = ("--host", "127.0.0.1", "--cores", "1", "--memory", "1g")
        added = [self._start("worker.Worker", *asked, self.url) for _ in range(number)]
        self.workers += added
        for worker in added:
            worker.said(r"(Successfully registered) with master")

    def kill(self, name: str) -> None:
        """Kill -9 a worker and its executors."""
        worker = next(each for each in self.workers if each.name == name)
        self.workers.remove(worker)
        worker.kill()

    def _start(self, program: str, *options: str) -> Daemon:
        folder = self.folder / f"{program.partition('.')[0]}-{len(list(self.folder.iterdir()))}"
        command = [str(home() / "bin" / "spark-class"), f"{_CLASS}.{program}", "--webui-port", "0"]
        return Daemon(folder, *command, *options)

    def stop(self) -> None:
        """Kill -9 all of it."""
        for each in (*self.workers, self._master):
            each.kill()


def environment(folder: Path) -> dict[str, str]:
    """Of all processes of Spark, drivers too. Those on a worker find the tests' modules as well."""
    return {
        **dict.fromkeys(("SPARK_LOCAL_DIRS", "SPARK_WORKER_DIR", "SPARK_LOG_DIR"), str(folder)),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # they start faster
        "PYTHONPATH": str(ROOT),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def home() -> Path:
    """Where PySpark has brought Spark. Raises NoSpark."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise NoSpark("PySpark is not installed; CONTRIBUTING.md tells how")
    return Path(spec.origin).parent


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Run a cluster whose files are in a folder. Raises NoSpark."""
    home()
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise NoSpark("there is no Java: install a runtime, 17 or later")
    # Spark notes there all that it knows of a job.
    noted = f"spark.eventLog.enabled true\nspark.eventLog.dir file://{folder}/events\n"
    (folder / "events").mkdir()
    (folder / "conf").mkdir()
    (folder / "conf" / "spark-defaults.conf").write_text(f"{noted}spark.eventLog.compress false\n")
    running = Cluster(folder)
    try:
        running.add_workers(workers)
        yield running
    finally:
        running.stop()
