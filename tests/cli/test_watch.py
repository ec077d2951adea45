"""`casestore watch`: a report as it changes, on a terminal and for programs."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from projections.query.row_changes import row_changes
from tests.support.command_line import Casestore, demo_store
from tests.support.terminal import terminal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Ctrl-C as Unix has it")
ACTOR = ("--actor", "agent:anna")


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    store = Casestore(f"sqlite:///{tmp_path}/store.db")
    store("init").fine()
    opened = ("CaseOpened", "customer_id=K-1", "channel=email", *ACTOR)
    store("record", "case:first", *opened).fine()
    store("cases", "--quiet").fine()
    return store


class Watching:
    """A process that watches, and what it prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def line(self, seconds: float = 60) -> str:
        out = self.process.stdout
        assert out is not None
        assert select.select([out], [], [], seconds)[0], "nothing is told"
        return out.readline().decode().rstrip("\n")

    def interrupt(self) -> tuple[int, bytes]:
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@contextmanager
def watching(casestore: Casestore, *args: str) -> Iterator[Watching]:
    process = casestore.process("watch", *args, bufsize=0)
    try:
        yield Watching(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_programs_are_told_of_each_row_that_is_new_changed_or_gone(casestore: Casestore) -> None:
    with watching(casestore, "waiting", "--format", "ndjson") as seen:

        def told() -> tuple[str, dict[str, Any]]:
            each = json.loads(seen.line())
            assert list(each) == ["change", "at", "row"]
            return each["change"], each["row"]

        change, row = told()
        assert (change, row["case_id"], row["agent"]) == ("present", "first", None)
        opened = ("CaseOpened", "customer_id=K-2", "channel=sms", *ACTOR)
        casestore("record", "case:second", *opened).fine()
        change, row = told()
        assert (change, row["case_id"]) == ("new", "second")
        casestore("record", "case:first", "CaseAssigned", "agent=bo", *ACTOR).fine()
        change, row = told()
        assert (change, row["case_id"], row["agent"]) == ("changed", "first", "bo")
        closed = ("CaseClosed", "reason=resolved", *ACTOR)
        casestore("record", "case:second", *closed).fine()
        change, row = told()
        assert (change, row["case_id"]) == ("gone", "second")
        assert seen.interrupt() == (130, b"casestore: stopped\n")


def test_people_with_a_pipe_get_a_line_for_each(casestore: Casestore) -> None:
    with watching(casestore, "cases", "--columns", "case_id,status") as seen:
        assert seen.line() == "  case_id first, status open"
        casestore("record", "case:first", "CaseClosed", "reason=resolved", *ACTOR).fine()
        assert seen.line() == "~ case_id first, status closed"
        assert seen.interrupt()[0] == 130


def test_what_only_time_changes_is_told_too(casestore: Casestore) -> None:
    due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    promise = ("PromiseMade", "promise_id=p1", "kind=callback", f"due_at={due}", *ACTOR)
    casestore("record", "case:first", *promise).fine()
    asked = ("--every", "1", "promises", "--state", "broken", "--format", "ndjson")
    with watching(casestore, *asked) as seen:
        each = json.loads(seen.line())
        assert each["row"]["state"] == "broken"
        assert seen.interrupt()[0] == 130


def test_a_terminal_is_drawn_anew_and_ctrl_c_leaves_it_clean(casestore: Casestore) -> None:
    with terminal(casestore, "watch", "cases", lines=14, NO_COLOR="1") as shown:
        shown.read(until="up to position")
        assert "cases, at 20" in shown.shown
        opened = ("CaseOpened", "customer_id=K-2", "channel=sms", *ACTOR)
        for n in range(9):
            casestore("record", f"case:more-{n}", *opened).fine()
        shown.read(until="lines more")
        time.sleep(1)
        shown.interrupt()
        ran = shown.end()
    assert ran.code == 130
    assert ran.out.endswith("casestore: stopped\n")
    assert "Traceback" not in ran.out
    *_, last = ran.out.split("\x1b[H\x1b[2J")
    assert len(last.splitlines()) <= 15  # the screen, and what Ctrl-C says


def test_a_dumb_terminal_gets_lines(casestore: Casestore) -> None:
    with terminal(casestore, "watch", "cases", TERM="dumb") as shown:
        assert "\x1b" not in shown.read(until="case_id first")
        shown.interrupt()
        assert shown.end().code == 130


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("", "give a report to watch: today, cases"),
        ("doctor", "'doctor' is no report; watch one of"),
        ("waitng", "did you mean 'waiting'?"),
        ("cases --format csv", "csv has one; leave --format out, or ndjson"),
        ("cases -o x.txt", "-o writes a whole file; use > instead"),
        ("cases --status shut", "is not one of 'open'"),
        ("cases --team nobody", "no event names the team 'nobody'"),
        ("cases --help", "leave --help out"),
        ("goodwill", "Usage"),
    ],
)
def test_what_cannot_be_watched(casestore: Casestore, asked: str, says: str) -> None:
    ran = casestore("watch", *asked.split())
    assert ran.code == 2
    assert says in ran.err


def test_every_report_can_be_watched(tmp_path: Path) -> None:
    """Each row is told apart from the others, so that none hides a change of another."""
    demo = demo_store(tmp_path)
    for asked in ("lapses", "responses", "period", "breakdown --by team", "causes"):
        by = ("--by", "month") if asked == "causes" else ()
        lines = demo(*asked.split(), *by, "--format", "ndjson").fine().out.splitlines()
        rows = [json.loads(line) for line in lines]
        assert list(row_changes(rows, rows)) == []
        assert len(list(row_changes(rows, []))) == len(rows)
