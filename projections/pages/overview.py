"""The overview: what there is to do, what came in and went out, and how well it was handled.

Each number is one of a report, asked for the same moment and the same part of the store, and leads
to the rows that it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from projections import reports
from projections.models.cases import NOT_COMPLAINTS
from projections.pages.charts import Series, Value, bars, line
from projections.pages.handling import Window, handling
from projections.pages.links import Rows, options
from projections.pages.list_kinds import COMPLAINTS, LISTS, MAIN, STANDING, columns
from projections.pages.lists import chosen
from projections.pages.page import Pages
from projections.query.measures import TICK, Step, bounds, period, shifted
from projections.query.report import Result

SHOWN: Mapping[Step, int] = {"day": 14, "week": 13, "month": 12}
"""How many periods the overview shows; the last one is that of as-of, as far as it has come."""
_FIRST_ROWS = 8
"""Of what there is to do, so many rows stand on the overview itself."""
_TURNS = ("received", "opened", "closed", "reopened")


class Tile(NamedTuple):
    """A number that stands out."""

    name: str
    value: Value
    change: str = ""
    bad: bool = False


def overview(pages: Pages, by: Step = "month") -> str:
    """The overview.

    Args:
        pages: the moment, and which part of the store.
        by: the length of the periods that it shows.
    """
    window = _window(pages, by)
    to_do = pages.ask(reports.today)
    # As of midnight the last period is the one that has just ended. None ended before year 1.
    until = pages.as_of if window.begin < pages.as_of else None
    shown: Any = {"since": window.begin, "until": until}
    periods = pages.ask(reports.period, by=by, **shown).rows
    return pages.render(
        "overview.html",
        title="Overview",
        work=list(_work(pages, to_do)),
        first=to_do.rows[:_FIRST_ROWS],
        to_do=to_do.total,
        columns=columns("today")[:-2],
        all_to_do=pages.links.rows(Rows("today")),
        tiles=list(_tiles(pages, by, periods)),
        by=by,
        begin=window.begin,
        periods=list(_periods(pages, by, periods)),
        turned=_turned(pages, by, periods),
        backlog=_backlog(pages, by, periods),
        **handling(pages, window),
        lists=[_list(pages, name) for name in MAIN],
    )


def _window(pages: Pages, by: Step) -> Window:
    zone = pages.zone
    begin = bounds(period(shifted(pages.as_of, -TICK), by, zone), by, zone)[0]
    for _ in range(SHOWN[by] - 1):
        begin = bounds(period(shifted(begin, -TICK), by, zone), by, zone)[0]
    return Window(by, begin)


_SINCE = Markup('{} <span class="t">{}</span>')
_LISTED = {
    "reply": Rows("waiting"),
    "resend": Rows("undelivered", "not made good", only=(("made_good_at", (None,)),)),
}
"""Of what there is to do, what another list tells better: since when."""

# --- today -----------------------------------------------------------------------------------


def _work(pages: Pages, to_do: Result[Any]) -> Iterator[Tile]:
    found: Mapping[str, Any] = to_do.summary
    late = Rows("today", "overdue", but=(("overdue_s", (None,)),))
    yield Tile("overdue", pages.counted(found["overdue"], late), bad=bool(found["overdue"]))
    for kind, one, name, since in (
        ("reply", "customer waits", "customers wait", "the longest since"),
        ("promise", "promise due in 7 days, or past", "promises due in 7 days, or past", ""),
        (
            *("resend", "reply bounced, not made good", "replies bounced, not made good"),
            "the oldest since",
        ),
        ("return", "escalation to return", "escalations to return", "the oldest since"),
        (
            *("resolve", "case to resolve in 7 days, or past"),
            *("cases to resolve in 7 days, or past", ""),
        ),
    ):
        rows = _LISTED.get(kind) or Rows("today", name, only=(("kind", (kind,)),))
        begun = [row.since for row in to_do.rows if row.kind == kind] if since else []
        told = _SINCE.format(since, min(begun).astimezone(pages.zone).date()) if begun else ""
        yield Tile(one if found[kind] == 1 else name, pages.counted(found[kind], rows), told)


# --- periods ---------------------------------------------------------------------------------


def turned(name: str, by: Step, what: str, pages: Pages) -> Rows:
    """The cases that a period's number counts.

    Args:
        name: the period.
        by: its length.
        what: received, opened, closed, reopened or outstanding.
        pages: of which pages.
    """
    begin, end = bounds(name, by, pages.zone)
    title = f"{what} in {name}"
    if what == "outstanding":
        title = f"open at the end of {name}"
        if pages.as_of < end:
            title, end = "open", shifted(pages.as_of, TICK)
        given: dict[str, object] = {"open_at": end}
    else:
        given = {f"{what}_from": begin, f"{what}_to": end}
    return Rows("cases", title, options(given), STANDING, COMPLAINTS)


def _turned(pages: Pages, by: Step, lines: Sequence[Any]) -> Markup:
    names = [each.period for each in lines]
    series = [
        Series(what, [_cell(pages, by, each, what, getattr(each, what)) for each in lines])
        for what in ("received", "closed")
    ]
    return bars(f"Complaints received and closed by {by}", names, series)


def _backlog(pages: Pages, by: Step, lines: Sequence[Any]) -> Markup:
    names = [each.period for each in lines]
    open_then = [_cell(pages, by, each, "outstanding", each.outstanding_at_end) for each in lines]
    return line(f"Open at the end of the {by}", names, Series("open", open_then))


def _cell(pages: Pages, by: Step, each: Any, what: str, value: int) -> Value:
    return pages.counted(value, turned(each.period, by, what, pages))


def _periods(pages: Pages, by: Step, lines: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The rows of the table of periods, the newest first."""
    for each in reversed(lines):
        cells = [_cell(pages, by, each, what, getattr(each, what)) for what in _TURNS]
        cells.append(_cell(pages, by, each, "outstanding", each.outstanding_at_end))
        begin, end = bounds(each.period, by, pages.zone)
        left_out = Rows(
            "cases",
            f"closed in {each.period}, no complaints",
            only=(*STANDING, ("close_reason", NOT_COMPLAINTS)),
            options=options({"closed_from": begin, "closed_to": end}),
        )
        yield {"line": each, "cells": [*cells, pages.counted(each.not_complaints, left_out)]}


def _tiles(pages: Pages, by: Step, lines: Sequence[Any]) -> Iterator[Tile]:
    if not lines:
        return
    last = lines[-1]
    before = lines[-2] if len(lines) > 1 else None
    for what in ("received", "closed", "reopened"):
        value = getattr(last, what)
        change = "" if before is None else _change(value, getattr(before, what), before.period)
        yield Tile(what, _cell(pages, by, last, what, value), change)
    value, start = last.outstanding_at_end, last.outstanding_at_start
    change = _change(value, start, f"the end of the {by} before")
    yield Tile("outstanding", _cell(pages, by, last, "outstanding", value), change)


def _change(now: int, before: int, named: str) -> str:
    more = now - before
    told = "as many as" if not more else f"{abs(more):,} {'more' if more > 0 else 'fewer'} than"
    return (
        f"{told} in {named}: {before:,}" if named[0].isdigit() else f"{told} at {named}: {before:,}"
    )


def _list(pages: Pages, name: str) -> tuple[str, int, str | None]:
    rows = Rows(name)
    return LISTS[name].title, chosen(pages, rows, 0).total, pages.links.rows(rows)
