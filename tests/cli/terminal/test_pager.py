"""The pager on a real terminal: when there is one, how it ends, and what a command exits with."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from tests.support.alter import alter
from tests.support.command_line import Casestore, demo_store
from tests.support.terminal import terminal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a pager needs a Unix terminal")
LONG = ("case", "timeline", "nine-days")
SHORT = ("cases", "--as-of", "2026-09-01", "--quiet")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    store = demo_store(tmp_path_factory.mktemp("demo"))
    store("cases").fine()  # from now on no progress bar stands before what is printed
    return store


@pytest.fixture
def marker(tmp_path: Path) -> str:
    """A pager that says that it ran, and with what in LESS."""
    script = tmp_path / "marker"
    script.write_text('#!/bin/sh\necho "paged with LESS=$LESS"\ncat\n')
    script.chmod(0o755)
    return str(script)


def test_what_is_longer_than_the_screen_is_paged_and_nothing_else(
    demo: Casestore, marker: str
) -> None:
    with terminal(demo, *LONG, PAGER=marker) as shown:
        ran = shown.end()
    assert ran.code == 0
    assert ran.out.startswith("paged with LESS=FRX\n")
    assert "closed the case" in ran.out
    with terminal(demo, *SHORT, PAGER=marker) as shown:
        assert "paged" not in shown.end().out
    with terminal(demo, *LONG, lines=200, PAGER=marker) as shown:
        assert "paged" not in shown.end().out
    with terminal(demo, *LONG, "--wide", PAGER=marker) as shown:
        assert shown.end().out.startswith("paged with LESS=FRSX\n")
    with terminal(demo, *LONG, PAGER=marker, LESS="iR") as shown:
        assert shown.end().out.startswith("paged with LESS=iR\n")


def test_json_is_paged_too_but_no_file_and_no_pipe(
    demo: Casestore, marker: str, tmp_path: Path
) -> None:
    with terminal(demo, *LONG, "--format", "json", PAGER=marker) as shown:
        assert shown.end().out.startswith("paged")
    with terminal(demo, *LONG, "-o", str(tmp_path / "out"), PAGER=marker) as shown:
        assert shown.end().out == ""
    assert demo(*LONG).fine().out.startswith(" v  when")


def test_which_pager(demo: Casestore, marker: str) -> None:
    without: tuple[dict[str, Any], ...] = (
        {"CASESTORE_PAGER": "", "PAGER": marker},
        {"CASESTORE_PAGER": "cat", "PAGER": marker},
        {"PAGER": ""},
        {"PAGER": marker, "TERM": "dumb"},
    )
    for env in without:
        with terminal(demo, *LONG, **env) as shown:
            assert "paged" not in shown.end().out, env
    with terminal(demo, *LONG, "--no-pager", PAGER=marker) as shown:
        assert "paged" not in shown.end().out
    with terminal(demo, "--no-pager", *LONG, PAGER=marker) as shown:
        assert "paged" not in shown.end().out
    with terminal(demo, *LONG, CASESTORE_PAGER=f"A=b {marker} | sed s/paged/through/") as shown:
        assert shown.end().out.startswith("through")
    with terminal(demo, *LONG, PAGER="/nowhere/pager -x") as shown:
        ran = shown.end()
    assert ran.code == 0
    assert ran.out.startswith("casestore: there is no pager '/nowhere/pager -x'; see PAGER\n")
    assert "closed the case" in ran.out


needs_less = pytest.mark.skipif(shutil.which("less") is None, reason="there is no less")


@needs_less
def test_q_is_clean(demo: Casestore) -> None:
    with terminal(demo, *LONG) as shown:
        shown.read(until=":")
        time.sleep(0.3)
        shown.type("q")
        ran = shown.end()
    assert ran.code == 0
    assert "casestore:" not in ran.out
    assert "Traceback" not in ran.out


@needs_less
def test_ctrl_c_is_the_pagers_and_q_still_ends_it(demo: Casestore) -> None:
    with terminal(demo, *LONG) as shown:
        shown.read(until=":")
        time.sleep(0.3)
        shown.interrupt()
        time.sleep(0.3)
        assert shown.process.poll() is None
        shown.type("q")
        ran = shown.end()
    assert ran.code == 0
    assert "Traceback" not in ran.out


def test_ctrl_c_while_it_still_works_stops_it(demo: Casestore, tmp_path: Path) -> None:
    """The pager reads nothing, and the pipe to it is full: so the command waits for it."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\necho ready\nsleep 60\n")
    slow.chmod(0o755)
    many = ("lapses", "--outcome", "all", "--format", "json")
    assert len(demo(*many).fine().out) > 1 << 16
    with terminal(demo, *many, PAGER=str(slow)) as shown:
        shown.read(until="ready")
        time.sleep(0.3)
        assert shown.process.poll() is None
        shown.interrupt()
        ran = shown.end()
    assert ran.code == 130
    assert ran.out.endswith("casestore: stopped\n")


def test_exit_codes_are_kept(tmp_path: Path, marker: str) -> None:
    broken = demo_store(tmp_path)
    with CaseStore.open(broken.env["CASESTORE_URL"]) as store:
        alter(store, "UPDATE {t} SET topic = 'NoSuchType' WHERE position > 5")
    with terminal(broken, "doctor", lines=8, PAGER=marker) as shown:
        ran = shown.end()
    assert "paged" in ran.out
    assert ran.code == 1
    with terminal(broken, "doctor", lines=8, PAGER="true") as shown:  # it reads nothing
        assert shown.end().code == 1
    with terminal(broken, "case", "show", "nobody", PAGER=marker) as shown:
        ran = shown.end()
    assert ran.code == 2
    assert ran.out.startswith("casestore: ")


def test_a_pager_that_is_killed_is_no_error(demo: Casestore, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    with terminal(demo, *LONG, PAGER=str(killed)) as shown:
        assert shown.end().code == 0


@pytest.mark.parametrize(
    ("env", "args", "bold"),
    [
        ({}, (), True),
        ({"NO_COLOR": "1"}, (), False),
        ({"NO_COLOR": ""}, (), True),
        ({"TERM": "dumb"}, (), False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, (), True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, (), False),
        ({"FORCE_COLOR": "1"}, ("--no-color",), False),
    ],
)
def test_styles_follow_their_conventions(
    demo: Casestore, env: dict[str, Any], args: tuple[str, ...], bold: bool
) -> None:
    with terminal(demo, *SHORT, *args, **env) as shown:
        assert ("\x1b[1m" in shown.end().out) is bold


def test_force_color_reaches_a_pipe_and_nothing_else_does(demo: Casestore) -> None:
    assert "\x1b" not in demo.spawn(*SHORT).fine().out
    forced = Casestore(demo.env["CASESTORE_URL"], FORCE_COLOR="1")
    assert "\x1b[1m" in forced.spawn(*SHORT).fine().out
    assert "\x1b" not in forced.spawn(*SHORT, "--format", "csv").fine().out


def test_no_progress_bar_on_a_dumb_terminal(tmp_path: Path) -> None:
    fresh = demo_store(tmp_path)
    with terminal(fresh, "cases", TERM="dumb") as shown:
        assert "\x1b" not in shown.end().out
