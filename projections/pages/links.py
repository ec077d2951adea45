"""Addresses of pages. A renderer asks for them, and does not know where its page will stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal, NamedTuple, Protocol

Place = Literal["overview", "policy", "lessons"]
"""A page of which there is one."""
Values = tuple[str | None, ...]


class Rows(NamedTuple):
    """Which rows a list shows: those of a report, and of these the ones with certain values."""

    report: str
    """A key of `projections.pages.list_kinds.LISTS`."""
    title: str = ""
    """What the rows have in common, like "received in 2026-08"; "" for all rows."""
    options: tuple[tuple[str, object], ...] = ()
    """What the report is asked, besides what every page is: its own options, since and until."""
    only: tuple[tuple[str, Values], ...] = ()
    """Only rows whose field, as text, is one of the values; None for a field without a value."""
    but: tuple[tuple[str, Values], ...] = ()
    """No rows whose field is one of the values."""


class Links(Protocol):
    """Gives the address of a page as another page names it; None where there is no such page."""

    def case(self, case_id: str) -> str | None:
        """The address of a case's file."""

    def customer(self, customer_id: str) -> str | None:
        """The address of a customer's file."""

    def page(self, place: Place) -> str | None:
        """The address of a page of which there is one."""

    def rows(self, rows: Rows) -> str | None:
        """The address of a list."""


class StaticLinks:
    """The addresses in a folder of files. It remembers which pages were asked for, to write them.

    Pages other than the overview stand one folder deep, so that each names the others by `../`.
    """

    def __init__(self) -> None:
        self.cases: dict[str, None] = {}
        """The cases that were asked for, in order."""
        self.customers: dict[str, None] = {}
        self.lists: dict[Rows, str] = {}
        """The lists that were asked for, each with the name of its file."""
        self.lists_end = False
        """Whether no more lists are taken in: what has no file yet gets none, and no link."""
        self.cases_end = False
        self.customers_end = False
        self.places: tuple[Place, ...] = ("overview", "policy", "lessons")

    def below(self) -> _Below:
        """The same addresses, as pages in a folder name them."""
        return _Below(self)

    def case(self, case_id: str) -> str | None:
        """The address of a case's file."""
        return _taken(case_id, self.cases, self.cases_end, "case")

    def customer(self, customer_id: str) -> str | None:
        """The address of a customer's file."""
        return _taken(customer_id, self.customers, self.customers_end, "customer")

    def page(self, place: Place) -> str | None:
        """The address of a page of which there is one."""
        if place not in self.places:
            return None
        return "index.html" if place == "overview" else f"page/{place}.html"

    def rows(self, rows: Rows) -> str | None:
        """The address of a list."""
        if rows not in self.lists:
            if self.lists_end:
                return None
            self.lists[rows] = list_name(rows)
        return f"list/{self.lists[rows]}.html"


class _Below:
    def __init__(self, links: StaticLinks) -> None:
        self._links = links

    def case(self, case_id: str) -> str | None:
        return _up(self._links.case(case_id))

    def customer(self, customer_id: str) -> str | None:
        return _up(self._links.customer(customer_id))

    def page(self, place: Place) -> str | None:
        return _up(self._links.page(place))

    def rows(self, rows: Rows) -> str | None:
        return _up(self._links.rows(rows))


def _up(address: str | None) -> str | None:
    return None if address is None else f"../{address}"


def _taken(id_: str, known: dict[str, None], end: bool, folder: str) -> str | None:
    if id_ not in known:
        if end:
            return None
        known[id_] = None
    return f"{folder}/{file_name(id_)}.html"


def file_name(id_: str) -> str:
    """The name of a file for an id: the id itself where any system takes it, else a digest too.

    No two ids have one name, also where a file system does not tell upper from lower case: an id
    with lower-case letters gets a digest, which stands after "~".
    """
    if re.fullmatch(r"[A-Z0-9_-]{1,60}", id_) and not _RESERVED.fullmatch(id_):
        return id_
    slug = re.sub(r"[^a-z0-9_-]+", "-", id_.lower())[:40].strip("-")
    return f"{slug}~{sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


_RESERVED = re.compile(r"CON|PRN|AUX|NUL|COM\d|LPT\d")


def list_name(rows: Rows) -> str:
    """The name of a list's file: the report, what its rows have in common, and a digest."""
    parts = (*rows.options, *rows.only, *rows.but)
    if not parts:
        return rows.report
    words = re.sub(r"[^a-z0-9]+", "-", f"{rows.report} {rows.title}".lower())[:60].strip("-")
    told = repr((rows.report, rows.options, rows.only, rows.but))
    return f"{words}~{sha256(told.encode()).hexdigest()[:8]}"


def options(given: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """The options of a report as `Rows` keeps them."""
    return tuple(sorted(given.items()))
