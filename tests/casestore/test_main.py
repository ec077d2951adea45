"""The start of the command line, where another project has a cli or a projections of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AS_A_MODULE = ("-m", "casestore")
AS_THE_CONSOLE_SCRIPT = ("-c", "from casestore.__main__ import main; main()")


def run(
    start: tuple[str, ...], *args: str, cwd: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own, with a folder before all others on its path."""
    env = {**os.environ, "CASESTORE_URL": f"sqlite:///{cwd}/store.db"}
    env.pop("CASESTORE_KEY_FILE", None)
    env["PYTHONPATH"] = os.pathsep.join(map(str, [*([] if path is None else [path]), ROOT]))
    return subprocess.run(
        [sys.executable, *start, *args],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A folder with a service that has a cli and a projections of its own."""
    folder = tmp_path / "service"
    for name in ("cli", "projections"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('the service')\n")
    return folder


def use(start: tuple[str, ...], cwd: Path, path: Path | None) -> None:
    """Make a store, report on it, and rebuild it in processes of their own."""
    opened = ("case:1", "CaseOpened", "customer_id=c1", "channel=email", "--actor", "agent:ana")
    for command in (
        ("init",),
        ("record", *opened),
        ("projections", "rebuild", "--processes", "2"),
        ("cases",),
    ):
        ran = run(start, *command, cwd=cwd, path=path)
        assert ran.returncode == 0, ran
    assert "c1" in ran.stdout


def test_it_goes_on_with_ours_in_the_folder_of_a_service(service: Path) -> None:
    use(AS_A_MODULE, service, None)


@pytest.mark.parametrize("start", [AS_A_MODULE, AS_THE_CONSOLE_SCRIPT])
def test_it_goes_on_with_ours_where_the_path_has_a_service(
    start: tuple[str, ...], service: Path, tmp_path: Path
) -> None:
    use(start, tmp_path, service)


def test_it_goes_on_with_ours_beside_a_module_or_a_plain_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "cli.py").write_text("raise SystemExit('the service')\n")
    (tmp_path / "projections").mkdir()
    use(AS_A_MODULE, tmp_path, None)


@pytest.mark.parametrize("name", ["cli", "projections"])
def test_it_says_in_one_line_what_was_installed_over_ours(name: str, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "site-packages", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for package in ("casestore", "projections", "cli"):
        shutil.copytree(ROOT / package, installed / package)
    assert run(AS_A_MODULE, "--version", cwd=elsewhere, path=installed).returncode == 0
    (installed / name / "__init__.py").write_text("")  # as another project's wheel would do

    ran = run(AS_A_MODULE, "--version", cwd=elsewhere, path=installed)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith(f"casestore: the package {name!r} in {installed / name}")
    assert "install casestore into an environment of its own" in ran.stderr
