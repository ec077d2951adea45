"""`casestore serve` in a real browser: its sliders, its links, what is recorded meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Tab, check_looks
from tests.support.command_line import Casestore, demo_store
from tests.support.served import Served, served

AT = "2026-05-12"
ACTOR = ("--actor", "agent:anna")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def casestore(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    store = demo_store(tmp_path_factory.mktemp("browsed"))
    store("cases", "--quiet").fine()
    return store


@pytest.fixture(scope="module")
def server(casestore: Casestore) -> Iterator[Served]:
    with served(casestore, enter=False) as running:
        yield running


@pytest.fixture(scope="module")
def state(server: Served, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a browser keeps that went in with the token."""
    path = tmp_path_factory.mktemp("state") / "state.json"
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(server.url)
        assert page.url == f"{server.base}/"
        context.storage_state(path=path)
    return path


@contextmanager
def tab(browser: Browser, server: Served, state: Path, *, script: bool = True) -> Iterator[Tab]:
    """A tab that may ask this server alone."""
    with browser.new_context(
        storage_state=state, java_script_enabled=script, timezone_id="UTC", locale="en-GB"
    ) as context:
        opened = Tab(context.new_page())
        yield opened
        away = [each for each in opened.strays if not each.startswith(server.base)]
        assert (away, opened.messages) == ([], [])


def moment(page: Page) -> str:
    return page.locator(".moment").inner_text()


def set_slider(page: Page, value: int) -> None:
    """Move the first slider as a finger does: input, then change."""
    page.get_by_label("As of", exact=True).first.focus()
    page.locator("#as_hour").evaluate(
        """(range, value) => {
            range.value = value;
            range.dispatchEvent(new Event("input", {bubbles: true}));
            range.dispatchEvent(new Event("change", {bubbles: true}));
        }""",
        value,
    )


def test_the_slider_moves_the_page(browser: Browser, server: Served, state: Path) -> None:
    with tab(browser, server, state) as opened:
        page = opened.page
        page.goto(f"{server.base}/case?id=nine-days")
        count = page.locator("ol.happened > li")
        whole = count.count()
        least = int(page.locator("#as_hour").get_attribute("min") or 0)
        hours = (int(time.mktime(time.strptime(AT, "%Y-%m-%d"))) // 3600 - least) // 24 * 24
        set_slider(page, least + hours)
        expect(page.locator(".moment")).to_contain_text(re.compile(r"As of 2026-05-1[12]"))
        assert "as_of=2026-05-1" in page.url
        assert count.count() < whole
        assert page.locator("#as_hour-told").inner_text().startswith("2026-05-1")
        # What leads on from the bar is about the moment that is shown.
        compare = page.locator(".compare a", has_text="a day before").get_attribute("href") or ""
        assert re.search(
            r"/changed\?since=2026-05-1[01]T.*&case=nine-days&as_of=2026-05-1", compare
        )
        assert page.locator("form[action='/changed'] [name=as_of]").count() == 1
        # By keyboard: one step back, and the focus stays.
        before = moment(page)
        page.locator("#as_hour").focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".moment")).not_to_have_text(before)
        assert page.evaluate("() => document.activeElement.id") == "as_hour"
        page.get_by_role("link", name="Show the present").click()
        assert "as_of" not in page.url
        assert count.count() == whole


def test_without_a_script_the_form_asks(browser: Browser, server: Served, state: Path) -> None:
    with tab(browser, server, state, script=False) as opened:
        page = opened.page
        page.goto(f"{server.base}/case?id=nine-days")
        page.locator("#as_hour").focus()
        page.keyboard.press("Home")
        page.get_by_role("button", name="Show").first.click()
        assert "as_of=" in page.url
        assert "id=nine-days" in page.url
        page.locator("summary", has_text="An exact time").click()
        page.locator("#since").fill("2026-05-01T00:00")
        page.get_by_role("button", name="Compare").click()
        assert page.get_by_role("heading", level=1).inner_text().startswith("What has changed")
        assert not [each for each in opened.strays if "casestore.js" in each or "live" in each]


def test_from_a_number_to_its_cases_to_a_case(
    browser: Browser, server: Served, state: Path, casestore: Casestore
) -> None:
    found = casestore("today", "--as-of", AT, "--format", "json").fine().json["summary"]
    with tab(browser, server, state) as opened:
        page = opened.page
        page.goto(f"{server.base}/?as_of={AT}")
        tile = page.locator(".tiles li", has_text="promises due")
        assert tile.locator(".value").inner_text() == str(found["promise"])
        tile.get_by_role("link").click()
        assert page.locator("main tbody tr").count() == found["promise"]
        page.locator("main tbody tr").first.get_by_role("link").first.click()
        assert page.get_by_role("heading", level=1).inner_text().startswith("Case ")
        assert "As of 2026-05-12" in moment(page)


def test_what_has_changed_is_one_click_away(browser: Browser, server: Served, state: Path) -> None:
    with tab(browser, server, state) as opened:
        page = opened.page
        for path, told in (
            ("/", "What has changed"),
            ("/policy", "What has changed"),
            ("/list?of=promises", "What has changed: Promises"),
            ("/case?id=nine-days", "What has changed: case nine-days"),
            ("/customer?id=C-2207", "What has changed: customer C-2207"),
        ):
            page.goto(f"{server.base}{path}")
            page.get_by_role("link", name="a year before").click()
            assert page.get_by_role("heading", level=1).inner_text() == told
        # Of the customer to a day later: the same page, at another moment.
        page.get_by_role("link", name="a day before").click()
        assert page.get_by_role("heading", level=1).inner_text() == told


def test_what_is_recorded_is_shown_live(browser: Browser, tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    with served(casestore, enter=False) as running, browser.new_context() as context:
        page = context.new_page()
        page.goto(running.url)
        page.goto(f"{running.base}/list?of=cases")
        expect(page.get_by_role("link", name="just-now")).to_have_count(0)
        opened = ("CaseOpened", "customer_id=K-9", "channel=email", *ACTOR)
        casestore("record", "case:just-now", *opened).fine()
        expect(page.get_by_role("link", name="just-now")).to_have_count(1, timeout=10_000)
        # A page about a moment stays as it is.
        page.goto(f"{running.base}/list?of=cases&as_of={AT}")
        casestore("record", "case:later", *opened).fine()
        page.wait_for_timeout(1500)
        expect(page.get_by_role("link", name="later")).to_have_count(0)
        running.stop()
        page.goto("about:blank")


def test_hostile_addresses_are_text(browser: Browser, server: Served, state: Path) -> None:
    hostile = "%3Cimg%20src=x%20onerror=alert(1)%3E"
    with tab(browser, server, state) as opened:
        page = opened.page
        page.goto(f"{server.base}/list?of=cases&title={hostile}")
        assert "<img src=x onerror=alert(1)>" in page.get_by_role("heading", level=1).inner_text()
        assert page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("serve-overview", f"/?as_of={AT}"),
        ("serve-case", f"/case?id=nine-days&as_of={AT}"),
        ("serve-changed", f"/changed?case=nine-days&since={AT}"),
        ("serve-changed-store", f"/changed?since={AT}"),
    ],
)
def test_it_looks_well(browser: Browser, server: Served, state: Path, name: str, path: str) -> None:
    with browser.new_context(storage_state=state, bypass_csp=True, timezone_id="UTC") as context:
        opened = Tab(context.new_page())
        opened.page.goto(f"{server.base}{path}")
        check_looks(opened, name)
