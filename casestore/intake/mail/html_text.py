"""The text of a page of HTML, as far as a mail needs it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_UNSEEN = {"head", "script", "style", "title"}
_BREAKS = {"p", "div", "br", "tr", "li", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "pre"}


def html_text(html: str) -> str:
    """The words of a page, with a line for each block."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \t\r\f\v]+", " ", "".join(reader.words))
    return re.sub(r" ?\n ?", "\n", re.sub(r"(?: ?\n ?){3,}", "\n\n", text)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._unseen: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _UNSEEN and self._unseen is None:
            self._unseen = tag
        if tag in _BREAKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in (self._unseen, "body", "html"):
            self._unseen = None
        if tag in _BREAKS and tag != "br":
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if self._unseen is None:
            self.words.append(data.replace("\n", " "))
