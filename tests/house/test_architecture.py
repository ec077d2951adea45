"""The house: what may import what, what stands at the top, and that the project stands alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {"casestore": set(), "projections": {"casestore"}, "cli": {"casestore", "projections"}}
AT_THE_TOP = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "casestore",
    "cli",
    "constraints.txt",
    "docs",
    "projections",
    "pyproject.toml",
    "tests",
}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_from_cli_to_projections_to_casestore(package: str) -> None:
    ours = set(MAY_IMPORT) | {"tests"}
    for path in (ROOT / package).rglob("*.py"):
        wrong = (imported(path) & ours) - MAY_IMPORT[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_the_postgres_modules_need_psycopg() -> None:
    users = {p.name for p in (ROOT / "casestore").rglob("*.py") if "psycopg" in imported(p)}
    assert users == {"postgres.py", "postgres_datastore.py", "postgres_writing.py"}
    code = "import casestore, sys; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_nothing_else_stands_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= AT_THE_TOP


def test_the_project_names_no_machine_and_no_folder_outside() -> None:
    """Tests alone may look for real data beside the project."""
    outside = ("../" + "shared", "/" + "root/", "/" + "work/", "pypi-" + "more")
    for path in tracked():
        inside = path.relative_to(ROOT).parts[0]
        if inside in ("tests", ".ci") or path.suffix == ".db":
            continue
        text = path.read_text("utf-8")
        assert not [each for each in outside if each in text], path
