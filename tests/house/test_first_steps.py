"""The first quarter of an hour: the README and the tutorial, as a newcomer would follow them."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.support.console_page import as_run, clean_environment
from tests.support.golden import check_page

ROOT = Path(__file__).parents[2]


def test_the_tutorial_shows_what_its_commands_print(tmp_path: Path) -> None:
    folder = tmp_path / "casestore"
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    env = clean_environment(Path(sys.executable).parent, home=tmp_path)
    page = ROOT / "docs" / "tutorial.md"
    made = as_run(page.read_text("utf-8"), folder, env, {str(folder): "/home/anna/casestore"})
    check_page(page, made)
    assert not re.search("^(casestore|bash|cat): ", made, re.MULTILINE)  # a command failed
