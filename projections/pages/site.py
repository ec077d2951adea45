"""A site of pages: files in a folder, which need no server, no script and nothing from elsewhere."""

from __future__ import annotations

from typing import NamedTuple

MARK = "casestore-pages"
"""The file by which a folder is known to be a site: its files may be replaced."""
_MARKED = b"This folder was written by casestore. It is replaced as a whole when pages are written here.\n"


class Written(NamedTuple):
    """What a site has."""

    lists: int
    cases: int
    customers: int


class Page(NamedTuple):
    """A page of a site."""

    name: str
    """Of its file, below the site's folder."""
    html: str
