"""The first quarter of an hour: the README and the tutorial, as a newcomer would follow them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from casestore.intake.ids import message_pseudonym, plain_pseudonym
from tests.support.checkout import ROOT, tracked
from tests.support.console_page import as_run, clean_environment
from tests.support.golden import check_page


@pytest.mark.parametrize("name", ["tutorial", "tutorial-mail"])
def test_a_tutorial_shows_what_its_commands_print(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "casestore"
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    env = clean_environment(Path(sys.executable).parent, home=tmp_path)
    page = ROOT / "docs" / f"{name}.md"
    made = as_run(page.read_text("utf-8"), folder, env, {str(folder): "/home/anna/casestore"})
    check_page(page, with_plain_pseudonyms(made))
    assert not re.search("^(casestore|bash|cat): ", made, re.MULTILINE)  # a command failed


def with_plain_pseudonyms(page: str) -> str:
    """The page with the ids that another secret would give: every store has a secret of its own."""
    mia = plain_pseudonym("mia.holt@post.example")
    messages = {message_pseudonym(f"{name}@kettles.example") for name in ("r1", "r2", "r3", "r4")}
    secret = set(re.findall(r"\bm-[0-9a-f]{20}\b", page)) - messages - {mia}
    assert len(secret) <= 1, "it shows only one customer"
    return page.replace(secret.pop(), mia) if secret else page


def test_every_block_of_the_readme_runs_in_order(tmp_path: Path) -> None:
    """In one shell, in a clean copy, with an empty home. .ci/run runs the block of the tests."""
    copy = tmp_path / "casestore"
    for path in tracked():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    home = tmp_path / "home"
    home.mkdir()
    # What it is built on comes from this environment: a test fetches nothing.
    offline = {
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # so pip wants it said: no isolation
    }
    env = clean_environment(Path(sys.executable).parent, home) | offline
    page = (copy / "README.md").read_text("utf-8")
    blocks = re.findall(r"(<!-- test -->\n)?```sh\n(.*?)```", page, re.DOTALL)
    script = "".join(block for test, block in blocks if not test)
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=copy,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    first, second = re.findall(r"^open at position \d+$", done.stdout, re.MULTILINE)
    assert first == second
    assert done.stdout.count("4711 callback open 02 March 2099\n") == 2
    assert not list(home.rglob("*casestore*"))
    made = {each.name for each in copy.iterdir()} - {each.name for each in ROOT.iterdir()}
    assert {name.partition(".db")[0] for name in made} <= {"stories", "complaints", "build"}


def test_the_python_of_the_readme_is_the_file_that_it_names() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown == (ROOT / "docs" / "examples" / "note.py").read_text("utf-8")
