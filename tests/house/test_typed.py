"""A service that installs the wheel has the types that the code has: no Any, and no ignore."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "tests" / "support" / "service.py"
MISTAKES = """
from casestore import CaseStore, CaseStoree
from casestore import Recorded, Withheld
from projections import reports

def told(store: CaseStore) -> None:
    CaseStore.open("sqlite:///x.db", clok=None)
    store.append("case:1", "CaseOpened")
    store.append_all([("case:1", [1])])
    for recorded in store.follow():
        recorded.occurred_att
    store.history("case:1").effective[0].event.text
    reports.promises(store, brokn=True)
    reports.promises(store, due=7)
    reports.promises(store).rows[0].promised_by
    reports.promises(store).summary["kept_rate"] + 1
    store.customer("c1").preferences["language"].upper()
    Withheld("words")
"""
"""There is a mistake in the first import, and in each statement of the function."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("built")
    for kind in ("wheel", "sdist"):
        _run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder), cwd=ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def environment(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a fresh environment that has the wheel, and our own one's dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = next(folder.glob("bin/python")) if os.name != "nt" else folder / "Scripts/python.exe"
    installing = ("install", "-q", "--no-deps", "--no-index", str(built[0]))
    _run(sys.executable, "-m", "pip", "--python", str(python), *installing)
    where = json.loads(
        _run(str(python), "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))")
    )
    # A folder that is named in a .pth file is on the path, and its own .pth files do not count: so
    # the checkout, which is installed there to be edited, is not.
    site = Path(where["purelib"])
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _run(*command: str, cwd: Path | None = None, codes: tuple[int, ...] = (0,)) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout


def checked(source: str, folder: Path, environment: Path, *flags: str) -> list[str]:
    """What mypy says of a program, with the packages of an environment."""
    (folder / "service.py").write_text(source)
    options = ("--python-executable", str(environment), "--config-file", os.devnull)
    cache = ("--cache-dir", str(environment.parent / "cache"))
    mypy = (sys.executable, "-m", "mypy", *options, *cache, "--strict", *flags, "service.py")
    told = _run(*mypy, cwd=folder, codes=(0, 1))
    return [line for line in told.splitlines() if ": error: " in line]


def test_what_is_shipped_says_that_it_is_typed(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    marks = {"casestore/py.typed", "projections/py.typed"}
    assert marks <= set(ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        assert marks <= {name.partition("/")[2] for name in archive.getnames()}


def test_a_service_is_checked_without_any_and_without_an_ignore(
    environment: Path, tmp_path: Path
) -> None:
    source = SERVICE.read_text("utf-8")
    assert "Any" not in source
    assert "ignore" not in source
    assert checked(source, tmp_path, environment, "--disallow-any-expr") == []


def test_a_mistake_of_a_service_is_found(environment: Path, tmp_path: Path) -> None:
    found = checked(MISTAKES, tmp_path, environment)
    lines = {int(re.match(r"service\.py:(\d+)", line)[1]) for line in found}  # type: ignore[index]
    with_a_mistake = {
        number
        for number, line in enumerate(MISTAKES.splitlines(), 1)
        if line.startswith("    ") and not line.strip().startswith("for ")
    }
    assert lines == with_a_mistake | {2}


def test_the_service_runs(environment: Path, tmp_path: Path) -> None:
    where = _run(
        str(environment), "-c", "import casestore; print(casestore.__file__)", cwd=tmp_path
    )
    assert not Path(where).is_relative_to(ROOT)
    url = f"sqlite:///{tmp_path}/store.db"
    told = _run(str(environment), str(SERVICE), url, cwd=tmp_path).splitlines()
    assert told[0].startswith("True at 4")
    assert told[1:3] == ["mail-1-1: It never came.", "p1 by 2026-03-04"]
    assert told[-1] == "7"
