"""The dbt project of docs/examples over an export of reports: its numbers are those of the reports.

dbt needs other versions of libraries than our own tools, so it gets an environment of its own. That
is made once, from the example's requirements.txt, and is kept in pytest's cache. There is one test,
so that no two processes make it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import NOW, ROOT, Casestore, demo_store
from tests.support.exports import reported, rows_of

PROJECT = ROOT / "docs" / "examples" / "dbt"
REQUIRED = "CASESTORE_REQUIRE_DBT"
AS_OF = ("--as-of", NOW.isoformat())
PATIENCE = 600


@pytest.fixture
def dbt(pytestconfig: pytest.Config) -> Path:
    """Give the program `dbt`, in an environment of its own."""
    requirements = PROJECT / "requirements.txt"
    wanted = f"{sys.version} {requirements.read_text()}".encode()
    folder = pytestconfig.cache.mkdir(f"dbt-{hashlib.sha256(wanted).hexdigest()[:16]}")
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=PATIENCE)
        install = [str(folder / "bin" / "pip"), "install", "-q", "-r", str(requirements)]
        ran = subprocess.run(install, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if ran.returncode:
            absent = pytest.fail if os.environ.get(REQUIRED) == "1" else pytest.skip
            absent(f"no dbt: pip cannot install {requirements}: {ran.stderr[-500:]}")
        whole.touch()
    return folder / "bin" / "dbt"


def built(dbt: Path, casestore: Casestore, folder: Path) -> Path:
    """Export the reports and run the project over them; gives the file of the models."""
    project = shutil.copytree(PROJECT, folder / "dbt")
    export = project / "complaints.sqlite"
    casestore("report", "export", "sqlite", str(export), *AS_OF).fine()
    before = export.read_bytes()
    ran = subprocess.run(
        [dbt, "build", "--profiles-dir", "."],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert " ERROR=0 SKIP=0 " in ran.stdout
    assert export.read_bytes() == before, "models stand in a file of their own"
    return project / "models.sqlite"


def test_its_models_say_what_the_reports_say(dbt: Path, tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    models = built(dbt, casestore, tmp_path)

    promises = next(reported(casestore, "promises", *AS_OF))["rows"]
    by_month = Counter((each["team"], each["made_at"][:7], each["state"]) for each in promises)
    rows = rows_of(models, "promises_by_team_and_month")
    assert sum(row["promises"] for row in rows) == len(promises)
    for row in rows:
        for state in ("kept", "late", "broken", "withdrawn"):
            assert row[state] == by_month[row["team"], row["month"], state]
    rates = next(reported(casestore, "promises --rate", *AS_OF))["rows"]
    for rate in rates:
        of_team = [row for row in rows if row["team"] == rate["team"]]
        assert sum(row["kept"] for row in of_team) == rate["kept"]
        if len(of_team) == 1:
            assert of_team[0]["kept_rate"] == rate["kept_rate"]

    spend = next(reported(casestore, "goodwill spend --by month|team", *AS_OF))["rows"]
    told = {
        (row["month"], row["currency"]): (row["gestures_sum"], row["remedies_sum"])
        for row in rows_of(models, "goodwill_by_month_and_currency")
    }
    assert told == {
        (each["group"], each["currency"]): (_number(each["sum"]), _number(each["remedies_sum"]))
        for each in spend
        if each["currency"]
    }
    assert len(told) == 3


def _number(money: dict[str, Any] | None) -> float | None:
    return None if money is None else float(money["amount"])
