"""The text of a page of HTML, as far as a mail needs it.

The standard library's HTMLParser is not used: Python 3.11's takes half a minute for a page of 60 kB
that is made to keep it busy. Here each character is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

_UNSEEN = {"head", "script", "style", "title"}
_BREAKS = {"p", "div", "br", "tr", "li", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "pre"}
_TAG = re.compile(r"</?([a-z][a-z0-9]*)|<[!?/]", re.IGNORECASE)


def html_text(html: str) -> str:
    """The words of a page, with a line for each block."""
    text = unescape("".join(_words(html)))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _words(html: str) -> Iterator[str]:
    """The words and, for each block, a line end."""
    lower = html.lower()
    done = 0
    while (begin := html.find("<", done)) >= 0:
        yield _flat(html[done:begin])
        tag = _TAG.match(html, begin)
        if tag is None:  # a "<" of the text
            yield "<"
            done = begin + 1
            continue
        name = (tag[1] or "").lower()
        comment = html.startswith("<!--", begin)
        mark = "-->" if comment else ">"
        end = html.find(mark, tag.end())
        if end >= 0 and name in _UNSEEN and html[begin + 1] != "/":
            end = lower.find(f"</{name}", end)
            mark = ""
        if end < 0:  # it never ends
            return
        if name in _BREAKS:
            yield "\n"
        done = end + len(mark)
    yield _flat(html[done:])


def _flat(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")
