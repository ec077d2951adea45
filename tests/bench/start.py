"""How quickly the command line starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.race import Floor, race, seconds


def bench_start(rounds: int) -> list[Floor]:
    """How quickly `casestore --help` starts and ends."""
    root = Path(__file__).parents[2]

    def run(*args: str) -> float:
        command = [sys.executable, *args]
        return seconds(lambda: subprocess.run(command, cwd=root, check=True, capture_output=True))

    times = race(
        rounds * 3,
        click=lambda: run("-c", "import click"),
        ours=lambda: run("-m", "casestore", "--help"),
    )
    return [Floor("casestore --help", "import click", times["click"] / times["ours"], 0.5)]
