"""Sites of pages in tests: writing one, and reading its numbers and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

from casestore import CaseStore
from projections.pages.links import StaticLinks
from projections.pages.page import Pages
from projections.pages.site import Site, write_site
from projections.query.asking import asking
from projections.query.measures import Step
from projections.query.seal import newest_seal
from projections.query.selection import Selection


def site(store: CaseStore, folder: Path, *, by: Step = "month", **asked: Any) -> Site:
    """Write a site of a store."""
    reveal = asked.pop("reveal", False)
    with asking(store, Selection(**asked)) as ask:
        pages = Pages(store, ask, StaticLinks(), newest_seal(store), reveal=reveal)
        return write_site(pages, folder, by)


class Link(NamedTuple):
    """A link of a page."""

    page: Path
    to: Path
    fragment: str
    text: str


def links(folder: Path) -> Iterator[Link]:
    """All links of a site."""
    for page in sorted(folder.rglob("*.html")):
        for address, text in re.findall(r'<a href="([^"]*)"[^>]*>(.*?)</a>', page.read_text()):
            path, _, fragment = unescape(address).partition("#")
            to = (page.parent / path).resolve() if path else page
            yield Link(page, to, fragment, re.sub(r"<.*?>", "", text).strip())


def rows_of(page: Path) -> int:
    """How many rows the page of a list says that it has."""
    found = re.search(r"<strong>([\d,]+)</strong> rows?", page.read_text())
    assert found is not None, page
    return int(found[1].replace(",", ""))


def table(html: str, heading: str) -> list[list[str]]:
    """The cells of the last table of the section with a heading, as text; charts stand first."""
    _, found, after = html.partition(f">{heading}</h2>")
    assert found, heading
    body = after.partition("</section>")[0].rpartition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [
            unescape(re.sub(r"<.*?>", "", cell)).strip()
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]
