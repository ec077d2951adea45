"""What a server serves: from what is asked for to a page, or to a page that says why there is none.

It knows of no request; `projections.serve.app` does.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any, NamedTuple

from casestore.errors import CaseStoreError, KeyFileError, StreamNotFound
from projections.pages.links import Rows
from projections.pages.list_kinds import MAIN
from projections.query.report import CannotAsk
from projections.serve.asked import (
    PRESENT,
    SLIDERS,
    Address,
    Asked,
    Moment,
    NotAsked,
    address_of,
    read,
    values,
)
from projections.serve.bar import bar
from projections.serve.guard import Guard
from projections.serve.library import Head, Library, Waiting
from projections.serve.looks import plain
from projections.serve.opened import Opened
from projections.serve.quick import is_quick
from projections.serve.rendering import BAR, How, Made, make_page
from projections.serve.views_log import ViewsLog

PATIENCE = 0.1
"""Seconds that a request waits for what takes long, before it is told how far it is."""
SMALL = 3_000
"""Positions of a store that is read as a whole while a request waits."""
_FRESH = 5.0
"""Seconds for which a page that is made at once is given again, if nothing was recorded."""
_FIRST = 30.0
"""Seconds that the start of a server waits for the first page."""


class Shown(NamedTuple):
    """An answer."""

    html: str
    status: int = 200
    refresh: int = 0


@dataclass
class Site:
    """What a server serves."""

    opened: Opened
    library: Library
    guard: Guard
    how: How
    log: ViewsLog | None = None
    """Notes who sees which page; only with words."""
    small: int = SMALL
    """A store with at most so many positions is read as a whole while a request waits."""
    stopping: Event = field(default_factory=Event)
    newest: int = 0
    """The position of the newest event, as far as it was heard of."""

    def prepare(self) -> None:
        """Have the pages made that take long, and wait for the first. Raises StoreUnavailable."""
        first = Asked(PRESENT, Address())
        with self.opened.reading() as store:
            head = self.opened.head(store)
            if head.position <= self.small:
                return
            self.library.prepare(first, head)
            lists = (Address("list", rows=Rows(name)) for name in MAIN)
            for address in (Address("lessons"), *lists):
                if not is_quick(address):
                    self.library.prepare(Asked(PRESENT, address), head)
            # Whoever comes first does not wait for imports, templates and caches either.
            self.opened.begin(store)
            case_id = next(store.streams("case"), "case:").removeprefix("case:")
            for address in (Address("case", case_id), Address("list", rows=Rows("cases"))):
                with suppress(CaseStoreError):
                    self._made(store, Asked(PRESENT, address), head)
        self.library.slow(first, head, _FIRST)

    # --- pages: these run in threads -------------------------------------------------------

    def page(self, page: str, query: str, who: str) -> Shown | str:
        """A page, or the address that it has.

        Args:
            page: one of PAGES.
            query: of the address.
            who: who asks.
        """
        asked = read(page, query, self.how.zone)
        now = datetime.now(UTC)
        moment = Moment(*(None if at is None or at >= now else at for at in asked.moment))
        asked = asked._replace(moment=moment)
        if any(name in values(query) for name in SLIDERS.values()):
            return address_of(asked)
        with self.opened.reading() as store:
            head = self.opened.head(store)
            found = self._made(store, asked, head)
            if isinstance(found, Waiting):
                return _progress(found)
            text = bar(
                asked,
                head,
                found.position,
                begin=self.opened.begin(store),
                now=now,
                zone=self.how.zone,
                quick=_of_one(asked.address) or head.position <= self.small,
            )
        if self.log is not None:
            self.log.note(who, asked, found.position, head.store_id)
        return Shown(found.html.replace(BAR, text, 1))

    def shown(self, page: str, query: str, who: str) -> Shown | str:
        """The same, where an error gets a page that says why there is none."""
        try:
            return self.page(page, query, who)
        except Exception as error:
            return _failed(error)

    def _made(self, store: Any, asked: Asked, head: Head) -> Made | Waiting:
        moment, address = asked
        tables = None
        if not (_of_one(address) or head.position <= self.small):
            if address.then is not None and not self.library.has(asked, head):
                found = self.library.tables(address.then, head, PATIENCE)
                if isinstance(found, Waiting):
                    return found
            if not is_quick(address) or self.library.has(asked, head):
                return self.library.slow(asked, head, PATIENCE)
            if not moment.present:
                found = self.library.tables(moment, head, PATIENCE)
                if isinstance(found, Waiting):
                    return found
                tables = found
        elif (kept := self.library.kept(asked, head, _FRESH)) is not None:
            return kept
        start = time.monotonic()
        made = make_page(store, asked, self.how, tables)
        self.library.keep(asked, made, head, time.monotonic() - start)
        return made

    def follow(self) -> None:
        """Hear of what is recorded, until the server stops: what a thread does."""
        while not self.stopping.is_set():
            try:
                with self.opened.reading() as store:
                    self.newest = store._recorder.last_position()
                    for recorded in store.follow(self.newest, stop=self.stopping, on_poison="skip"):
                        self.newest = recorded.position or self.newest
            except CaseStoreError:  # the store is away, or another one: its pages say so
                self.stopping.wait(1)


def _of_one(address: Address) -> bool:
    """Whether a page needs only some streams, so that it is made at once at any moment."""
    return address.page in ("case", "customer", "policy", "changed") and address.then is None


def _progress(found: Waiting) -> Shown:
    said = [f"Being made now: {found.what}."]
    most = found.of if found.done else 0
    if most:
        said.append(f"{found.done:,} of about {most:,} events are read.")
    if found.failed:
        said.append(f"The last try failed ({found.failed}); it is tried again.")
    said.append("This page asks for itself again until it is there.")
    html = plain("This page is being made", *said, refresh=1, done=found.done, most=most)
    return Shown(html, 202, 1)


def _failed(error: Exception) -> Shown:
    """What is said of an error: no message that could have words in it."""
    match error:
        case NotAsked() | CannotAsk():
            return Shown(plain("This cannot be asked", sentence(error)[:500]), 400)
        case StreamNotFound():
            return Shown(plain("There is no such case or customer", "Check the id."), 404)
        case KeyFileError():
            text = "The key file is missing, or does not hold the right key."
            return Shown(plain("Words cannot be shown", text), 503)
        case CaseStoreError() | OSError():
            _complain(error)
            text = "The store does not answer, or cannot be read. This page tries again."
            return Shown(plain("The store does not answer", text, refresh=5), 503, 5)
        case _:
            _complain(error)
            text = "This is a fault in casestore itself. The server's operator can see which."
            return Shown(plain("The page could not be made", text), 500)


def _complain(error: Exception) -> None:
    """Name an error to the operator: no message, which could have words in it."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f", line {frame.tb_lineno} of {frame.tb_frame.f_code.co_name}"
    print(f"casestore serve: {type(error).__name__}{where}", file=sys.stderr, flush=True)


def sentence(error: Exception) -> str:
    """What an error says, as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
