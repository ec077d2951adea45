"""A program that runs as a process of its own, and answers at a port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def python(
    folder: Path, *arguments: str, env: dict[str, str], codes: Sequence[int] = (0,)
) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder to its end; `codes` are the exit codes that it may end with."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=surroundings(env),
        text=True,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return done


def surroundings(env: dict[str, str]) -> dict[str, str]:
    """The environment of a program that uses this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **env}


class Running:
    """A server, which may be stopped, killed and started again at the same port."""

    def __init__(self, folder: Path, said: Path, *arguments: str, env: dict[str, str]) -> None:
        """Start nothing yet.

        Args:
            folder: where to run it.
            said: the file for what it says.
            arguments: those of Python; {port} in one of them is the port.
            env: its environment, beside the usual.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder, self._said, self._env = folder, said, surroundings(env)
        self._arguments = [each.format(port=self.port) for each in arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def said(self) -> str:
        """What it said until now."""
        return self._said.read_text()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=self._folder,
                env=self._env,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self._process.poll() is None, self.said
                assert time.monotonic() < deadline, self.said
                time.sleep(0.05)
            else:
                return

    def ask_to_end(self) -> None:
        """Send SIGTERM, as a supervisor does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait until it ends; its exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill -9 it, and its workers."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
