"""What has changed between two moments: what came on record, and what stands otherwise than then.

The earlier time is taken for both clocks: what had happened, and was on record, by then. So a case
may have changed though nothing was recorded of it, as when a promise has become due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple

from casestore.streams.history import History, Recorded, to_microseconds
from projections import reports
from projections.pages.case_file import WHOLE
from projections.pages.compared import MOST as MOST_ROWS
from projections.pages.compared import compared_list, compared_lists
from projections.pages.happenings import Told, told
from projections.pages.links import Rows
from projections.pages.list_kinds import LISTS, MAIN
from projections.pages.lists import list_title
from projections.pages.page import Pages
from projections.query.asking import Ask, MadeMoment, asking, asking_made
from projections.query.histories import Histories
from projections.query.selection import Selection

MOST = 5_000
"""So many events are looked at, the newest of them, and so many that were recorded later."""
_SHOWN = 1_000
"""Cases, customers and events that are listed."""


class About(NamedTuple):
    """What may have changed: all of the store, a case, a customer or a list."""

    kind: Literal["store", "case", "customer", "list"] = "store"
    id: str = ""
    """Of the case or the customer."""
    rows: Rows | None = None
    """Which list."""


ChangedOf = Callable[[About], str]
"""Gives the address of what has changed of something else, since the same time."""


@dataclass(frozen=True, kw_only=True)
class Touched:
    """A case or a customer of whom something came on record."""

    kind: str
    """case, customer or policy."""
    id: str
    events: int
    types: Sequence[tuple[str, int]]
    """The types of these events, each with its number."""
    last: datetime
    """When the last of them was recorded."""

    @property
    def about(self) -> About:
        """What its own page of changes is about."""
        return About("customer" if self.kind == "customer" else "case", self.id)


@dataclass(frozen=True, kw_only=True)
class New:
    """Events that came on record, the newest of them, in the order in which they happened."""

    kind: str
    """Whose they are: case or customer."""
    events: Sequence[Told]
    total: int


def changed_page(
    pages: Pages,
    since: datetime,
    about: About,
    changed_of: ChangedOf,
    tables: MadeMoment | None = None,
) -> str:
    """The page of what has changed.

    Args:
        pages: what is compared with then.
        since: then.
        about: of what.
        changed_of: leads to other pages like this one.
        tables: those of that moment, if they are made already; only for a list.

    Raises:
        StreamNotFound: there is no such case or customer, at any time.
        KeyFileError: words were asked for, and the key file is missing.
        CannotAsk: a list cannot be asked so.
    """
    shown: dict[str, Any] = {"since": since, "about": about, "later": since > pages.as_of}
    title = "What has changed"
    if about.rows is not None:
        title = f"{title}: {list_title(about.rows)}"
        shown["address"] = pages.links.rows(about.rows)
        if not shown["later"]:
            with _then(pages, since, about, tables) as before:
                shown["lists"] = [compared_list(before, pages.ask, about.rows)]
    elif about.kind == "store":
        after = known_by(pages, since)
        then = max(after, known_by(pages, pages.as_of))
        count_after = pages.store._recorder.count_after
        shown |= {
            "events": max(0, count_after(after) - count_after(then)),
            "later_ones": max(0, count_after(then) - count_after(pages.ask.position)),
            "touched": list(touched(pages, after, then)),
            "others": [(LISTS[n].title, changed_of(About("list", rows=Rows(n)))) for n in MAIN],
        }
    else:
        title = f"{title}: {about.kind} {about.id}"
        shown |= _of_one(pages, since, about)
    return pages.render(
        "changed.html", title=title, most=MOST, most_rows=MOST_ROWS, changed_of=changed_of, **shown
    )


def known_by(pages: Pages, since: datetime) -> int:
    """The last position that was on record by a time."""
    recorder = pages.store._recorder
    return recorder.last_position_by(to_microseconds(since), pages.ask.position)


@contextmanager
def _then(
    pages: Pages, since: datetime, about: About, tables: MadeMoment | None = None
) -> Iterator[Ask]:
    """Asks about the earlier moment. Only the streams that are needed are read."""
    then = replace(pages.ask.selection, as_of=since, known_at=since)
    if tables is not None:
        with asking_made(pages.store, tables, then) as ask:
            yield ask
        return
    if about.id:
        named: Any = {about.kind: (about.id,)}
        then = Selection(as_of=since, known_at=since, tz=pages.zone, **named)
    with asking(pages.store, then) as ask:
        yield ask


# --- all of the store ------------------------------------------------------------------------


def touched(pages: Pages, after: int, then: int) -> Iterator[Touched]:
    """Of whom something came on record after a position, the newest first.

    Args:
        pages: what is compared with the earlier time.
        after: the position.
        then: the last position that was on record by the as-of time. What was recorded later may
            have happened before: the first of these events are looked at too.
    """
    found: dict[str, list[Recorded]] = {}
    later = min(pages.ask.position, then + MOST)
    for begin, end in ((max(after, then - MOST), then), (then, later)):
        for recorded in pages.store.read(begin, until=end):
            if recorded.occurred_at <= pages.as_of:
                found.setdefault(recorded.stream, []).append(recorded)
    newest = sorted(found, key=lambda stream: -(found[stream][-1].position or 0))
    for stream in newest[:_SHOWN]:
        kind, _, id_ = stream.partition(":")
        events = found[stream]
        types = Counter(type(each.event).__name__ for each in events)
        yield Touched(
            kind=kind,
            id=id_,
            events=len(events),
            types=list(types.items()),
            last=events[-1].recorded_at or pages.as_of,
        )


# --- a case or a customer --------------------------------------------------------------------


def _of_one(pages: Pages, since: datetime, about: About) -> dict[str, Any]:
    """What the page of a case or a customer says."""
    asked: dict[str, Any] = {**WHOLE, about.kind: (about.id,)}
    histories = list(_histories(pages, about, asked))
    after = known_by(pages, since)
    was_there = any((each.position or 0) <= after for h in histories for each in h.originals)
    lists = []
    if was_there and since <= pages.as_of:
        with _then(pages, since, about) as before:
            lists = list(compared_lists(before, pages.ask, asked))
    links = pages.links
    return {
        "address": links.case(about.id) if about.kind == "case" else links.customer(about.id),
        "lists": lists,
        "was_there": was_there,
        "new": [each for each in _new(pages, histories, after) if each.total],
    }


def _histories(pages: Pages, about: About, asked: dict[str, Any]) -> Iterator[History]:
    """The histories of a case and what it is merged with; of a customer, with all their cases.

    Raises StreamNotFound, KeyFileError.
    """
    read = Histories(
        pages.store, pages.as_of, pages.known_at, pages.ask.position, reveal=pages.reveal
    )
    yield from read.related(f"{about.kind}:{about.id}")
    if about.kind == "customer":
        for line in pages.ask(reports.cases, **asked).rows:
            yield read.history(f"case:{line.case_id}")


def _new(pages: Pages, histories: Iterable[History], after: int) -> Iterator[New]:
    covered = pages.sealed.position if pages.sealed else 0
    for kind in ("case", "customer"):
        of_kind = [each for each in histories if each.stream.startswith(f"{kind}:")]
        events = [each for history in of_kind for each in told(history, pages.zone, covered)]
        new = sorted((e for e in events if _came(e, after)), key=lambda e: e.at)
        yield New(kind=kind, events=new[-_SHOWN:], total=len(new))


def _came(event: Told, after: int) -> bool:
    """Whether it, or what corrected it, came on record after a position."""
    corrected = (each.position or 0 for each in event.corrections)
    return max(event.position, *corrected, 0) > after
