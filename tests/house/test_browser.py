"""The browser of the tests: it is there or its absence is said, and it sees what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import (
    CHROMIUM,
    PROGRAMS,
    SCREENSHOTS,
    NoBrowser,
    OpenPage,
    check_looks,
    chromium,
    watched,
)

GOOD = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>t</title><main><h1>All is well</h1></main></html>
"""
BAD = """<!DOCTYPE html>
<meta charset="utf-8"><title>t</title>
<h1 style="width: 2000px">Wide</h1>
<p style="color: #aaa; background: #fff">pale</p>
<img src="picture.png" onerror="console.log('a script ran')">
"""


def test_a_good_page_has_no_findings(open_page: OpenPage) -> None:
    tab = open_page(GOOD)
    check_looks(tab, "good")
    assert tab.aria() == '- main:\n  - heading "All is well" [level=1]\n'
    assert tab.pdf("good").startswith(b"%PDF-")


def test_what_is_wrong_with_a_page_is_seen(browser: Browser, tmp_path: Path) -> None:
    opened = watched(browser, tmp_path)
    tab = opened.__enter__()(BAD, width=800)
    assert tab.too_wide() > 1000
    found = {finding.partition(":")[0] for finding in tab.axe()}
    assert found >= {"color-contrast", "html-has-lang", "image-alt"}
    with pytest.raises(AssertionError, match="dark: the page is"):
        check_looks(tab, "bad")
    assert [request.rpartition("/")[2] for request in tab.strays] == ["picture.png"]
    assert "a script ran" in tab.messages
    with pytest.raises(AssertionError, match=r"picture\.png"):
        opened.__exit__(None, None, None)


def test_pictures_are_put_into_a_folder(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCREENSHOTS, str(tmp_path / "pictures"))
    tab = open_page(GOOD, width=360, scheme="dark")
    tab.shoot("page")
    tab.pdf("page")
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {"page-360-dark.png", "page.pdf"}


def test_chromium_is_the_one_that_is_named_or_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(CHROMIUM, raising=False)
    with pytest.raises(NoBrowser, match="neither CASESTORE_TEST_CHROMIUM nor one of chromium"):
        chromium()
    for name in reversed(PROGRAMS):
        (tmp_path / name).touch(0o755)
        assert chromium() == str(tmp_path / name)
    monkeypatch.setenv(CHROMIUM, str(tmp_path / "elsewhere"))
    with pytest.raises(NoBrowser, match=r"names .+elsewhere, which is no program"):
        chromium()


@pytest.mark.parametrize(
    ("required", "code", "line"),
    [("", 0, "Browser tests: 1 SKIPPED (/bin/false does not start"), ("1", 1, "no Chromium: ")],
    ids=["skipped", "required"],
)
def test_its_absence_is_said(required: str, code: int, line: str) -> None:
    one_test = f"{__file__}::{test_a_good_page_has_no_findings.__name__}"
    settings = {CHROMIUM: "/bin/false", "CASESTORE_REQUIRE_CHROMIUM": required}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", one_test],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, line in run.stdout) == (code, True), run.stdout
