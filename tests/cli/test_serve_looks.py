"""`casestore serve` as people use it: hostile names, a keyboard, a zoom, colours of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import HEIGHT, Tab, check_looks
from tests.support.command_line import Casestore
from tests.support.desk import desk_in
from tests.support.served import Served, served
from tests.support.wide_names import NAMES, tell

AT = "2026-03-20T00:00:00Z"
SINCE = "2026-03-02T12:30:00Z"
NARROWEST = 320
"""CSS pixels: a window of 1280 at 400 %, where WCAG 1.4.10 wants no scrolling sideways."""
SPACED = """* { line-height: 1.5 !important; letter-spacing: .12em !important;
word-spacing: .16em !important } p { margin-bottom: 2em !important }"""
"""What readers may ask for by WCAG 1.4.12."""
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("hostile")
    with desk_in(folder) as desk:
        tell(desk)
        url = desk.store.url
    casestore = Casestore(url, CASESTORE_KEY_FILE=str(folder / "desk.key"))
    with served(casestore, enter=False) as running:
        yield running


@pytest.fixture(scope="module")
def state(server: Served, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "state.json"
    with browser.new_context() as context:
        context.new_page().goto(server.url)
        context.storage_state(path=path)
    return path


@pytest.fixture
def tab(browser: Browser, state: Path) -> Iterator[Tab]:
    with browser.new_context(
        storage_state=state, bypass_csp=True, timezone_id="UTC", locale="en-GB"
    ) as context:
        yield Tab(context.new_page())


def address(path: str, **asked: str) -> str:
    return f"{path}?{urlencode({**asked, 'as_of': AT})}"


PAGES = {
    "overview": address("/"),
    "list": address("/list", of="promises"),
    "case": address("/case", id=NAMES["long"]),
    "customer": address("/customer", id=NAMES["path"]),
    "changed-store": address("/changed", since=SINCE),
    "changed-list": address("/changed", of="promises", since=SINCE),
    "changed-case": address("/changed", case=NAMES["right"], since=SINCE),
    "changed-customer": address("/changed", customer=NAMES["cjk"], since="2026-03-02T10:30:00Z"),
    "policy": address("/policy"),
    "lessons": address("/lessons"),
    "refused": "/list?of=nothing",
}
every_page = pytest.mark.parametrize("name", PAGES)


@every_page
def test_hostile_names_break_no_page(tab: Tab, server: Served, name: str) -> None:
    tab.page.goto(f"{server.base}{PAGES[name]}")
    check_looks(tab, f"hostile-{name}")


@every_page
def test_zoomed_and_widely_spaced_nothing_is_lost(tab: Tab, server: Served, name: str) -> None:
    tab.page.goto(f"{server.base}{PAGES[name]}")
    for width, style in ((700, ""), (NARROWEST, ""), (NARROWEST, SPACED), (1400, SPACED)):
        tab.show(width=width)
        if style:
            tab.page.add_style_tag(content=style)
        tab.shoot(f"zoomed-{name}{'-spaced' if style else ''}")
        assert tab.too_wide() == 0, (width, style)
        assert tab.page.evaluate(CUT_OFF) == [], (width, style)


CUT_OFF = """() => [...document.querySelectorAll("main *, .bar *, nav *")].filter((each) => {
    const style = getComputedStyle(each);
    return !each.closest(".hidden") && ["hidden", "clip"].includes(style.overflow)
        && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1);
}).map((each) => each.outerHTML.slice(0, 100))"""
"""What is cut off, where nothing scrolls."""
FOCUSED = """() => { const each = document.activeElement, style = getComputedStyle(each);
    const box = each.getBoundingClientRect();
    return { tag: each.tagName, text: each.innerText || each.id, href: each.getAttribute("href"),
        outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0
            && box.left < innerWidth,
        order: [...document.querySelectorAll("*")].indexOf(each) } }"""


@pytest.mark.parametrize("name", ["overview", "list", "case", "changed-list"])
def test_all_can_be_reached_by_keyboard(tab: Tab, server: Served, name: str) -> None:
    page = tab.page
    page.goto(f"{server.base}{PAGES[name]}")
    page.emulate_media(reduced_motion="reduce")
    page.keyboard.press("Tab")
    first = page.evaluate(FOCUSED)
    assert first["text"] == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(f"{server.base}{PAGES[name]}")
    before = -1
    for _ in range(70):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found["tag"] == "BODY":
            break
        assert found["order"] > before, found
        assert found["outline"] >= 2, found
        assert found["seen"], found
        before = found["order"]
    assert before > 0


def test_the_bar_works_by_keyboard_alone(tab: Tab, server: Served) -> None:
    page = tab.page
    page.goto(f"{server.base}{PAGES['case']}")
    press_until(page, "30 days before")
    page.keyboard.press("Enter")
    page.wait_for_url("**/changed?**")
    assert page.locator("h1").inner_text().startswith("What has changed: case xxx")


def press_until(page: Page, text: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED)["text"].strip() == text:
            return
    raise AssertionError(text)


@pytest.mark.parametrize("name", ["overview", "case"])
def test_in_colours_of_the_reader_charts_are_seen(tab: Tab, server: Served, name: str) -> None:
    page = tab.page
    page.set_viewport_size({"width": 800, "height": HEIGHT})
    page.emulate_media(forced_colors="active")
    page.goto(f"{server.base}{PAGES[name]}")
    tab._name = "800-forced"
    tab.shoot(f"forced-{name}")
    highlight = """() => { const each = document.body.appendChild(document.createElement("i"));
        each.style.color = "Highlight"; return getComputedStyle(each).color }"""
    chosen = page.evaluate(highlight)
    for each in page.locator("svg .s1").all()[:3]:
        assert each.evaluate("(e) => getComputedStyle(e).fill") == chosen
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    for place in ("svg text", "svg .s1", "svg .axis", "svg .mark", "svg .grid-line"):
        for each in page.locator(place).all()[:3]:
            style = each.evaluate("(e) => [getComputedStyle(e).fill, getComputedStyle(e).stroke]")
            assert any(colour not in (paper, "none") for colour in style), (place, style)


def test_whoever_wants_no_motion_has_none(tab: Tab, server: Served) -> None:
    tab.page.goto(f"{server.base}/")
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    tab.page.emulate_media(reduced_motion="reduce")
    assert tab.page.evaluate(behaviour) == "auto"
    moving = """[...document.querySelectorAll("*")].filter((each) => {
        const style = getComputedStyle(each);
        return style.transitionDuration !== "0s" || style.animationName !== "none";
    }).length"""
    assert tab.page.evaluate(moving) == 0
