"""A collector of telemetry, in the test's own process, and programs that tell it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any, NamedTuple

from tests.support.exporting import PORT

ROOT = Path(__file__).parents[2]
_SET_UP = "from tests.support.exporting import set_up\nset_up()\n"
SYSTEM = "db.system.name"


class Told(NamedTuple):
    """A span as it was exported."""

    name: str
    kind: str
    id: str
    parent: str | None
    trace: str
    status: str
    said: dict[str, Any]
    """Its attributes; the database's name aside, which all have."""
    database: str

    @property
    def outcome(self) -> str:
        return str(self.said["casestore.outcome"])


class Point(NamedTuple):
    """A value of a metric, as it was exported last."""

    unit: str
    said: dict[str, Any]
    """Its attributes; the database's name aside."""
    value: float
    """The sum, of a histogram."""
    times: int
    """How often it was measured, of a histogram."""


class Collector:
    """What was told."""

    def __init__(self, port: int, site: Path) -> None:
        self.lines: list[str] = []
        """All that came, as it came."""
        self._own = {PORT: str(port), "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}

    @property
    def spans(self) -> list[Told]:
        found = []
        for each in map(json.loads, self.lines):
            if "context" in each:
                said = {**each["attributes"]}
                database = said.pop(SYSTEM, "")
                kind, status = each["kind"].rpartition(".")[2], each["status"]["status_code"]
                ids = each["context"]["span_id"], each["parent_id"], each["context"]["trace_id"]
                found.append(Told(each["name"], kind, *ids, status, said, database))
        return found

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans if span.name == name]

    def points(self, name: str) -> list[Point]:
        """The values of a metric that were exported last."""
        found: list[Point] = []
        for each in map(json.loads, self.lines):
            for resource in each.get("resource_metrics", ()):
                for metric in resource["scope_metrics"][0]["metrics"]:
                    if metric["name"] == name:
                        found = [_point(metric, one) for one in metric["data"]["data_points"]]
        return found

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start Python under the SDK."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **self._own, **env},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        """Run Python under the SDK until it ends, and give what it printed."""
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        return out

    def talk(self, script: str, url: str) -> subprocess.Popen[str]:
        """Start a script as `story` does; the test talks with it."""
        return self.start("-W", "error", "-c", _BEGIN + script, CASESTORE_URL=url)

    def story(self, script: str, url: str) -> str:
        """Run a script under the SDK. It has `store`, `tracer`, and the plainest events."""
        return self.run("-W", "error", "-c", _BEGIN + script, CASESTORE_URL=url)


_BEGIN = """
from contextlib import suppress
from opentelemetry import metrics, trace
from casestore import *
from tests.support.notes import ANNA, T, note, opened
tracer, store = trace.get_tracer("service"), CaseStore.open()
"""


def _point(metric: dict[str, Any], given: dict[str, Any]) -> Point:
    said = {**given["attributes"]}
    assert said.pop(SYSTEM) in ("sqlite", "postgresql")
    return Point(
        metric["unit"], said, given["sum" if "sum" in given else "value"], given.get("count", 1)
    )


@contextmanager
def collecting(folder: Path) -> Iterator[Collector]:
    """A collector; the folder is for what processes need to tell it."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SET_UP, "utf-8")

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            collector.lines += self.rfile.read().decode().splitlines()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_address[1], site)
        thread = Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
