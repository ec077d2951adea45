"""The demo's site in a real browser: walked through, looked at, read aloud, printed."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from casestore import CaseStore
from tests.support import stories
from tests.support.browser import WIDTHS, OpenPage, Tab, check_looks
from tests.support.command_line import Casestore, demo_store
from tests.support.golden import check_golden

AT = "2026-05-12"
"""In the middle of the demo's third story: promises are broken, and a customer is kept waiting."""
OPEN_CASE = "nine-days"
TO_DO = {
    "overdue": "overdue",
    "customers wait": "reply",
    "promises due in 7 days, or past": "promise",
    "replies bounced, not made good": "resend",
    "escalations to return": "return",
    "case to resolve in 7 days, or past": "resolve",
}
"""Tiles of the overview, and the keys of their numbers in the report `today`."""
LISTS = {
    "To do": "today",
    "Overdue": "overdue",
    "Waiting": "waiting",
    "Undelivered": "undelivered",
    "Promises": "promises",
    "Cases": "cases",
    "Cases by customer": "cases",
    "Lapses": "lapses",
    "Conflicts": "conflicts",
    "Consistency": "consistency",
}
"""Lists, and the commands that give the same rows."""
TEXT_BOXES = """elements => elements.map(element => {
    const range = document.createRange()
    range.selectNodeContents(element)
    return range.getBoundingClientRect().toJSON()
})"""
"""Where the texts of elements stand, which may be wider than the elements."""
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> \u202egnp.exe'


class Demo(NamedTuple):
    """The demo's store and the pages of it."""

    casestore: Casestore
    folder: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    casestore = demo_store(folder)
    casestore("report", "pages", str(folder / "site"), "--as-of", AT, "--reveal", "--quiet").fine()
    return Demo(casestore, folder / "site")


def heading(tab: Tab) -> str:
    return tab.page.get_by_role("heading", level=1).inner_text()


def rows(tab: Tab) -> list[str]:
    return tab.page.locator("main tbody tr").all_inner_texts()


def test_from_a_number_to_its_cases_to_the_case(demo: Demo, open_page: OpenPage) -> None:
    tab = open_page(demo.folder / "index.html")
    found = demo.casestore("today", "--as-of", AT, "--format", "json").fine().json["summary"]
    for name, key in TO_DO.items():
        tile = tab.page.locator(".tiles li").filter(has=tab.page.get_by_text(name, exact=True))
        assert tile.locator(".value").inner_text() == str(found[key]), name
    tile = tab.page.locator(".tiles li", has_text="promises due")
    tile.get_by_role("link").click()
    assert len(rows(tab)) == found["promise"]
    tab.page.get_by_role("link", name=OPEN_CASE).first.click()
    assert heading(tab) == f"Case {OPEN_CASE}"
    tab.page.get_by_role("link", name="Overview").click()
    assert heading(tab) == "Overview"


def test_a_list_has_the_rows_of_its_report(demo: Demo, open_page: OpenPage) -> None:
    tab = open_page(demo.folder / "index.html")
    for name, command in LISTS.items():
        report = demo.casestore(command, "--as-of", AT, "--format", "json").fine().json
        entry = tab.page.locator(
            ".lists li", has=tab.page.get_by_role("link", name=name, exact=True)
        )
        assert entry.locator(".unit").inner_text() == str(len(report["rows"])), name
        entry.get_by_role("link").click()
        shown = rows(tab)
        assert len(shown) == len(report["rows"]), name
        for case_id in {row["case_id"] for row in report["rows"] if row.get("case_id")}:
            assert any(case_id in row for row in shown), (name, case_id)
        tab.page.go_back()


def test_months_are_those_of_the_report(demo: Demo, open_page: OpenPage) -> None:
    tab = open_page(demo.folder / "index.html")
    report = demo.casestore("period", "--by", "month", "--as-of", AT, "--format", "json").fine()
    table = tab.page.get_by_role("region", name="Complaints by month", exact=True)
    told = [row.split("\t")[:6] for row in table.locator("tbody tr").all_inner_texts()]
    names = ("period", "received", "opened", "closed", "reopened", "outstanding_at_end")
    assert told == [[str(line[name]) for name in names] for line in reversed(report.json["rows"])]


PAGES = {
    "overview": "index.html",
    "to-do": "list/today.html",
    "cases": "list/cases.html",
    "goodwill": "list/goodwill.html",
    "lapses": "list/lapses.html",
    "case": f"case/{OPEN_CASE}~*.html",
    "customer": "customer/C-3318.html",
    "policy": "page/policy.html",
    "lessons": "page/lessons.html",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_every_eye_and_for_paper(
    demo: Demo, open_page: OpenPage, name: str
) -> None:
    (path,) = demo.folder.glob(PAGES[name])
    tab = open_page(path)
    check_looks(tab, name)
    assert tab.pdf(name).startswith(b"%PDF-")


@pytest.mark.parametrize("name", ["overview", "to-do", "case", "customer"])
def test_what_a_screen_reader_is_given(demo: Demo, open_page: OpenPage, name: str) -> None:
    (path,) = demo.folder.glob(PAGES[name])
    check_golden(f"aria-{name}.txt", open_page(path).aria())


def test_the_keyboard_skips_to_the_content_and_scrolls_a_table(
    demo: Demo, open_page: OpenPage
) -> None:
    tab = open_page(demo.folder / "list/cases.html", width=WIDTHS[0])
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"
    tab.page.get_by_role("region", name="Cases").focus()
    tab.page.keyboard.press("ArrowRight")
    for _ in range(100):  # wait_for_function would evaluate a string, which the page forbids
        if tab.page.evaluate("document.querySelector('.wide').scrollLeft > 0"):
            return
        tab.page.wait_for_timeout(50)
    pytest.fail("the table does not scroll by the keyboard")


def test_paper_has_the_numbers_of_charts_and_no_ways_to_go(demo: Demo, open_page: OpenPage) -> None:
    tab = open_page(demo.folder / "index.html")
    numbers = tab.page.locator("figure td").first
    assert not numbers.is_visible()
    tab.show(printed=True)
    assert numbers.is_visible()
    assert tab.page.get_by_role("navigation").count() == 0
    assert tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_two_times_with_seconds_have_room_side_by_side(tmp_path: Path, open_page: OpenPage) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    at = stories.START + timedelta(seconds=33)
    with CaseStore.create(url, clock=lambda: at) as store:
        store.append("case:c", stories.opened(at))
    Casestore(url)("report", "pages", str(tmp_path / "site"), "--quiet").fine()
    (case,) = (tmp_path / "site/case").iterdir()
    for width in WIDTHS:
        when = open_page(case, width=width).page.locator(".when").first
        happened, recorded = when.locator("> time, .quiet").evaluate_all(TEXT_BOXES)
        beside = recorded["left"] >= happened["right"]
        assert beside or recorded["top"] >= happened["bottom"] - 1, width


def test_words_of_others_stay_words(tmp_path: Path, open_page: OpenPage) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with CaseStore.create(url, clock=lambda: stories.START) as store:
        store.append(
            "case:<b>c</b>",
            stories.opened(customer_id='"><i>k', subject=HOSTILE, product="<u>p", category="<c>"),
            stories.issue("<s>i"),
            stories.replied("r", text=HOSTILE + "long" * 200),
        )
    Casestore(url)("report", "pages", str(tmp_path / "site"), "--reveal", "--quiet").fine()
    tab = open_page(tmp_path / "site/index.html", width=WIDTHS[0])
    for path in sorted((tmp_path / "site").rglob("*.html")):
        tab.page.goto(path.as_uri())
        assert tab.page.locator("script, img, i, u, main b b, c").count() == 0, path
        assert tab.too_wide() == 0, path
    (case,) = (tmp_path / "site/case").iterdir()
    tab.page.goto(case.as_uri())
    assert HOSTILE.replace("\u202e", "<U+202E>") in tab.page.locator("main").inner_text()
    assert re.search(r"\bc</b>", heading(tab))
