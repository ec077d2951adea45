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
from tests.support.browser import WIDTHS, OpenPage
from tests.support.golden import check_golden

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnorw “é漢😀”"
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


def test_it_reads_well_but_for_what_is_known(written: Path, open_page: OpenPage) -> None:
    """The known faults wait for another version, as verify-bundle compares pages of the same one.

    They are: no landmark (`main`), one scheme alone, and no break in a word that is wider than
    the page, nor in the table on a telephone.
    """
    tab = open_page(written)
    for width in WIDTHS:
        tab.show(width=width)
        tab.shoot("evidence")
        known = {"landmark-one-main", "region"}
        assert {finding.partition(":")[0] for finding in tab.axe()} == known, tab.axe()
    assert tab.too_wide() > 0
    assert tab.pdf("evidence").startswith(b"%PDF-")


def test_a_screen_reader_is_given_it_whole(written: Path, open_page: OpenPage) -> None:
    snapshot = open_page(written).aria()
    # What is drawn by lot: ids of events and of the log, the key, the root and the signature.
    snapshot = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "«id»", snapshot)
    check_golden("aria-evidence.txt", re.sub(r"«id»( 5|\+).+", "«id»…", snapshot))


def test_words_of_others_stay_words(written: Path, open_page: OpenPage) -> None:
    page = open_page(written).page
    assert page.locator("script, img").count() == 0
    shown = page.locator("body").inner_text()
    assert HOSTILE.replace("\u202e", "<U+202E>") in shown
    assert LONG in shown
