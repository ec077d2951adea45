"""Running `casestore` in tests: within this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from casestore import CaseStore
from casestore.transfer.ndjson import import_lines
from cli.main import cli
from cli.terminal.options import Settings

ROOT = Path(__file__).resolve().parents[2]
ENV = dict.fromkeys(
    (
        *("CASESTORE_URL", "CASESTORE_ACTOR", "CASESTORE_KEY_FILE", "CASESTORE_TZ"),
        *("CASESTORE_FIRM", "CASESTORE_DEBUG", "NO_COLOR"),
    )
)


_STREAMS = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


class Ran(NamedTuple):
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def fine(self) -> Ran:
        assert self.code == 0, self.err
        assert self.err == ""
        return self

    def failed(self, code: int) -> str:
        """The one line that says why."""
        assert self.code == code, self
        assert self.err.startswith("casestore: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("casestore: ").rstrip("\n")


class Casestore:
    """The command line, on one store."""

    def __init__(self, url: str | None = None, **env: str | None) -> None:
        self.clock: Callable[[], datetime] | None = None
        """Gives the present time to commands that run in this process; the machine's, if None."""
        self.env: dict[str, str | None] = {**ENV, "COLUMNS": "80", "CASESTORE_URL": url, **env}

    def __call__(self, *args: str, stdin: str | bytes | None = None) -> Ran:
        runner = CliRunner(env=self.env)
        result = runner.invoke(
            cli, args, input=stdin, prog_name="casestore", obj=Settings(self.clock)
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def process(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the command as a process of its own."""
        env = {name: value for name, value in {**os.environ, **self.env}.items() if value}
        return subprocess.Popen(
            [sys.executable, "-m", "casestore", *args],
            env=env,
            **{"cwd": ROOT, **_STREAMS, **options},
        )

    def spawn(self, *args: str, **options: Any) -> Ran:
        """Run the command as a process of its own, to its end."""
        process = self.process(*args, **options)
        out, err = process.communicate(timeout=60)
        return Ran(process.returncode, out.decode(), err.decode())


NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
"""The time at which the clock of the demo's store stands: after all its stories."""


def demo_store(folder: Path) -> Casestore:
    """The command line on a store with the demo's stories."""
    url = f"sqlite:///{folder}/demo.db"
    with CaseStore.create(url, clock=lambda: NOW) as store:
        result = import_lines(store, (ROOT / "cli" / "stories.ndjson").read_bytes().splitlines())
    assert not result.refused
    return Casestore(url)


def in_terminal(casestore: Casestore, *args: str, answer: str = "") -> str:
    """What a terminal shows of a command, to which somebody types an answer and Enter."""
    keyboard, terminal = pty.openpty()
    process = casestore.process(*args, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.write(keyboard, answer.encode() + b"\n")
    shown = b""
    with suppress(OSError):  # so the end of a terminal is told
        while got := os.read(keyboard, 4096):
            shown += got
    process.wait(60)
    os.close(keyboard)
    return shown.decode()
