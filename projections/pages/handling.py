"""How well complaints were handled: how long it took, promises, goodwill, lapses, categories.

What the overview shows of it. Each number leads to the rows that it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from markupsafe import Markup

from casestore.streams.wording import in_zone
from projections import reports
from projections.pages.charts import Series, Value, stacked
from projections.pages.links import Rows, Values, options
from projections.pages.list_kinds import COMPLAINTS, STANDING
from projections.pages.page import Pages
from projections.query.measures import TICK, Step, bounds, period, shifted


class Window(NamedTuple):
    """The periods that the overview shows."""

    by: Step
    begin: datetime
    """When the first of them begins."""


def handling(pages: Pages, window: Window) -> dict[str, Any]:
    """The values by which the overview's template tells how well complaints were handled.

    Args:
        pages: the moment, and which part of the store.
        window: the periods that the overview shows.
    """
    return {
        "times": _times(pages, window),
        "soon": list(_soon(pages, window)),
        "ages": _ages(pages),
        "kept": _kept(pages, window),
        "agents": _agents(pages, window),
        "spend": _spend(pages, window),
        "lapses": _lapses(pages, window),
        "categories": _categories(pages, window),
    }


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
        pages.counted(whole["opened"], opened),
        answers,
        pages.counted(answers["n"], answered),
        pages.counted(answers["unanswered"], unanswered),
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
            pages.counted(each.n, yes),
            pages.counted(each.unanswered, no),
            Value(share, None if share in (None, 1) else pages.links.rows(late)),
        )


class Ages(NamedTuple):
    """How old open cases are."""

    chart: Markup
    whole: Mapping[str, Any]
    open: Value


def _ages(pages: Pages) -> Ages:
    found = pages.ask(reports.ageing)
    values = [pages.counted(each.cases, _of_age(pages, each)) for each in found.rows]
    names = [each.bucket for each in found.rows]
    chart = stacked("Open cases by age", names, [Series("open", values)])
    every = Rows("cases", "open", only=(("status", ("open",)),))
    return Ages(chart, found.summary, pages.counted(found.summary["open"], every))


def _of_age(pages: Pages, each: Any) -> Rows:
    """The open cases whose age is in a bucket: from_days whole days or more, less than to_days."""
    given: dict[str, object] = {
        "received_to": shifted(pages.as_of, TICK - timedelta(days=each.from_days))
    }
    if each.to_days is not None:
        given["received_from"] = shifted(pages.as_of, TICK - timedelta(days=each.to_days))
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
        return pages.counted(getattr(each, state), rows)

    names = [each.team or "no team" for each in found.rows]
    series = [Series(state, [value(each, state) for each in found.rows]) for state in _STATES]
    lines = [
        (name, [value(each, state) for state in _STATES], each.kept_rate)
        for name, each in zip(names, found.rows, strict=True)
    ]
    every = [
        (state, pages.counted(count, Rows("promises", state, given, (("state", (state,)),))))
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
        return pages.counted(getattr(each, state), rows)

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
    return pages.counted(value, Rows("goodwill", title, options(asked), tuple(only)))


_OUTCOMES = ("violated", "satisfied", "exempt", "unknown")


def _lapses(pages: Pages, window: Window) -> Sequence[tuple[Any, Sequence[Value]]]:
    """By rule how often it came to which outcome; what was violated most stands first."""
    found = pages.ask(reports.lapse_counts, by="rule", since=window.begin).rows

    def value(each: Any, outcome: str) -> Value:
        given = options({"since": window.begin, "rule": each.group, "outcome": outcome})
        rows = Rows("lapses", f"{each.group}, {outcome}", given)
        return pages.counted(getattr(each, outcome), rows)

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
        return pages.counted(getattr(each, what), rows)

    names = ("opened", "closed", "outstanding", "reopened")
    ordered = sorted(found, key=lambda each: (-each.opened, each.group or ""))
    return [(each, [value(each, what) for what in names]) for each in ordered]
