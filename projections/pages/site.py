"""A site of pages: files in a folder, which need no server, no script and nothing from elsewhere.

index.html          the overview; it comes last, so that a site that has one is complete
list/<name>.html    the rows that a number counts
case/<id>.html      the cases that stand in lists, see `rows_with_files`
customer/<id>.html  the customers of these
page/policy.html, page/lessons.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.system.files import write_whole
from projections.models.cases import CASES
from projections.pages.case_file import case_page
from projections.pages.customer_file import customer_page
from projections.pages.folder import INDEX, remove_others, taken
from projections.pages.lessons import lessons_page
from projections.pages.links import Rows, StaticLinks, file_name
from projections.pages.list_kinds import MAIN, columns
from projections.pages.lists import chosen, list_page
from projections.pages.overview import overview
from projections.pages.page import Pages
from projections.pages.policy import policy_page
from projections.query.measures import Step

MANY_CASES = 10_000
"""For pages about more cases than that, not every row of a list gets files."""
FIRST_ROWS = 100
"""So many rows of each list do then: some hundred lists would else bring a hundred thousand."""


class Page(NamedTuple):
    """A page of a site."""

    name: str
    """Of its file, below the site's folder."""
    html: str


class Site(NamedTuple):
    """What was written."""

    folder: Path
    lists: int
    cases: int
    customers: int
    pages: int
    """All of them, the overview among them."""
    rows_with_files: int | None
    """Of each list, the cases and customers of so many rows have files; None: of all rows."""


def pages_of(pages: Pages, links: StaticLinks, by: Step = "month") -> Iterator[Page]:
    """The pages of a site, one by one, the overview last.

    It has all lists that a number of the overview leads to, the cases that stand in these lists,
    and the customers that are named there or in a case: of all their rows, or, if the pages are
    about very many cases, of the first rows of each list.

    Args:
        pages: the moment, and which part of the store.
        links: which takes in what has to be written.
        by: the length of the overview's periods.
    """
    at_the_top, below = pages.linking(links), pages.linking(links.below())
    # What leads to lists is made first: so it is known which lists there are.
    first = Page(INDEX, overview(at_the_top, by))
    yield Page("page/policy.html", policy_page(below))
    yield Page("page/lessons.html", lessons_page(below))
    for name in MAIN:
        links.rows(Rows(name))
    links.cases_end = links.customers_end = True
    files = rows_with_files(below)
    for rows in _growing(links.lists):
        found = chosen(below, rows)
        _take(links, rows, found.rows[:files])
        yield Page(f"list/{links.lists[rows]}.html", list_page(below, rows, found, files))
    links.lists_end, links.customers_end = True, False
    _take_roots(links, below)
    for case_id in links.cases:
        yield Page(f"case/{file_name(case_id)}.html", case_page(below, case_id))
    links.customers_end = True
    for customer_id in links.customers:
        yield Page(f"customer/{file_name(customer_id)}.html", customer_page(below, customer_id))
    yield first


def rows_with_files(pages: Pages) -> int | None:
    """Of how many rows of each list the cases and customers have files; None: of all rows."""
    return None if chosen(pages, Rows("cases"), 0).total <= MANY_CASES else FIRST_ROWS


def _take(links: StaticLinks, asked: Rows, rows: Sequence[Any]) -> None:
    """Have files written of the cases and customers in rows of a list."""
    takes = {"case": links.cases, "customer": links.customers}
    for column in columns(asked.report):
        if (into := takes.get(column.form)) is not None:
            ids = (getattr(row, column.name) for row in rows)
            into.update((each, None) for each in ids if each is not None)


def _take_roots(links: StaticLinks, pages: Pages) -> None:
    """Have files written of the cases that others are merged into: those lead there."""
    for row in pages.ask.view().select(CASES, "status = 'merged'"):
        if row.case_id in links.cases and (root := pages.ask.view(case=row.case_id).case):
            links.cases[root] = None


def _growing(found: dict[Rows, str]) -> Iterator[Rows]:
    """Each list once, also those that are asked for meanwhile."""
    done = 0
    while done < len(found):
        some = list(found)[done:]
        done += len(some)
        yield from some


def write_site(
    pages: Pages,
    folder: Path,
    by: Step = "month",
    tick: Callable[[int], None] | None = None,
) -> Site:
    """Write a site. Each file is complete or absent; what an earlier site had besides is removed.

    Whoever is stopped leaves no overview, and writes the same files when told again. While one
    process writes into a folder, others that are to write into it wait.

    Args:
        pages: the moment, and which part of the store; with words, only the owner can read the
            files.
        folder: where; new, empty, or that of an earlier site.
        by: the length of the overview's periods.
        tick: called with the number of pages written so far.

    Raises:
        StoreExists: the folder has something else in it, or leads elsewhere.
        KeyFileError: words are to be shown, and the key file is missing or another one.
        OSError: a file cannot be written.
    """
    if pages.reveal:
        _check_key_file(pages.store)
    mode = 0o600 if pages.reveal else 0o644
    links, written = StaticLinks(), set[str]()
    with taken(folder, 0o700 if pages.reveal else 0o755):
        for page in pages_of(pages, links, by):
            write_whole(folder / page.name, page.html.encode("utf-8", "backslashreplace"), mode)
            written.add(page.name)
            if tick is not None:
                tick(len(written))
        remove_others(folder, written)
    counts = len(links.lists), len(links.cases), len(links.customers), len(written)
    return Site(folder, *counts, rows_with_files(pages))


def _check_key_file(store: CaseStore) -> None:
    """Raises KeyFileError where words cannot be read: better now than when an old site is gone."""
    first = store._recorder.first_position_with_words()
    if first is not None:
        with suppress(StoreDamaged):  # then the page with that event says so
            list(store.read(first - 1, until=first, reveal=True))
