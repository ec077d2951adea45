"""A real Chromium for the tests of pages: the machine's own, driven by playwright.

Every page that a test opens is watched: what it requests, and what it says on the console. Its
Content-Security-Policy is in force, and scripts are switched on, so that a hostile text that
became a script would be seen to run.

CASESTORE_SCREENSHOTS names a folder for pictures and printed pages, for a person to look at.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, Protocol

from playwright.sync_api import Browser, Dialog, Error, Page, Request, sync_playwright

CHROMIUM = "CASESTORE_TEST_CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS = "CASESTORE_SCREENSHOTS"
WIDTHS = (360, 800, 1400)  # CSS pixels: a telephone, half a screen, a screen
HEIGHT = 900
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

Scheme = Literal["light", "dark"]


class NoBrowser(Exception):  # noqa: N818  (tests skip on it: it is no error)
    """No Chromium can be had here; the message says what was tried."""


def chromium() -> str:
    """The path of the machine's Chromium."""
    if given := os.environ.get(CHROMIUM):
        if not shutil.which(given):
            raise NoBrowser(f"{CHROMIUM} names {given}, which is no program")
        return given
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise NoBrowser(f"neither {CHROMIUM} nor one of {', '.join(PROGRAMS)} on PATH")


@contextmanager
def launched() -> Iterator[Browser]:
    """A running Chromium, without a window."""
    program = chromium()
    # Chromium refuses to run as root in its sandbox. It opens only pages that the tests made.
    options = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=options)
        except Error as error:
            raise NoBrowser(f"{program} does not start: {error.message[:500]}") from error
        with browser:
            yield browser


class Tab:
    """A page that is open, and what it did."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.strays: list[str] = []
        """What it requested, but for the files that it went to by link or address."""
        self.messages: list[str] = []
        """What the page said on the console or in a dialog, and errors in its scripts."""
        self._name = ""
        page.on("request", self._requested)
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(error.message))
        page.on("dialog", self._asked)

    def _requested(self, request: Request) -> None:
        went = request.is_navigation_request() and request.frame == self.page.main_frame
        if not (went and request.url.startswith("file:")) and not request.url.startswith("data:"):
            self.strays.append(request.url)

    def _asked(self, dialog: Dialog) -> None:
        self.messages.append(dialog.message)
        dialog.dismiss()

    def show(
        self, *, width: int = WIDTHS[-1], scheme: Scheme = "light", printed: bool = False
    ) -> None:
        """Show the same page anew: so wide, in that scheme, or as it is printed."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.emulate_media(color_scheme=scheme, media="print" if printed else "screen")
        self._name = f"{width}-{'print' if printed else scheme}"

    def too_wide(self) -> int:
        """By how many CSS pixels the page is wider than its window."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(wide))

    def axe(self) -> list[str]:
        """What axe-core finds wrong for people who use a screen reader, a keyboard, poor eyes."""
        self.page.evaluate(_axe())
        told = self.page.evaluate("tags => axe.run({runOnly: tags})", RULES)
        return [
            f"{finding['id']}: {finding['help']}: {' '.join(node['target'])}: {node['html'][:200]}"
            for finding in told["violations"]
            for node in finding["nodes"]
        ]

    def aria(self, selector: str = "body") -> str:
        """What a screen reader is given, for golden files: no addresses, a table row by row."""
        told, row = [], -1
        for line in self.page.locator(selector).aria_snapshot().splitlines():
            deep = len(line) - len(line.lstrip())
            if 0 <= row < deep or line.lstrip().startswith("- /url:"):
                continue
            row = deep if re.match(r"- '?row ", line.lstrip()) else -1
            told.append(f"{line}\n")
        return "".join(told)

    def shoot(self, name: str) -> None:
        """Put a picture of the whole page into the folder of screenshots, if one is named."""
        if folder := os.environ.get(SCREENSHOTS):
            path = Path(folder, f"{name}-{self._name}.png")
            self.page.screenshot(path=path, full_page=True)

    def pdf(self, name: str) -> bytes:
        """The page as it is printed on paper; also put into the folder of screenshots."""
        self.page.emulate_media(media="print")  # else it would be printed as on the screen
        printed = self.page.pdf(prefer_css_page_size=True)
        if folder := os.environ.get(SCREENSHOTS):
            Path(folder, f"{name}.pdf").write_bytes(printed)
        return printed


@cache
def _axe() -> str:
    """The script of axe-core. It is not ours to distribute under our licence: a wheel has it."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


class OpenPage(Protocol):
    """How a test opens a page: the fixture `open_page`."""

    def __call__(
        self,
        what: Path | str,
        *,
        width: int = ...,
        scheme: Scheme = ...,
        printed: bool = ...,
    ) -> Tab:
        """Open a file, or text as HTML."""


@contextmanager
def watched(browser: Browser, folder: Path) -> Iterator[OpenPage]:
    """Open pages for one test; at the end none may have asked for or said anything.

    Args:
        folder: where to write text that is opened as a page.
    """
    context = browser.new_context(locale="en-GB", timezone_id="UTC")
    tabs: list[Tab] = []

    def open_page(
        what: Path | str,
        *,
        width: int = WIDTHS[-1],
        scheme: Scheme = "light",
        printed: bool = False,
    ) -> Tab:
        if isinstance(what, str):
            path = folder / f"page-{len(tabs)}.html"
            path.write_text(what, "utf-8")
        else:
            path = what.resolve()
        tab = Tab(context.new_page())
        tabs.append(tab)
        tab.show(width=width, scheme=scheme, printed=printed)
        tab.page.goto(path.as_uri())
        return tab

    with context:
        yield open_page
        for tab in tabs:
            assert (tab.strays, tab.messages) == ([], []), tab.page.url


def check_looks(tab: Tab, name: str) -> None:
    """Nothing is cut off in any width, and axe finds nothing in either scheme; pictures of all.

    Args:
        name: what the pictures are called.
    """
    wrong = []
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            tab.show(width=width, scheme=scheme)
            tab.shoot(name)
            if beyond := tab.too_wide():
                wrong.append(f"{width}, {scheme}: the page is {beyond} pixels too wide")
            # axe takes seconds: once where all is narrow, and once for the other colours.
            if (width, scheme) in ((WIDTHS[0], "light"), (WIDTHS[-1], "dark")):
                wrong += [f"{width}, {scheme}: {finding}" for finding in tab.axe()]
    tab.show(width=WIDTHS[1], printed=True)
    tab.shoot(name)
    tab.show()
    assert not wrong, "\n".join(wrong)
