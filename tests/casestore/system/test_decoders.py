"""Decoders are made by one thread at a time: two at once end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.command_line import ROOT

ALL_AT_ONCE = """
import sys, threading
from casestore.events import VOCABULARY
from casestore.streams.codec import Codec, topic

sys.setswitchinterval(1e-6)
codec, barrier, read = Codec(), threading.Barrier(8), []
event = b'{"occurred_at": "2026-01-05T09:00:00Z", "actor": {"kind": "agent", "id": "anna"}}'

def first(n):
    barrier.wait()
    for cls in (*VOCABULARY[n:], *VOCABULARY[:n]):
        try:
            codec.decode(topic(cls), event)
        except Exception as error:
            assert "does not fit" in str(error), error
        read.append(cls)

threads = [threading.Thread(target=first, args=(5 * n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(read) == 8 * len(VOCABULARY)
"""
FORKED = """
import os, sys, threading
from casestore.events import VOCABULARY
from casestore.streams.codec import Codec, topic

sys.setswitchinterval(1e-6)
codec = Codec()
thread = threading.Thread(target=lambda: [codec.decoders[topic(cls)] for cls in VOCABULARY])
thread.start()
children = []
while thread.is_alive():
    if (child := os.fork()) == 0:
        for cls in VOCABULARY:
            try:
                codec.decode(topic(cls), b'{"occurred_at": "2026-01-05T09:00:00Z", "actor": {}}')
            except Exception:
                pass
        os._exit(0)
    children.append(child)
ended = [os.waitpid(child, 0)[1] for child in children]
assert ended and not any(ended), ended
"""


@pytest.mark.parametrize("story", [ALL_AT_ONCE, FORKED], ids=["threads", "forks"])
def test_events_are_first_read_by_several_threads_at_once(story: str) -> None:
    for _ in range(3):
        run = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", story],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (run.returncode, run.stderr) == (0, "")
