"""The torture machine: twenty seconds of it on each database, and every sabotage is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

SEED = "18"


def tortured(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.torture", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def sabotages() -> dict[str, str]:
    """What each of them breaks, by its name, and the check that must find it."""
    listed = tortured("--sabotage", "list")
    assert listed.returncode == 0, listed.stderr
    return {line.split()[0]: line.split()[1] for line in listed.stdout.splitlines()}


def check_a_run(*arguments: str, keep: Path) -> None:
    run = tortured(
        *("--seconds", "20", "--seed", SEED, "--sabotage", "all", "--keep", str(keep)), *arguments
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}\n{list(keep.rglob('*.log'))}"
    figures, _, found = run.stdout.partition("\nclean\n")
    assert "acknowledged" in figures
    assert "kill" in figures
    told = {line.split()[0]: line.split()[1].rstrip(":") for line in found.splitlines()}
    assert told == sabotages()


def test_sqlite_outlives_it_and_each_sabotage_is_found(tmp_path: Path) -> None:
    """Threads of one writer share commits; another writer has a wrong clock, and a full disk."""
    crowd = ("--writers", "2", "--threads", "3")
    check_a_run("--backend", "sqlite", *crowd, keep=tmp_path / "kept")


@pytest.mark.usefixtures("postgres_server")
def test_so_does_postgres(tmp_path: Path) -> None:
    """With a setting of the server: each commit waits as it would for a slower disk."""
    setting = ("--server-setting", "commit_delay=2000", "--server-setting", "commit_siblings=0")
    check_a_run("--backend", "postgres", *setting, keep=tmp_path / "kept")


def test_every_check_is_sabotaged() -> None:
    code = "from tests.torture.machine.checks import CHECKS; print(*CHECKS)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(sabotages().values()) == set(run.stdout.split())


def test_the_same_seed_gives_the_same_plan() -> None:
    code = (
        "import sys; from itertools import islice; from tests.torture.machine import plan; "
        "writer = plan.WriterPlan(int(sys.argv[1]), 'writer0', ('fork', 'clock', 'diskfull')); "
        "print([writer.step(n) for n in range(200)]); "
        "print(list(islice(plan.faults(int(sys.argv[1]), ('kill', 'cut'), 'postgres'), 200)))"
    )
    one, again, other = (
        subprocess.run(
            [sys.executable, "-c", code, seed], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "1", "2")
    )
    assert one == again != other
    assert len(one) > 10_000


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--faults", "restart"], "sqlite has no 'restart'"),
        (["--faults", "kill,flood", "--backend", "postgres"], "postgres has no 'flood'"),
        (["--backend", "mysql"], "invalid choice: 'mysql'"),
        (["--seconds", "0"], "must be more than 0"),
        (["--writers", "0"], "must be more than 0"),
        (["--threads", "0"], "must be more than 0"),
        (["--keep", "."], "is there already"),
        (["--sabotage", "everything"], "there is no 'everything'"),
        (["--server-setting", "fsync=on"], "is for --backend postgres"),
        (["--server-setting", "fsync", "--backend", "postgres"], "is not NAME=VALUE"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], why: str) -> None:
    run = tortured(*arguments)
    assert run.returncode == 2
    assert why in run.stderr
