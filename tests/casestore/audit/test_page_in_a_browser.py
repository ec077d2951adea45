"""The page of an evidence bundle in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from tests.support import stories
from tests.support.browser import WIDTHS, OpenPage, check_looks
from tests.support.golden import check_golden

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnorw “é漢😀”"
A4 = 680  # CSS pixels: 210 mm less the margins
TEXT_BOX = """element => {
    const range = document.createRange()
    range.selectNodeContents(element)
    return range.getBoundingClientRect().toJSON()
}"""
"""Where the text of an element stands, which may be wider than the element."""
LONG = "Donaudampfschifffahrt" * 12


@pytest.fixture
def written(tmp_path: Path, folder: Path) -> Path:
    """The page of a case with hostile words, a long one, and one taken back."""
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False, clock=lambda: stories.START) as store:
        events = (
            stories.opened(customer_id="k1", subject=HOSTILE),
            stories.issue("i1"),
            stories.replied("r1", text=LONG),
        )
        store.append("case:c1", *events)
        last = store.history("case:c1").originals[-1]
        store.append("case:c1", replace(stories.voided(3), event_id=last.event_id))
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        write_bundle(store, "c1", tmp_path / "out", reveal=True)
    return tmp_path / "out" / "page.html"


def test_it_is_fit_for_every_eye(written: Path, open_page: OpenPage) -> None:
    tab = open_page(written)
    check_looks(tab, "evidence")
    assert tab.pdf("evidence").startswith(b"%PDF-")


def test_on_paper_no_word_pushes_another_off_the_sheet(written: Path, open_page: OpenPage) -> None:
    """One customer's long word must not hide from an auditor what stands in other rows."""
    tab = open_page(written, width=A4, printed=True)
    assert tab.too_wide() == 0
    for row in tab.page.locator("tr").all():
        for cell in row.locator("th, td").all():
            box = cell.evaluate(TEXT_BOX)
            assert box["right"] <= A4, cell.inner_text()
            assert box["right"] <= cell.evaluate("e => e.getBoundingClientRect().right") + 1
    # Also in print, each time stands on two lines at most, and nobody's name is torn up.
    first = tab.page.locator("tbody tr").first.locator("td")
    assert [first.nth(n).inner_text() for n in (0, 3)] == ["1", "agent anna"]
    assert first.nth(3).evaluate(TEXT_BOX)["height"] < 50


def test_on_a_telephone_the_rows_stay_rows_and_nothing_is_hidden(
    written: Path, open_page: OpenPage
) -> None:
    tab = open_page(written)
    wide = tab.aria("table")
    tab.show(width=WIDTHS[0])
    assert tab.aria("table") == wide
    assert wide.count("- row ") + wide.count("- 'row ") == 5
    region = tab.page.get_by_role("region")
    assert region.evaluate("e => e.scrollWidth - e.clientWidth") == 0


def test_dark_is_dark_and_paper_is_light(written: Path, open_page: OpenPage) -> None:
    tab = open_page(written, scheme="dark")
    shade = "getComputedStyle(document.documentElement).backgroundColor"
    assert tab.page.evaluate(shade) == "rgb(22, 24, 27)"
    tab.show(scheme="dark", printed=True)
    ink = "getComputedStyle(document.documentElement).color"
    assert tab.page.evaluate(ink) == "rgb(17, 17, 17)"


def test_a_screen_reader_is_given_it_whole(written: Path, open_page: OpenPage) -> None:
    snapshot = open_page(written).aria()
    # What is drawn by lot: ids of events and of the log, the key, the root and the signature.
    snapshot = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "«id»", snapshot)
    snapshot = re.sub(r"([0-9a-f]{8} ){7}[0-9a-f]{8}", "«root»", snapshot)
    check_golden("aria-evidence.txt", re.sub(r"«id»( 5|\+).+", "«id»…", snapshot))


def test_words_of_others_stay_words(written: Path, open_page: OpenPage) -> None:
    page = open_page(written).page
    assert page.locator("script, img").count() == 0
    shown = page.locator("body").inner_text()
    assert HOSTILE.replace("\u202e", "<U+202E>") in shown
    assert LONG in shown
