"""The manual, as man pages and as docs/cli.md, is whole: it is made from the commands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from cli.views.manual import ENVIRONMENT, EXIT_CODES
from tests.support.command_line import ROOT, Casestore
from tests.support.commands import ALL


def test_the_page_has_every_command_and_every_option() -> None:
    sections = {
        part.partition("\n")[0]: part
        for part in re.split(r"^#{2,4} ", (ROOT / "docs" / "cli.md").read_text("utf-8"), flags=re.M)
    }
    of_every = _options(ALL[()])
    for path, command in ALL.items():
        section = sections[" ".join(("casestore", *path))]
        own = _options(command) if path == () else _options(command) - of_every
        assert {name for name in own if f"{name}" not in section} == set(), path


def _options(command: click.Command) -> set[str]:
    options = [param for param in command.params if isinstance(param, click.Option)]
    return {name for option in options for name in option.opts}


def test_the_manual_has_every_exit_code_and_every_variable() -> None:
    read = set()
    for package in ("casestore", "projections", "cli"):
        for file in (ROOT / package).rglob("*.py"):
            read |= set(re.findall(r"environ\b.*?\"([A-Z_]+)\"", file.read_text("utf-8")))
            read |= set(re.findall(r"\bCASESTORE_[A-Z_]+", file.read_text("utf-8")))
    not_ours = {"PATH", "CASESTORE_COMPLETE", "COMP_WORDS", "COMP_CWORD"}
    assert {name for name in read - not_ours if not name.startswith("_")} == set(ENVIRONMENT)
    assert set(EXIT_CODES) == {0, 1, 2, 3, 130, 141}


def test_man_pages(tmp_path: Path) -> None:
    folder = tmp_path / "share" / "man1"
    said = Casestore()("man", str(folder)).fine().out
    assert said == f"wrote {len(ALL)} pages; read them with `man {folder}/casestore.1`\n"
    assert {page.name for page in folder.iterdir()} == {
        "-".join(("casestore", *path)) + ".1" for path in ALL
    }
    for path, command in ALL.items():
        text = (folder / ("-".join(("casestore", *path)) + ".1")).read_text("utf-8")
        plain = text.replace("\\-", "-")
        for name in _options(command):
            assert name in plain, (path, name)
        assert "EXIT STATUS" in text
        assert "CASESTORE_URL" in text
    again = Casestore()("man", str(folder), "--format", "json").fine().json
    assert len(again["pages"]) == len(ALL)


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
def test_man_shows_them_without_a_complaint(tmp_path: Path) -> None:
    Casestore()("man", str(tmp_path)).fine()
    for page in ("casestore.1", "casestore-record.1", "casestore-import.1"):
        ran = subprocess.run(
            ["man", "--warnings", "-l", str(tmp_path / page)],
            capture_output=True,
            text=True,
            check=True,
            env={
                "PATH": "/usr/bin:/bin",
                "MANPAGER": "cat",
                "MANWIDTH": "100",
                "LC_ALL": "C.UTF-8",
            },
        )
        assert ran.stderr == ""
        assert "EXIT STATUS" in ran.stdout


def test_a_page_begins_no_line_as_a_command_of_roff(tmp_path: Path) -> None:
    Casestore()("man", str(tmp_path)).fine()
    known = r"\.(TH|SH|TP|PP|RS|RE|nf|fi|nh|ad)\b"
    for page in tmp_path.iterdir():
        for line in page.read_text("utf-8").splitlines():
            assert not line.startswith((".", "'")) or re.match(known, line), (page.name, line)
