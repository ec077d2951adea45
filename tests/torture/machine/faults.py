"""Faults from outside, at the moments that the plan says."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from random import Random
from typing import Any

import psycopg

from tests.support.postgres_server import NoServer, Server
from tests.torture.machine.crew import Crew, Member
from tests.torture.machine.logs import Log
from tests.torture.machine.plan import Fault, faults
from tests.torture.machine.proxy import Proxy
from tests.torture.machine.worker import RAISES

_STARTS = 4
"""How often a server is started, where the machine is so slow that it does not answer in time."""
_READY = 60.0


class Faults:
    """Injects faults.

    Args:
        crew: the workers.
        log: the machine's.
        server: ours, on PostgreSQL.
        proxy: before it.
    """

    def __init__(
        self, crew: Crew, log: Log, server: Server | None = None, proxy: Proxy | None = None
    ) -> None:
        self._crew, self._log = crew, log
        self._server, self._proxy = server, proxy
        self._later: list[tuple[float, Callable[[], object]]] = []
        """What ends a fault, and when."""
        self._chance = Random()

    def run(self, seed: int, kinds: tuple[str, ...], backend: str, seconds: float) -> None:
        """Inject faults for some seconds, and end all of them."""
        end = time.monotonic() + seconds
        for fault in faults(seed, kinds, backend):
            self._wait(min(end, time.monotonic() + fault.wait))
            if time.monotonic() >= end:
                break
            self._chance.seed(fault.pick)
            self._log.line(fault=fault.kind, how=fault.how, **(self._inject(fault) or {}))
            self._crew.look()
        self._wait(end)
        for _, ends in self._later:
            ends()
        self._later.clear()
        self._crew.look()
        if self._server is not None:
            self._until_ready(self._server)

    def _wait(self, until: float) -> None:
        while (now := time.monotonic()) < until:
            due = [each for each in self._later if each[0] <= now]
            self._later = [each for each in self._later if each[0] > now]
            for _, ends in due:
                ends()
            time.sleep(max(0.0, min(0.02, until - now)))

    def _inject(self, fault: Fault) -> dict[str, Any] | None:
        member = self._crew.members[int(fault.pick * len(self._crew.members))]
        match fault.kind:
            case "kill":
                member.kill()
                member.start()
            case "signal":
                member.send(RAISES)
            case "pause":
                self._pause(member, fault)
            case "restart" if self._server is not None:
                self._restart(self._server, fault)
            case "cut":
                return {"cut": self._cut(fault)}
            case "diskfull" if self._server is not None:
                return {"backends": self._fill(self._server, fault), "room": fault.room}
            case _:
                raise AssertionError(fault.kind)
        return {"worker": member.task.name} if fault.kind in ("kill", "signal", "pause") else None

    def _pause(self, member: Member, fault: Fault) -> None:
        pid = member.process.pid
        member.send(signal.SIGSTOP)

        def go_on() -> None:
            if member.process.pid == pid:  # else it was killed meanwhile
                member.send(signal.SIGCONT)

        self._later.append((time.monotonic() + fault.long, go_on))

    def _restart(self, server: Server, fault: Fault) -> None:
        if fault.how == "kill":
            self._until_ready(server)
            try:
                server.kill()
            except psycopg.OperationalError:  # it went away meanwhile, of the fault before
                server.stop_at_once()
        else:
            {"fast": server.stop, "immediate": server.stop_at_once}[fault.how]()
        time.sleep(fault.long / 5)
        self._start(server)

    @staticmethod
    def _start(server: Server) -> None:
        for left in reversed(range(_STARTS)):
            try:
                server.start()
            except NoServer:
                if not left:
                    raise
            else:
                return

    @staticmethod
    def _until_ready(server: Server) -> None:
        """Wait: after a crash of one process, the server ends all others, and recovers."""
        deadline = time.monotonic() + _READY
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(server.url, connect_timeout=5).close()
                return
            if time.monotonic() > deadline:
                raise NoServer("the server does not answer any more")
            time.sleep(0.05)

    def _cut(self, fault: Fault) -> int:
        if fault.how == "proxy" and self._proxy is not None:
            return self._proxy.cut(0.7, self._chance)
        cut = 0
        with suppress(psycopg.Error):
            for pid in self._backends():
                if self._chance.random() < 0.5:
                    self._ask("SELECT pg_terminate_backend(%s)", pid)
                    cut += 1
        return cut

    def _fill(self, server: Server, fault: Fault) -> int:
        """Let some of the server's processes write no file beyond so many bytes."""
        limited = []
        with suppress(psycopg.Error):
            for pid in self._backends():
                if self._chance.random() < 0.7:
                    limited += [pid] * _limit(pid, fault.room)
        self._later.append(
            (time.monotonic() + fault.long, lambda: [_limit(p, None) for p in limited])
        )
        return len(limited)

    def _backends(self) -> list[int]:
        sql = (
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() ORDER BY pid"
        )
        return [pid for (pid,) in self._ask(sql)]

    def _ask(self, sql: str, *params: object) -> list[Any]:
        assert self._server is not None
        with closing(psycopg.connect(self._server.url, autocommit=True)) as connection:
            return connection.execute(sql.encode(), params).fetchall()


def _limit(pid: int, room: int | None) -> bool:
    """Set how long files of a process may get; None for as long as it may. Whether it is there."""
    if not hasattr(resource, "prlimit"):  # only Linux has it
        return False
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if room is None else room, hard))
    except (ProcessLookupError, PermissionError):
        return False
    return True
