"""Makes one page: opens the store at the moment that is asked about, and calls its renderer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, NamedTuple

from eventsourcing.persistence import ProgrammingError
from markupsafe import Markup

from casestore import CaseStore
from casestore.errors import StoreUnavailable
from projections.pages.case_file import case_page
from projections.pages.changed import About, changed_page
from projections.pages.customer_file import customer_page
from projections.pages.lessons import lessons_page
from projections.pages.links import Rows
from projections.pages.lists import list_page
from projections.pages.overview import overview
from projections.pages.page import PARTS, Frame, Pages
from projections.pages.policy import policy_page
from projections.query.asking import Ask, MadeMoment, asking, asking_made
from projections.query.seal import newest_seal
from projections.query.selection import Selection, part_options
from projections.serve.asked import Address, Addresses, Asked, Moment, address_of, told
from projections.serve.looks import head_style

CSP = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'"
)
"""The one script is our own, and it fetches from nowhere but here."""
BAR = "<!-- casestore: bar -->"
"""Stands where the bar comes in, which says what the page does not know: what came since."""
_TRIES = 5


class Made(NamedTuple):
    """A page that was made."""

    html: str
    as_of: datetime
    position: int
    """The position of the last event that it takes into account."""


class How(NamedTuple):
    """What all pages of a server have in common."""

    zone: tzinfo
    reveal: bool = False
    part: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The part of the store that the pages are about: fields of a Selection and their values."""


def make_page(
    store: CaseStore,
    asked: Asked,
    how: How,
    made: MadeMoment | None = None,
    then: MadeMoment | None = None,
) -> Made:
    """Make a page.

    Args:
        store: the store.
        asked: which page, at which moment.
        how: how times and words are shown.
        made: the tables of that moment, for a page that is about more than one case or customer.
        then: the tables of `Address.then`; without them they are made here.

    Raises:
        StreamNotFound: there is no such case or customer.
        CannotAsk: a list cannot be asked so.
        KeyFileError: words are shown, and the key file is missing.
        StoreUnavailable: the database does not answer.
    """
    for tries in range(_TRIES):
        try:
            with _opened(store, asked, how, made) as ask:
                pages = _pages(store, ask, asked.moment, how)
                return Made(_html(pages, asked, then), pages.as_of, ask.position)
        except ProgrammingError as error:  # a rebuild dropped a table on PostgreSQL meanwhile
            if tries == _TRIES - 1:
                raise StoreUnavailable("the tables are being replaced; try again") from error
    raise AssertionError


@contextmanager
def _opened(store: CaseStore, asked: Asked, how: How, made: MadeMoment | None) -> Iterator[Ask]:
    moment, address = asked
    own: Any = dict(how.part)
    selection = Selection(as_of=moment.as_of, known_at=moment.known_at, tz=how.zone, **own)
    if made is not None:
        with asking_made(store, made, selection) as ask:
            yield ask
        return
    reads = selection
    if not moment.present and (read := _read(address)) is not None:
        reads = replace(selection, **{**_WHOLE, **read})
    with asking(store, reads) as ask:
        # What is read is not what the page is about.
        yield ask.about(**{**_WHOLE, **own})


_WHOLE: dict[str, Any] = dict.fromkeys(PARTS)


def _read(address: Address) -> dict[str, Any] | None:
    """The part of the store that a page of another moment reads; None for all of it."""
    kind, id_ = address.page, address.id
    if address.page == "changed":
        kind, id_ = address.about.kind, address.about.id
    match kind:
        case "case" | "customer":
            return {kind: (id_,)}
        case "policy" | "store":
            return {"case": ("",)}  # none: it asks no report
        case _:
            return None


def _pages(store: CaseStore, ask: Ask, moment: Moment, how: How) -> Pages:
    return Pages(
        store,
        ask,
        Addresses(moment),
        newest_seal(store),
        reveal=how.reveal,
        options=list(_options(ask, how)),
        frame=_frame(),
    )


@cache
def _frame() -> Frame:
    head = Markup('<link rel="icon" href="data:,">\n<script src="/casestore.js" defer></script>\n')
    return Frame(CSP, head + head_style(), Markup(BAR))  # noqa: S704  (our own text)


def _options(ask: Ask, how: How) -> Iterator[str]:
    """The options of `casestore report pages` that make the same pages again."""
    for name in ("as_of", "known_at"):
        if (at := getattr(ask.selection, name)) is not None:
            yield f"--{name.replace('_', '-')} {told(at)}"
    yield from part_options(how.part)
    yield f"--tz {how.zone}"
    if how.reveal:
        yield "--reveal"


def _html(pages: Pages, asked: Asked, then: MadeMoment | None) -> str:
    address = asked.address

    def changed_of(about: About) -> str:
        return address_of(asked._replace(address=address._replace(about=about)))

    match address.page:
        case "case":
            return case_page(pages, address.id)
        case "customer":
            return customer_page(pages, address.id)
        case "list":
            return list_page(pages, address.rows or Rows("today"))
        case "policy":
            return policy_page(pages)
        case "lessons":
            return lessons_page(pages)
        case "changed" if address.since is not None:
            return changed_page(pages, address.since, address.about, changed_of, then)
        case _:
            return overview(pages, address.by)
