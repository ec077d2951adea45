"""A standalone cluster of Spark on loopback: a master and workers, each a process of its own.

All their files are in one folder, and their ports are free ones. A worker's executors and what
these run are in its process group, but for Python's daemon, which ends when its executor has.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from tests.support.command_line import ROOT
from tests.support.processes import wait_until

_CLASS = "org.apache.spark.deploy"

# A test run that is killed runs no `finally`: when the stdin of this process ends, so does the group
# of the program that it runs.
GUARDED = '"$@" & read -r _; kill -KILL 0'


class NoSpark(Exception):  # noqa: N818  (tests skip on it: it is no error)
    """No Spark can be had here; the message says why."""


class Daemon:
    """A master or a worker."""

    def __init__(self, folder: Path, *command: str) -> None:
        folder.mkdir()
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", GUARDED, "guarded", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=_environment(folder),
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
        self._folder = folder
        self._master = self._start("master.Master", "--host", "127.0.0.1", "--port", "0")
        self.workers: list[Daemon] = []
        self.url = self._master.said(r"Starting Spark master at (spark://\S+)")

    def add_worker(self) -> Daemon:
        """Start a worker of one core, and wait until the master has it."""
        asked = ("--host", "127.0.0.1", "--cores", "1", "--memory", "1g")
        worker = self._start("worker.Worker", *asked, self.url)
        self.workers.append(worker)
        worker.said(r"(Successfully registered) with master")
        return worker

    def _start(self, program: str, *options: str) -> Daemon:
        folder = self._folder / f"{program.partition('.')[0]}-{len(list(self._folder.iterdir()))}"
        command = [str(home() / "bin" / "spark-class"), f"{_CLASS}.{program}", "--webui-port", "0"]
        return Daemon(folder, *command, *options)

    def stop(self) -> None:
        for each in (*self.workers, self._master):
            each.kill()


def _environment(folder: Path) -> dict[str, str]:
    """Of a daemon, and so of what it starts: workers find the tests' own modules too."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    places = ("SPARK_LOCAL_DIRS", "SPARK_WORKER_DIR", "SPARK_LOG_DIR")
    return {
        **given,
        **dict.fromkeys(places, str(folder)),
        "PYTHONPATH": str(ROOT),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
    }


def home() -> Path:
    """Where PySpark has brought Spark. Raises NoSpark."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise NoSpark(f"PySpark is not installed: {sys.executable} -m pip install '.[spark]'")
    return Path(spec.origin).parent


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Run a cluster whose files are in a folder. Raises NoSpark."""
    home()
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise NoSpark("there is no Java: install a runtime, 17 or later")
    running = Cluster(folder)
    try:
        for _ in range(workers):
            running.add_worker()
        yield running
    finally:
        running.stop()
