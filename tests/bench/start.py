"""How soon the command line is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.race import Floor, race, seconds


def bench_start(rounds: int) -> list[Floor]:
    """How soon `casestore --help` is there."""
    root = Path(__file__).parents[2]

    def run(*args: str) -> float:
        command = [sys.executable, *args]
        return seconds(lambda: subprocess.run(command, cwd=root, check=True, capture_output=True))

    taken = race(
        rounds * 3,
        click=lambda: run("-c", "import click"),
        ours=lambda: run("-m", "cli.main", "--help"),
    )
    return [Floor("casestore --help", "import click", taken["click"] / taken["ours"], 0.5)]
