"""A real terminal for tests: `casestore` runs on a pseudo-terminal of a given size."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.command_line import ROOT, Casestore, Ran

ON_IT = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal the process's own, so that Ctrl-C and the keys of a pager reach it."""


class Terminal:
    """A process that runs on a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor

    def read(self, until: str | None = None, seconds: float = 60) -> str:
        """What is shown, until a text is, or the process ends."""
        deadline = time.monotonic() + seconds
        while until is None or until not in self.shown:
            assert time.monotonic() < deadline, f"{until!r} is not shown: {self.shown!r}"
            if not select.select([self._descriptor], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self._descriptor, 1 << 16)
            except OSError:  # nobody has the terminal open any more
                break
            if not data:
                break
            self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return self.shown

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def interrupt(self) -> None:
        """Ctrl-C: the signal that the terminal sends to all that run on it."""
        self.type("\x03")

    def end(self) -> Ran:
        """Read to the end."""
        self.read()
        return Ran(self.process.wait(60), self.shown, "")


@contextmanager
def terminal(
    casestore: Casestore, *args: str, columns: int = 80, lines: int = 24, **env: str | None
) -> Iterator[Terminal]:
    """Run the command line on a terminal of its own; `python` arguments if args begin with -c."""
    own, other = os.openpty()
    fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    told = {"TERM": "xterm", "COLUMNS": None, "LINES": None, "PAGER": None, "LESS": None}
    whole = {**os.environ, **casestore.env, "CASESTORE_PAGER": None, **told, **env}
    given = args if args[0] == "-c" else ("-m", "casestore", *args)
    process = subprocess.Popen(
        [sys.executable, "-c", ON_IT, sys.executable, *given],
        cwd=ROOT,
        env={name: value for name, value in whole.items() if value is not None},
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    try:
        yield Terminal(process, own)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(own)


_MANY = """
import shlex, sys
from cli.main import cli
for command in sys.argv[1:]:
    print(f"$ casestore {command}", flush=True)
    cli.main(["--quiet", *shlex.split(command)], "casestore", standalone_mode=False)
    print(flush=True)
"""


def screens(casestore: Casestore, commands: Sequence[str], columns: int) -> str:
    """What several commands show on one terminal, one after another, without styles."""
    env: dict[str, Any] = {"NO_COLOR": "1", "PAGER": ""}
    with terminal(casestore, "-c", _MANY, *commands, columns=columns, **env) as shown:
        ran = shown.end()
    assert ran.code == 0, ran.out
    return ran.out
