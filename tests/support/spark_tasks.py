"""What workers of Spark do with tasks in tests: wait until they may go on, or fail."""

from __future__ import annotations

from pathlib import Path

from casestore import StoreDamaged
from projections.folding.tasks import Done, Task, run
from tests.support.processes import wait_until

LONG = 300.0
"""Seconds: Spark starts several Java processes on a machine that may have other work."""


class Gate:
    """A folder beside that of a fold: the names of tasks that have begun, and when to go on."""

    def __init__(self, out: str | Path) -> None:
        self._folder = Path(out).with_name("gate")
        self._folder.mkdir(exist_ok=True)

    def wait(self, task: int) -> None:
        """Note the task and the worker that runs it, and wait."""
        # An executor runs in the folder of its application, in that of its worker.
        (self._folder / f"{task}.{Path.cwd().parents[1].name}").touch()
        wait_until((self._folder / "open").exists, LONG)

    def workers(self) -> set[str]:
        """The workers on which a task has begun."""
        return {path.name.partition(".")[2] for path in self._folder.glob("*.*")}

    def open(self) -> None:
        """Let all tasks go on, those that have not begun too."""
        (self._folder / "open").touch()


def run_gated(task: Task) -> Done:
    """Run a task when its gate is open."""
    Gate(task.out).wait(task.number)
    return run(task)


def run_two_and_gate_others(task: Task) -> Done:
    """Run the first two tasks at once, and others when the gate is open."""
    return run(task) if task.number < 2 else run_gated(task)


def find_damage(task: Task) -> Done:
    """Raise one of our errors for the third task."""
    if task.number == 2:
        raise StoreDamaged("case:4711 has version 3 in the place of version 2")
    return Done(task.number, 0, 0, (0, ""), {}, {})


def find_no_folder(task: Task) -> Done:
    """Look for a folder that only the driver's machine has."""
    raise FileNotFoundError(2, "No such file or directory", f"{task.out}/promises")


def divide_by_zero(task: Task) -> Done:
    """Have a mistake."""
    raise ZeroDivisionError(f"in task {task.number}")
