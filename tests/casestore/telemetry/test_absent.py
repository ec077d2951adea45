"""Where nobody is told: nothing is imported, and an append hardly notices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.collector import ROOT

BEGIN = """
import os, sys
from casestore import *
from tests.support.notes import note, opened
os.environ["CASESTORE_KEY_FILE"] = "key"
store = CaseStore.create("sqlite:///store.db")
store.append("case:1", opened())
from casestore.telemetry import telling
"""


def run(script: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_nothing_of_ours_imports_opentelemetry(tmp_path: Path) -> None:
    """A store, the reports, the audit, the command line."""
    script = """
from casestore.audit import sealing, verifying
from projections import PROJECTIONS, Runner, reports
import cli.commands.reports, casestore.transfer.ndjson
reports.cases(store)
with Runner(store) as runner: runner.rebuild()
from cli.main import cli
try: cli(["--db", "sqlite:///store.db", "cases"], prog_name="casestore")
except SystemExit: pass
print([each for each in sys.modules if "opentelemetry" in each])
"""
    assert run(BEGIN + script, tmp_path)[-1] == "[]"


def test_the_package_may_be_absent(tmp_path: Path) -> None:
    script = """
sys.modules["opentelemetry"] = None  # so that it cannot be imported
print(store.append("case:1", note()).position, telling.found())
"""
    assert run(BEGIN + script, tmp_path) == ["3 None"]


def test_where_a_library_has_the_api_alone_nobody_is_told(tmp_path: Path) -> None:
    """And a provider that is set later is seen a moment later."""
    script = """
import time
from opentelemetry import metrics, trace
def found(): return time.sleep(0.2) or telling.found()
print(found(), store.append("case:1", note()).position)
trace.set_tracer_provider(trace.NoOpTracerProvider())
print(found())
from opentelemetry.sdk.metrics import MeterProvider
metrics.set_meter_provider(MeterProvider())
print(found() is not None, store.append("case:1", note()).position)
"""
    assert run(BEGIN + script, tmp_path) == ["None 3", "None", "True 4"]


def test_a_version_that_lacks_what_is_needed_is_told_nothing_and_this_is_said_once(
    tmp_path: Path,
) -> None:
    script = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
def old(*args, **kwargs): raise TypeError("an unexpected keyword argument")
metrics.get_meter = old
for n in range(3): print(store.append("case:1", note()).position)
"""
    said, *positions = run(BEGIN + script, tmp_path)
    assert said == "OpenTelemetry is told nothing: an unexpected keyword argument"
    assert positions == ["3", "4", "5"]


def test_an_append_that_nobody_is_told_of_makes_few_calls_for_it(tmp_path: Path) -> None:
    """About a microsecond; the time itself was measured by hand, as machines are noisy."""
    script = """
calls = {"telemetry": 0, "all": 0}
def count(frame, event, arg):
    if event in ("call", "c_call"):
        calls["all"] += 1
        calls["telemetry"] += "telemetry" in frame.f_code.co_filename
if len(sys.argv) > 1: import opentelemetry.trace, opentelemetry.metrics
event = note()
telling.found()
sys.setprofile(count)
store.append("case:1", event)
sys.setprofile(None)
print(calls["telemetry"], calls["all"])
"""
    for more in ("", "import opentelemetry.trace, opentelemetry.metrics\n"):
        (counted,) = run(BEGIN + more + script, tmp_path)
        telemetry, everything = map(int, counted.split())
        assert telemetry <= 12
        assert everything > 20 * telemetry
        for each in tmp_path.iterdir():
            each.unlink()
