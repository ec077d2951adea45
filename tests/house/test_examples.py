"""What holds for each folder of docs/examples: it is typed, listed, and tried by a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import ROOT

FOLDER = ROOT / "docs" / "examples"
EXAMPLES = sorted(path.name for path in FOLDER.iterdir() if any(path.glob("*.py")))
UNTYPED = {
    "django": (
        "--disable-error-code=import-untyped",
        *("--allow-subclassing-any", "--allow-untyped-decorators", "--no-warn-return-any"),
        "--exclude=migrations",
    )
}
"""What mypy has to overlook because Django has no types of its own."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_typed(name: str, tmp_path: Path) -> None:
    strict = ("--strict", "--config-file", str(ROOT / "pyproject.toml"), *UNTYPED.get(name, ()))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *strict, "--cache-dir", str(tmp_path), "."],
        cwd=FOLDER / name,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_listed_and_tried(name: str) -> None:
    assert f"]({name}/README.md)" in (FOLDER / "README.md").read_text("utf-8")
    assert (FOLDER / name / "README.md").is_file()
    assert (ROOT / "tests" / "house" / f"test_example_{name}.py").is_file()
