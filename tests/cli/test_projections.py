"""`casestore projections run` under a supervisor."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from casestore import CaseStore
from tests.support import stories
from tests.support.command_line import Casestore


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_a_supervisor_ends_a_run_in_order(store_url: str, tmp_path: Path) -> None:
    """With 0. And it has a handler: the first process of a container has no other way to end."""
    with CaseStore.create(store_url) as store:
        store.append("case:1", stories.opened())
    command = Casestore(store_url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))
    process = command.process("projections", "run")
    assert process.stdout is not None
    assert process.stdout.readline() == b"up to date with position 2\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0
