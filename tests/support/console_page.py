"""Pages that show commands and what they print: run in order, and shown as they printed.

A block of a page looks as a terminal does: after `$ ` a command, which goes on after a backslash at
the end of a line; below it what it prints.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
_END = "--- so much of the page ---"


def as_run(page: str, folder: Path, env: Mapping[str, str], shown_as: Mapping[str, str]) -> str:
    """The page with what its commands print now.

    All of them run in one shell, in the folder; `shown_as` says what the page has in the place of
    some texts. A command that fails shows what it says, too.
    """
    blocks = _BLOCK.findall(page)
    commands = [each for block in blocks for each in _COMMAND.findall(block)]
    script = "".join(f"{command}\necho '{_END}'\n" for command in commands)
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    printed = done.stdout
    for text, instead in shown_as.items():
        printed = printed.replace(text, instead)
    outputs = iter(printed.split(f"{_END}\n"))
    return _BLOCK.sub(lambda block: "".join(_told(block[0], outputs)), page)


def _told(block: str, outputs: Iterator[str]) -> Iterator[str]:
    for command in _COMMAND.findall(block):
        yield f"$ {command}\n{next(outputs)}"


def clean_environment(path: Path, home: Path) -> dict[str, str]:
    """What a newcomer has: no setting of casestore's, and a home with nothing in it."""
    ours = ("CASESTORE_", "PYTHON", "PIP_", "VIRTUAL_ENV", "NO_COLOR", "FORCE_COLOR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**env, "PATH": f"{path}:{os.environ['PATH']}", "HOME": str(home), "COLUMNS": "100"}
