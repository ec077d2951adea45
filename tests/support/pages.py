"""Pages of a store at a moment, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from casestore import CaseStore
from casestore.transfer.ndjson import import_lines
from projections.pages.links import StaticLinks
from projections.pages.page import Pages
from projections.query.asking import asking
from projections.query.seal import newest_seal
from projections.query.selection import Selection

RECORDED = datetime(2026, 9, 1, tzinfo=UTC)
"""When the stories of `demo_in` are recorded."""
STORIES = Path(__file__).parents[2] / "cli" / "stories.ndjson"


@contextmanager
def pages_at(
    store: CaseStore, as_of: datetime | None, *, reveal: bool = False, **selected: Any
) -> Iterator[Pages]:
    """The pages of a store as of a time, in a folder of a site."""
    with asking(store, Selection(as_of=as_of, **selected)) as ask:
        yield Pages(store, ask, StaticLinks().below(), newest_seal(store), reveal)


def demo_in(folder: Path) -> CaseStore:
    """A new store with the demo's stories, all recorded at one time. The caller closes it."""
    store = CaseStore.create(f"sqlite:///{folder}/demo.db", clock=lambda: RECORDED)
    with STORIES.open("rb") as lines:
        assert not import_lines(store, lines).refused
    return store


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href":
                self.hrefs.append(value or "")


class Read:
    """A page that was read: its text, ids, links and tags."""

    def __init__(self, html: str) -> None:
        reader = _Reader()
        reader.feed(html)
        self.html, self.ids, self.hrefs, self.tags = html, reader.ids, reader.hrefs, reader.tags
        body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
        body = re.sub(r"</(td|th|dt|dd|li|p|h\d)>", r"\g<0> ", body)
        self.text = " ".join(unescape(re.sub(r"<[^>]+>", "", body)).split())

    def around(self, anchor: str) -> str:
        """The text of the list entry with an id."""
        start = self.html.index(f'id="{anchor}"')
        return Read(self.html[start - 4 : self.html.index("</li>", start)]).text

    def section(self, anchor: str) -> str:
        """The text from a heading with an id to the next heading of its height."""
        start = self.html.index(f'<h2 id="{anchor}"')
        end = self.html.find("<h2", start + 4)
        return Read(self.html[start:end]).text

    @property
    def dangling(self) -> list[str]:
        """The links to places of the page itself that are not there."""
        return [h for h in self.hrefs if h.startswith("#") and h[1:] not in self.ids]
