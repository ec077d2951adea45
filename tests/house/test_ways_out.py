"""Each block of the ways out in docs/connecting.md runs, on the store of the demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import ROOT, demo_store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="its blocks are for sh")
PAGE = (ROOT / "docs" / "connecting.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Ways out\n")[2].partition("\n## ")[0]
RELAYS = "casestore relay"
"""What begins so is for a receiver, and is run by the tests of the relay."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def test_each_block_runs(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "casestore"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m casestore "$@"\n')
    command.chmod(0o755)
    given = {**os.environ, **casestore.env, "PYTHONPATH": str(ROOT)}
    given |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    env = {name: value for name, value in given.items() if value is not None}

    def run(*command: str) -> str:
        ran = subprocess.run(
            command, cwd=tmp_path, env=env, text=True, capture_output=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, ""), command
        return ran.stdout

    shell = [block for block in blocks("sh") if not block.startswith(RELAYS)]
    assert len(shell) == 5
    said = "".join(run("sh", "-ec", block) for block in shell)
    names = re.findall(r"-o (\S+)", "".join(shell))
    assert len(names) == 8
    assert all(f"wrote {name}" in said or (tmp_path / name).stat().st_size for name in names)
    duckdb, pandas = blocks("python")
    told = run(sys.executable, "-c", duckdb)
    assert "Decimal(" in told
    assert "'CaseOpened'" in told
    assert "kept" in run(sys.executable, "-c", pandas)
