"""The processes of a run: started, killed, started anew, and told to end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from tests.torture.machine import keepers, watchers, writers
from tests.torture.machine.logs import Log
from tests.torture.machine.worker import RAISES, Task, Worker, run

CONTEXT = get_context("forkserver")  # it has imported everything when a process is started
PRELOAD = [
    "tests.torture.machine.crew",
    "casestore.append.decision",
    "casestore.journal.postgres",
    "casestore.journal.sqlite",
    "projections.read_models",
]
ROLES: dict[str, Callable[[Worker], None]] = {
    "writer": writers.write,
    "reader": watchers.read,
    "follower": watchers.follow,
    "runner": keepers.project,
    "sealer": keepers.seals,
    "eraser": keepers.erases,
    "taker": keepers.backs_up,
    "rotator": keepers.rotates,
}
ENDS = 150.0
"""Seconds in which a worker must end when it is told to. An append may wait for a lock for 30."""


def start(task: Task, channel: Connection) -> None:
    run(ROLES[task.role], task, channel)


class Member:
    """A worker's process, and the next one in its place."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.process: Any = None
        self._channel: Connection | None = None
        self.groups: list[int] = []
        """The ids of all its processes. Each leads a group, in which are those that it forked."""

    def start(self) -> None:
        theirs, self._channel = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=start, args=(self.task, theirs), name=self.task.name)
        self.process.start()
        theirs.close()
        self.groups.append(self.process.pid)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def send(self, sign: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, sign)

    def tell_to_end(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class Crew:
    """All workers of a run.

    Args:
        tasks: what they are started for.
        log: the machine's.
    """

    def __init__(self, tasks: list[Task], log: Log) -> None:
        CONTEXT.set_forkserver_preload(PRELOAD)
        # A process that is just starting has no handler yet, and it would end.
        signal.signal(RAISES, signal.SIG_IGN)
        self.members = [Member(task) for task in tasks]
        self._log = log

    def start(self) -> None:
        for member in self.members:
            member.start()

    def look(self) -> None:
        """Start those anew that ended by themselves; the log says so, and it is a finding."""
        for member in self.members:
            if not member.process.is_alive():
                self._log.line(ended=member.task.name, code=member.process.exitcode)
                member.start()

    def end(self, roles: tuple[str, ...]) -> None:
        """Tell the workers of some roles to end, and wait. The log says who does not."""
        members = [member for member in self.members if member.task.role in roles]
        for member in members:
            member.tell_to_end()
        deadline = time.monotonic() + ENDS
        for member in members:
            member.process.join(max(0.0, deadline - time.monotonic()))
            if member.process.is_alive():
                self._log.line(hangs=member.task.name)
                member.kill()
            elif member.process.exitcode:
                self._log.line(ended=member.task.name, code=member.process.exitcode)
            self._end_children(member)

    def close(self) -> None:
        """End whoever is left."""
        for member in self.members:
            if member.process is not None and member.process.is_alive():
                member.kill()
            self._end_children(member)

    @staticmethod
    def _end_children(member: Member) -> None:
        for group in member.groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        member.groups.clear()
