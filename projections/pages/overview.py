"""The overview: what there is to do, what came in and went out, and how well it was handled.

Each number is one of a report, asked for the same moment and the same part of the store, and leads
to the rows that it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from markupsafe import Markup

from casestore.streams.wording import in_zone
from projections import reports
from projections.models.cases import NOT_COMPLAINTS
from projections.pages.charts import Series, Value, bars, line, stacked
from projections.pages.links import Rows, Values, options
from projections.pages.lists import COMPLAINTS, LISTS, MAIN, STANDING, chosen, columns
from projections.pages.page import Pages
from projections.query.measures import Step, bounds, period, shifted
from projections.query.report import Result

SHOWN: Mapping[Step, int] = {"day": 14, "week": 13, "month": 12}
"""How many periods the overview shows; the last one is that of as-of, as far as it has come."""
_TICK = timedelta(microseconds=1)
_FIRST_ROWS = 8
"""Of what there is to do, so many rows stand on the overview itself."""
_TURNS = ("received", "opened", "closed", "reopened")


class Tile(NamedTuple):
    """A number that stands out."""

    name: str
    value: Value
    change: str = ""
    bad: bool = False


def _counted(pages: Pages, count: Any, rows: Rows) -> Value:
    """A number, and where the rows stand that it counts; none are needed for 0 or None."""
    return Value(count, pages.links.rows(rows) if count else None)


class Window(NamedTuple):
    """The periods that the overview shows."""

    by: Step
    begin: datetime
    """When the first of them begins."""


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
        times=_times(pages, window),
        soon=list(_soon(pages, window)),
        ages=_ages(pages),
        kept=_kept(pages, window),
        agents=_agents(pages, window),
        spend=_spend(pages, window),
        lapses=_lapses(pages, window),
        categories=_categories(pages, window),
        lists=[_list(pages, name) for name in MAIN],
    )


def _window(pages: Pages, by: Step) -> Window:
    zone = pages.zone
    begin = bounds(period(shifted(pages.as_of, -_TICK), by, zone), by, zone)[0]
    for _ in range(SHOWN[by] - 1):
        begin = bounds(period(shifted(begin, -_TICK), by, zone), by, zone)[0]
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
    yield Tile("overdue", _counted(pages, found["overdue"], late), bad=bool(found["overdue"]))
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
        yield Tile(one if found[kind] == 1 else name, _counted(pages, found[kind], rows), told)


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
            title, end = "open", shifted(pages.as_of, _TICK)
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
    return _counted(pages, value, turned(each.period, by, what, pages))


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
        yield {"line": each, "cells": [*cells, _counted(pages, each.not_complaints, left_out)]}


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


# --- how it went -----------------------------------------------------------------------------


class Times(NamedTuple):
    """How long it took."""

    lines: Sequence[tuple[str, int | None, int | None]]
    """For each duration its name, its median and its 90th percentile."""
    cases: Value
    """The complaints that it is measured on."""
    answers: Mapping[str, Any]
    """Of `responses --by`: how soon messages were answered."""
    answered: Value
    unanswered: Value
    late: Value
    """The share of messages answered in time, leading to those that were not."""


_DURATIONS = {
    "First response": "first_response",
    "First response, in working time": "first_response_working",
    "Resolution": "resolution",
    "Resolution, in working time": "resolution_working",
    "Resolution, without waiting for the customer": "resolution_net",
}


def _times(pages: Pages, window: Window) -> Times:
    """First response and resolution of the complaints that were opened in the window."""
    since = window.begin
    whole: Mapping[str, Any] = pages.ask(reports.breakdown, by="month", since=since).summary
    answers: Mapping[str, Any] = pages.ask(reports.response_counts, by="month", since=since).summary
    given = options({"since": since})
    opened = Rows(
        "cases", f"opened since {in_zone(since, pages.zone):%Y-%m-%d}", given, STANDING, COMPLAINTS
    )
    answered = Rows("responses", "answered", given, but=(("answered_at", (None,)),))
    unanswered = Rows("responses", "not answered", given, only=(("answered_at", (None,)),))
    late = Rows("responses", "not answered in time", given, only=(("within", ("no",)),))
    share = answers["within_share"]
    return Times(
        [
            (name, whole[f"{what}_median_s"], whole[f"{what}_p90_s"])
            for name, what in _DURATIONS.items()
        ],
        _counted(pages, whole["opened"], opened),
        answers,
        _counted(pages, answers["n"], answered),
        _counted(pages, answers["unanswered"], unanswered),
        Value(share, None if share in (None, 1) else pages.links.rows(late)),
    )


class Soon(NamedTuple):
    """How soon customers were answered whose messages came in one period."""

    line: Any
    """Of `responses --by`."""
    name: str
    """Of the period."""
    opened: Any
    """Of `breakdown --by month`: the complaints opened in it; None for a day or a week."""
    answered: Value
    unanswered: Value
    late: Value
    """The share answered in time, leading to what was not."""


def _soon(pages: Pages, window: Window) -> Iterator[Soon]:
    """How soon customers were answered, by period, the newest first."""
    since = window.begin
    opened: dict[Any, Any] = {}
    if window.by == "month":
        rows = pages.ask(reports.breakdown, by="month", since=since).rows
        opened = {each.group: each for each in rows}
    for each in reversed(pages.ask(reports.response_counts, by=window.by, since=since).rows):
        name = str(each.group)
        begin, end = bounds(name, window.by, pages.zone)
        listed = partial(Rows, "responses", options=options({"since": begin, "until": end}))
        came = f"that came in {name}"
        yes = listed(title=f"answered, {came}", but=(("answered_at", (None,)),))
        no = listed(title=f"not answered, {came}", only=(("answered_at", (None,)),))
        late = listed(title=f"not answered in time, {came}", only=(("within", ("no",)),))
        share = each.within_share
        yield Soon(
            each,
            name,
            opened.get(name),
            _counted(pages, each.n, yes),
            _counted(pages, each.unanswered, no),
            Value(share, None if share in (None, 1) else pages.links.rows(late)),
        )


class Ages(NamedTuple):
    """How old open cases are."""

    chart: Markup
    whole: Mapping[str, Any]
    open: Value


def _ages(pages: Pages) -> Ages:
    found = pages.ask(reports.ageing)
    values = [_counted(pages, each.cases, _of_age(pages, each)) for each in found.rows]
    names = [each.bucket for each in found.rows]
    chart = stacked("Open cases by age", names, [Series("open", values)])
    every = Rows("cases", "open", only=(("status", ("open",)),))
    return Ages(chart, found.summary, _counted(pages, found.summary["open"], every))


def _of_age(pages: Pages, each: Any) -> Rows:
    """The open cases whose age is in a bucket: from_days whole days or more, less than to_days."""
    given: dict[str, object] = {
        "received_to": shifted(pages.as_of, _TICK - timedelta(days=each.from_days))
    }
    if each.to_days is not None:
        given["received_from"] = shifted(pages.as_of, _TICK - timedelta(days=each.to_days))
    only: tuple[tuple[str, Values], ...] = (("status", ("open",)),)
    return Rows("cases", f"open, {each.bucket} old", options(given), only)


_STATES = ("kept", "late", "broken", "withdrawn")


class Kept(NamedTuple):
    """How many of their promises teams keep."""

    chart: Markup
    lines: Sequence[tuple[str, Sequence[Value], float | None]]
    whole: Mapping[str, Any]
    every: Sequence[tuple[str, Value]]
    """For each state how many promises of all teams; those that are open do not count yet."""


def _kept(pages: Pages, window: Window) -> Kept:
    found = pages.ask(reports.promise_rates, since=window.begin)
    given = options({"since": window.begin})

    def value(each: Any, state: str) -> Value:
        only = (("state", (state,)), ("team", (each.team,)))
        rows = Rows("promises", f"{state}, {each.team or 'no team'}", given, only)
        return _counted(pages, getattr(each, state), rows)

    names = [each.team or "no team" for each in found.rows]
    series = [Series(state, [value(each, state) for each in found.rows]) for state in _STATES]
    lines = [
        (name, [value(each, state) for state in _STATES], each.kept_rate)
        for name, each in zip(names, found.rows, strict=True)
    ]
    every = [
        (state, _counted(pages, count, Rows("promises", state, given, (("state", (state,)),))))
        for state, count in ((state, found.summary[state]) for state in (*_STATES, "open"))
    ]
    return Kept(stacked("Promises by team", names, series), lines, found.summary, every)


_MOST_AGENTS = 8
"""So many agents stand on the overview; a list has all of them."""


class Agents(NamedTuple):
    """Who keeps promises and who does not: first whoever did not keep the most."""

    lines: Sequence[tuple[str, Sequence[Value], float | None]]
    total: int
    every: str | None
    """Where all of them stand."""


def _agents(pages: Pages, window: Window) -> Agents:
    found = pages.ask(reports.promise_rates_by_agent, since=window.begin)
    given = options({"since": window.begin})

    def value(each: Any, state: str) -> Value:
        only = (("state", (state,)), ("made_by", (each.agent,)))
        rows = Rows("promises", f"{state}, of {each.agent}", given, only)
        return _counted(pages, getattr(each, state), rows)

    judged = [each for each in found.rows if each.kept_rate is not None]
    lines = [
        (each.agent, [value(each, state) for state in _STATES], each.kept_rate)
        for each in judged[:_MOST_AGENTS]
    ]
    begun = f"made since {in_zone(window.begin, pages.zone):%Y-%m-%d}"
    every = pages.links.rows(Rows("agents", begun, given)) if found.total > len(lines) else None
    return Agents(lines, found.total, every)


def _spend(pages: Pages, window: Window) -> Sequence[dict[str, Any]]:
    """What was given by month and currency, the newest first."""
    begin = bounds(period(window.begin, "month", pages.zone), "month", pages.zone)[0]
    found = pages.ask(reports.goodwill_spend, by="month", since=begin).rows
    return [
        {
            "line": each,
            "gestures": _given(pages, each, "goodwill", each.gestures),
            "remedies": _given(pages, each, "remedy", each.remedies),
            "beyond": _given(pages, each, "goodwill", each.beyond_authority_share, beyond=True),
        }
        for each in sorted(found, key=lambda each: each.group or "", reverse=True)
    ]


def _given(pages: Pages, each: Any, ledger: str, value: Any, *, beyond: bool = False) -> Value:
    begin, end = bounds(each.group, "month", pages.zone)
    asked = {"since": begin, "until": end, "ledger": (ledger,), "status": ("given",)}
    only: list[tuple[str, Values]] = [("currency", (each.currency,))]
    what = "gestures" if ledger == "goodwill" else "remedies"
    if beyond:
        only.append(("within_authority", ("no",)))
        what += " beyond authority"
    title = f"{what} in {each.group}, {each.currency or 'no value'}"
    return _counted(pages, value, Rows("goodwill", title, options(asked), tuple(only)))


_OUTCOMES = ("violated", "satisfied", "exempt", "unknown")


def _lapses(pages: Pages, window: Window) -> Sequence[tuple[Any, Sequence[Value]]]:
    """By rule how often it came to which outcome; what was violated most stands first."""
    found = pages.ask(reports.lapse_counts, by="rule", since=window.begin).rows

    def value(each: Any, outcome: str) -> Value:
        given = options({"since": window.begin, "rule": each.group, "outcome": outcome})
        rows = Rows("lapses", f"{each.group}, {outcome}", given)
        return _counted(pages, getattr(each, outcome), rows)

    ordered = sorted(found, key=lambda each: (-each.violated, -each.unknown, each.group or ""))
    return [(each, [value(each, outcome) for outcome in _OUTCOMES]) for each in ordered]


def _categories(pages: Pages, window: Window) -> Sequence[tuple[Any, Sequence[Value]]]:
    """By category how many complaints were opened in the window, and how they stand."""
    found = pages.ask(reports.breakdown, by="category", since=window.begin).rows
    given = options({"since": window.begin})

    def value(each: Any, what: str) -> Value:
        only: list[tuple[str, Values]] = [("category", (each.group,))]
        but = list(COMPLAINTS)
        if what in ("closed", "outstanding"):
            only.append(("status", ("open" if what == "outstanding" else "closed",)))
        else:
            only += STANDING
        if what == "reopened":
            but.append(("reopens", ("0",)))
        title = f"{what}, {each.group or 'no category'}"
        rows = Rows("cases", title, given, tuple(only), tuple(but))
        return _counted(pages, getattr(each, what), rows)

    names = ("opened", "closed", "outstanding", "reopened")
    ordered = sorted(found, key=lambda each: (-each.opened, each.group or ""))
    return [(each, [value(each, what) for what in names]) for each in ordered]


def _list(pages: Pages, name: str) -> tuple[str, int, str | None]:
    rows = Rows(name)
    return LISTS[name].title, chosen(pages, rows, 0).total, pages.links.rows(rows)
