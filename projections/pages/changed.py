"""What has changed since a time: what came on record, and how a case stands otherwise than then.

The time is taken for both clocks: what had happened, and was on record, by then. So a case may have
changed though nothing was recorded of it, as when a promise has become due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from casestore.streams.history import Recorded, to_microseconds
from casestore.streams.wording import words
from projections import reports
from projections.pages.case_file import WHOLE
from projections.pages.happenings import Told, told
from projections.pages.page import Pages
from projections.query.asking import asking
from projections.query.histories import Histories
from projections.query.selection import Selection

MOST = 5_000
"""So many events are looked at, the newest of them."""
_SHOWN = 1_000
"""Cases and customers that are listed."""


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


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value that is not what it was."""

    what: str
    """Of the case, or a promise and its id."""
    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class OfCase:
    """What has changed in a case and in what it is merged with."""

    new: Sequence[Told]
    """The events that came on record, in the order in which they happened."""
    differences: Sequence[Difference]
    """How it stands otherwise; nothing if it was not on record then."""
    was_there: bool
    """Whether it was on record then."""


def changed_page(
    pages: Pages, since: datetime, case_id: str, changed_of: Callable[[str], str | None]
) -> str:
    """The page of what has changed.

    Args:
        pages: what is compared with then.
        since: then.
        case_id: of which case; "" for all of the store.
        changed_of: gives the address of what has changed in a case.

    Raises:
        StreamNotFound: there is no such case, at any time.
        KeyFileError: words were asked for, and the key file is missing.
    """
    after = known_by(pages, since)
    of_case = changed_case(pages, since, after, case_id) if case_id else None
    count_after = pages.store._recorder.count_after
    count = 0 if case_id else max(0, count_after(after) - count_after(pages.ask.position))
    return pages.render(
        "changed.html",
        title=f"What has changed in case {case_id}" if case_id else "What has changed",
        since=since,
        case_id=case_id,
        of_case=of_case,
        touched=[] if case_id else list(touched(pages, after)),
        events=count,
        most=MOST,
        changed_of=changed_of,
    )


def known_by(pages: Pages, since: datetime) -> int:
    """The last position that was on record by a time."""
    recorder = pages.store._recorder
    return recorder.last_position_by(to_microseconds(since), pages.ask.position)


def touched(pages: Pages, after: int) -> Iterator[Touched]:
    """Of whom something came on record after a position, the newest first."""
    until = pages.ask.position
    found: dict[str, list[Recorded]] = {}
    for recorded in pages.store.read(max(after, until - MOST), until=until):
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


def changed_case(pages: Pages, since: datetime, after: int, case_id: str) -> OfCase:
    """What has changed in a case. Raises as `changed_page` does."""
    ask = pages.ask
    read = Histories(pages.store, pages.as_of, pages.known_at, ask.position, reveal=pages.reveal)
    histories = read.related(f"case:{case_id}")
    covered = pages.sealed.position if pages.sealed else 0
    shown = [each for history in histories for each in told(history, pages.zone, covered)]
    new = sorted((each for each in shown if each.position > after), key=lambda each: each.at)
    then = Selection(as_of=since, known_at=since, case=(case_id,), tz=pages.zone)
    with asking(pages.store, then) as before:
        stood, stands = _standing(before, case_id), _standing(ask, case_id)
    differences = list(_differences(stood, stands)) if stood else []
    return OfCase(new=new, differences=differences, was_there=bool(stood))


def _standing(ask: Any, case_id: str) -> dict[tuple[str, str], str]:
    """How a case and its promises stand: each value in words, by what it is of and its name."""
    about = WHOLE | {"case": case_id}
    found: dict[tuple[str, str], str] = {}
    for line in ask(reports.cases, **about).rows:
        found |= _values(f"case {line.case_id}", asdict(line), _SAME_CASE)
    for line in ask(reports.promises, **about).rows:
        found |= _values(f"promise {line.promise_id}", asdict(line), _SAME_PROMISE)
    return found


_SAME_CASE = ("case_id", "last_event_at", "events")
_SAME_PROMISE = ("promise_id", "case_id", "customer_id", "late_by_s")


def _values(
    what: str, line: Mapping[str, Any], left_out: Sequence[str]
) -> dict[tuple[str, str], str]:
    return {
        (what, name): "none" if value is None else words(value)
        for name, value in line.items()
        if name not in left_out
    }


def _differences(
    before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]
) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key, "none"), after.get(key, "none")
        if was != now:
            yield Difference(what=key[0], name=key[1], before=was, after=now)
