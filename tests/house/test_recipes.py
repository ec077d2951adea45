"""The recipes of docs/operating.md do what they say: scripts run, units are what systemd takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import ROOT, Casestore, demo_store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="they are for Unix")
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
SECTION = PAGE.partition("## The desk's day\n")[2].partition("\n## Seals")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


class Place:
    """A folder with the commands that the scripts call, and the scripts."""

    def __init__(self, folder: Path, casestore: Casestore) -> None:
        self.mail = folder / "mail"
        tools = folder / "bin"
        tools.mkdir()
        for name, text in (
            ("casestore", f'#!/bin/sh\nexec {sys.executable} -m casestore "$@"\n'),
            ("sendmail", f'#!/bin/sh\ncat > {self.mail}; echo "$@" >> {self.mail}.asked\n'),
        ):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        env = {**os.environ, **casestore.env, "SENDMAIL": str(tools / "sendmail")}
        env |= {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        self.env = {name: value for name, value in env.items() if value is not None}

    def run(self, script: str, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script, "script", *args],
            env=self.env,
            text=True,
            capture_output=True,
            check=False,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, demo_store(tmp_path))


def test_the_morning_mail_is_sent_where_there_is_anything_to_do(place: Place) -> None:
    script, _ = blocks("sh")
    ran = place.run(script, "hotline", "hotline@example.org")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not place.mail.exists()  # they have nothing to do
    ran = place.run(script, "nobody", "x@example.org")
    assert ran.returncode == 3
    assert "no event names the team 'nobody'" in ran.stderr
    for each in (
        ("case:q", "CaseOpened", "customer_id=C-9", "channel=web"),
        ("case:q", "CaseAssigned", "agent=gail", "team=hotline"),
    ):
        told = place.run('casestore --quiet record "$@" --actor agent:gail', *each)
        assert told.returncode == 0, told.stderr
    ran = place.run(script, "hotline", "hotline@example.org")
    assert (ran.returncode, ran.stderr) == (0, "")
    mail = place.mail.read_text()
    assert mail.startswith("To: hotline@example.org\nSubject: To do today, hotline\n")
    assert "\n\n<table" in mail
    assert ">gail<" in mail


def test_the_nightly_backup_keeps_seven(place: Place, tmp_path: Path) -> None:
    _, script = blocks("sh")
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(1, 10):
        (folder / f"desk-2026-01-0{day}").write_text("old")
    (folder / "other").write_text("mine")
    ran = place.run(script, str(folder))
    assert (ran.returncode, ran.stderr) == (0, "")
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == 8
    assert kept[0] == "desk-2026-01-04"
    assert "other" in kept
    assert Casestore(f"sqlite:///{folder / kept[-2]}")("cases").code == 0


def test_the_crontab_calls_commands_as_they_are(place: Place) -> None:
    (text,) = blocks("cron")
    for line in text.splitlines():
        if re.match(r"[*\d]", line):
            command = line.split(maxsplit=5)[5]
            assert "%" not in command
            if command.startswith("casestore") and "audit" not in command:
                assert place.run(command).returncode == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    service, timer = blocks("ini")
    (tmp_path / "casestore@seal.service").write_text(service)
    (tmp_path / "casestore@seal.timer").write_text(timer)
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "casestore@seal.timer")],
        text=True,
        capture_output=True,
        check=False,
    )
    assert "casestore" not in ran.stderr, ran.stderr
