"""Real shells for tests: keys are typed into them on a terminal, Tab among them."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.command_line import ROOT, Casestore
from tests.support.terminal import ON_IT

SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(casestore completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'bindkey -e; autoload -Uz compinit; compinit -u -D; eval "$(casestore completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "casestore completion fish | source"),
}


class Shell:
    """A shell that somebody types into."""

    def __init__(self, name: str, keyboard: int, folder: Path) -> None:
        self.name = name
        self.folder = folder
        """The folder that it is in."""
        self._keyboard = keyboard
        self._count = 0
        self.shown = ""

    def run(self, line: str) -> str:
        """Type a line and wait until it is done; gives what was shown meanwhile."""
        self._count += 1
        before = len(self.shown)
        self._type(f"{line}; echo do''ne-{self._count}-\n")
        self._until(f"done-{self._count}-")
        return _plain(self.shown[before:])

    def completed(self, line: str) -> str:
        """What a line becomes by Tab: the shell prints it instead of running it."""
        self._count += 1
        begin, end = f"<{self._count}[", f"]{self._count}>"
        # A shell reads on when the completion is there. Ctrl-E is the end of the line, Ctrl-A its
        # beginning.
        self._type(f"{line}\t\x05]{self._count}>'\x01echo '<{self._count}''[\n")
        pattern = re.compile(re.escape(begin) + r"(.*?)" + re.escape(end), re.DOTALL)
        self._until(end, pattern)
        found = pattern.findall(_plain(self.shown))
        return str(found[-1]).replace("\r", "").replace("\n", "")

    def _type(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def _until(self, text: str, pattern: re.Pattern[str] | None = None) -> None:
        deadline = time.monotonic() + 60
        while not (pattern.search(_plain(self.shown)) if pattern else text in self.shown):
            assert time.monotonic() < deadline, f"{text!r} is not shown: {self.shown[-2000:]!r}"
            self._read(0.2)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._keyboard], [], [], seconds)[0]:
            return False
        data = os.read(self._keyboard, 1 << 16).decode(errors="replace")
        self.shown += data
        # fish asks the terminal what it is, and waits for an answer.
        if "\x1b[c" in data or "\x1b[0c" in data:
            self._type("\x1b[?6c")
        return True


def _plain(text: str) -> str:
    text = re.sub(
        r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07|\x1b[=>]", "", text
    )
    return text


@contextmanager
def shell(name: str, casestore: Casestore, folder: Path) -> Iterator[Shell]:
    """A shell in which `casestore` is installed and completed."""
    bin_ = folder / "bin"
    bin_.mkdir()
    program = bin_ / "casestore"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m casestore "$@"\n')
    program.chmod(0o755)
    env = {key: value for key, value in {**os.environ, **casestore.env}.items() if value}
    env |= {
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ZDOTDIR": str(folder),
        "TERM": "dumb" if name == "zsh" else "xterm",
        "LC_ALL": "C.UTF-8",
        "PS1": "$ ",
        "COLUMNS": "500",
        "HISTFILE": "",
        "CASESTORE_PAGER": "cat",
        "INPUTRC": "/dev/null",
    }
    own, other = os.openpty()
    args, setup = SETUP[name]
    fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 500, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", ON_IT, *args],
        cwd=folder,
        env=env,
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    try:
        made = Shell(name, own, folder)
        made.run(setup)
        yield made
    finally:
        process.kill()
        process.wait()
        os.close(own)
