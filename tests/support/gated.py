"""Tasks of a fold that wait on a worker of Spark until a test lets them go on."""

from __future__ import annotations

from pathlib import Path

from projections.folding.tasks import Done, Task, run
from tests.support.processes import wait_until


class Gate:
    """A folder beside that of a fold: the names of tasks that have begun, and when to go on."""

    def __init__(self, out: str | Path) -> None:
        self._folder = Path(out).with_name("gate")
        self._folder.mkdir(exist_ok=True)

    def wait(self, task: int) -> None:
        """Note the task and the worker that runs it, and wait."""
        # An executor runs in the folder of its application, in that of its worker.
        (self._folder / f"{task}.{Path.cwd().parents[1].name}").touch()
        wait_until((self._folder / "open").exists)

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
