"""How quickly the command line starts: CPU time, against `import click`, which it needs anyway."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.race import Floor, race

ROOT = Path(__file__).parents[2]
HELP, STORE = 0.77, 0.17
"""Floors: a help page costs at most 1.3 times as much, a command that reads a store six times."""
COMMANDS = (
    ("--help", HELP),
    ("cases --help", HELP),
    ("case show --help", HELP),
    ("record --help", HELP),
    ("cases", STORE),
    ("promises", STORE),
    ("lapses", STORE),
    ("waiting", STORE),
    ("overdue", STORE),
    ("breakdown --by team", STORE),
    ("period", STORE),
    ("goodwill spend --by team", STORE),
    ("responses", STORE),
    ("case show nine-days", STORE),
    ("case timeline nine-days", 0),
    ("projections status", STORE),
    ("events", STORE),
    ("doctor", 0),
)
"""What is measured, with its floor. The first report makes the tables, and is not counted."""


def bench_start(folder: Path, rounds: int) -> list[Floor]:
    """What commands cost on the demo's store, its tables up to date.

    Modules are read from their bytecode, as where casestore is installed.
    """
    env = {name: each for name, each in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
    env |= {"CASESTORE_URL": f"sqlite:///{folder}/demo/demo.db"}
    env.pop("COLUMNS", None)

    def cpu(*args: str) -> float:
        return _cpu([sys.executable, *args], env)

    def run(command: str) -> Callable[[], float]:
        return lambda: cpu("-m", "casestore", *command.split())

    cpu("-m", "casestore", "demo", str(folder / "demo"))
    for command, _ in COMMANDS:
        run(command)()  # once, for the tables and the bytecode
    contenders = {command: run(command) for command, _ in COMMANDS}
    times = race(rounds * 3, click=lambda: cpu("-c", "import click"), **contenders)
    return [
        Floor(f"casestore {command}", "import click", times["click"] / times[command], floor)
        for command, floor in COMMANDS
    ]


def _cpu(command: list[str], env: dict[str, str]) -> float:
    """The seconds of CPU that a process takes."""
    nowhere = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    process = os.posix_spawn(command[0], command, env, file_actions=[nowhere])
    _, status, used = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code == 0, f"{' '.join(command)} ended with {code}"
    return used.ru_utime + used.ru_stime
