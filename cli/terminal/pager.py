"""A pager, as git has it: for output on a terminal that is longer than the screen.

CASESTORE_PAGER names it, else PAGER, else it is `less`. An empty one, or `cat`, is none. `less` is
told FRX where LESS is not set: it ends by itself if all fits, keeps styles, and leaves the text on
the screen.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import IO

import click
from rich.cells import cell_len

from cli.terminal.options import settings
from cli.terminal.screen import height, is_dumb, width


def pager() -> str | None:
    """The command line of the pager to use; None if there is to be none."""
    if settings().no_pager or is_dumb():
        return None
    named = os.environ.get("CASESTORE_PAGER", os.environ.get("PAGER"))
    command = "less" if named is None else named.strip()
    if command in ("", "cat"):
        return None
    if shutil.which(_program(command)) is None:
        if named is not None:
            click.echo(f"casestore: there is no pager {command!r}; see PAGER", err=True)
        return None
    return command


def _program(command: str) -> str:
    """The program that a command line of a shell starts: LESS=R less -i starts less."""
    try:
        words = shlex.split(command)
    except ValueError:
        return "sh"  # the shell will say what is wrong
    return next((word for word in words if "=" not in word), "sh")


class Paged:
    """Text on its way to the terminal. A pager is started when it gets longer than the screen."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._held: list[bytes] = []
        self._lines = 0
        self._left = False

    def write(self, text: str) -> None:
        """Show text, or keep it while it may still fit on the screen."""
        data = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
        if self._process is not None:
            self._send(data)
            return
        self._held.append(data)
        wide = width()
        self._lines += sum(-(-cell_len(line) // wide) or 1 for line in text.splitlines())
        if self._lines >= height():  # the last line of a screen is the shell's next prompt
            self._process = self._start()
            for held in self._held:
                self._send(held)
            self._held.clear()

    def close(self) -> None:
        """Show what is left, and wait for the reader to leave the pager."""
        if self._process is None:
            for held in self._held:
                sys.stdout.buffer.write(held)
            sys.stdout.flush()
            return
        with suppress(BrokenPipeError):
            self._pipe().close()
        while True:
            try:
                self._process.wait()
            except KeyboardInterrupt:  # Ctrl-C in a pager is the pager's: it ends a search, say
                continue
            return

    def _start(self) -> subprocess.Popen[bytes]:
        sys.stdout.flush()
        options = "FRSX" if settings().wide else "FRX"  # S: long lines go on to the right
        env = {"LESS": options, "LV": "-c", **os.environ}
        return subprocess.Popen(  # noqa: S602  (a pager is a command line of its user, as for git)
            self._command,
            shell=True,
            stdin=subprocess.PIPE,
            env=env,
            bufsize=0,  # to close the pipe must not wait for a reader who reads no further
        )

    def _pipe(self) -> IO[bytes]:
        assert self._process is not None  # noqa: S101  (it is called where a pager runs)
        assert self._process.stdin is not None  # noqa: S101  (the same)
        return self._process.stdin

    def _send(self, data: bytes) -> None:
        if self._left:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._pipe().write(rest) :]
        except BrokenPipeError:  # who left the pager has seen enough: the rest goes nowhere
            self._left = True
