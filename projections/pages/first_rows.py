"""Which rows of a list stand first, found by the database or from a few columns.

A report makes all its rows. Where only the first of them are shown, it is faster to find the
streams that they are in, and to ask the report about these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from casestore.streams.history import from_microseconds, to_microseconds
from casestore.streams.promise_state import promise_state
from projections.models.cases import CASES
from projections.models.deliveries import DELIVERIES
from projections.models.goodwill import GOODWILL
from projections.models.promises import PROMISES
from projections.models.responses import RESPONSES
from projections.pages.links import Rows, Values
from projections.query.measures import shifted
from projections.query.view import View, no_complaints
from projections.reports.declared import cases, given, lapses, overdue, responses, to_do, today
from projections.reports.declared.goodwill import verdicts
from projections.reports.declared.to_do import Kind

K = TypeVar("K", bound=str)


class First(NamedTuple):
    """Where the first rows of a list are."""

    total: int
    """The number of all rows of the list."""
    streams: Sequence[str] = ()
    """All streams that have one of them, and perhaps more."""
    rows: Sequence[Any] | None = None
    """All of them, and perhaps more, as the report makes them; None: they are not made yet."""


class Cannot(Exception):  # noqa: N818  (it is caught where it is raised)
    """This list cannot be told so: the report makes all rows."""


Find = Callable[[View, Rows, Mapping[str, Any], int], First]


def _of_cases(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    where, params = cases.conditions(view, **own)
    more, values = _chosen(asked, ("status", "close_reason", "category", "reopens"))
    where, params = [*where, *more], [*params, *values]

    def found(names: Sequence[str], *also: str, **how: Any) -> list[Any]:
        return view.columns(CASES, names, *where, *also, params=params, time="opened_at", **how)

    if own or more:  # not so many, as a rule: they are read once, and sorted here
        rows = found(["waiting", "status", "opened_at", "case_id", "stream"])
        return First(len(rows), [row[-1] for row in nsmallest(most, rows, key=_urgency)])
    total = found(["count(*)"])[0][0]
    waiting = found(["waiting", "case_id", "stream"], "waiting <> '[]'")
    first = _longest_waiting(waiting, most)
    streams = [row[2] for row in first]
    if len(streams) < most:
        order = (
            "CASE WHEN status = 'open' THEN 0 ELSE 1 END, "
            "CASE WHEN status = 'merged' THEN 1 ELSE 0 END, opened_at, case_id"
        )
        left = most - len(streams)
        streams += [row[0] for row in found(["stream"], "waiting = '[]'", order=order, limit=left)]
    return First(total, streams)


def _urgency(row: Sequence[Any]) -> tuple[Any, ...]:
    """The key of a case by its columns waiting, status, opened_at and case_id."""
    waiting, status, opened_at, case_id, _ = row
    waits = waiting != "[]"
    since = int(waiting[1:-1].partition(",")[0]) if waits else 0
    return not waits, since, status != "open", status == "merged", opened_at, case_id


def _of_customers(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own or asked.only or asked.but:
        raise Cannot
    ((total,),) = view.columns(CASES, ["count(*)"], time="opened_at")
    if not most:
        return First(total)
    # Under its own id stands every customer but those that are merged, who are few.
    names, merged = ["customer_id", "opened_at", "case_id", "stream"], view.merged_customers
    own_ids = f"customer_id NOT IN ({merged})"
    order = "customer_id, opened_at, case_id"
    rows = view.columns(CASES, names, own_ids, time="opened_at", order=order, limit=most)
    rows += view.columns(CASES, names, f"customer_id IN ({merged})", time="opened_at")
    roots = view.roots(row[0] for row in rows)
    keyed = ((roots[customer_id], *rest) for customer_id, *rest in rows)
    return First(total, _streams(nsmallest(most, keyed)))


def _of_promises(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own:
        raise Cannot
    where, params = _chosen(asked, ("team", "kind", "made_by"), but_for=("state",))
    only, but = dict(asked.only).get("state"), dict(asked.but).get("state", ())
    names = ["due_at", "kept_at", "released_at", "withdrawn_at", "case_id", "promise_id", "stream"]
    rows = view.columns(PROMISES, names, *where, params=params, time="made_at", agent="made_by")
    keyed = []
    for due, kept, released, withdrawn, *ids, stream in rows:
        state = promise_state(
            view.as_of,
            due_at=_time(due),
            kept_at=_time(kept),
            released_at=_time(released),
            withdrawn=withdrawn is not None,
        )
        if (only is None or state in only) and state not in but:
            keyed.append((STATES.index(state), due is None, due or 0, *ids, stream))
    return First(len(keyed), _streams(nsmallest(most, keyed)))


STATES = ("broken", "open", "undated", "late", "withdrawn", "kept", "released")
"""The states of a promise, the most urgent first."""


def _of_undelivered(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own:
        raise Cannot
    where, params = _chosen(asked, ("kind", "channel", "code", "made_good_at"))
    names = ["made_good_at", "failed_at", "case_id", "reply_id", "stream"]
    rows = view.columns(DELIVERIES, names, *where, params=params, time="failed_at")
    keyed = [(good is not None, *rest) for good, *rest in rows]
    return First(len(keyed), _streams(nsmallest(most, keyed)))


def _of_waiting(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own or view.selection.since is not None or view.selection.until is not None:
        raise Cannot
    where, params = _chosen(asked, ("status", "agent", "team"))
    rows = view.columns(
        CASES,
        ["waiting", "case_id", "stream"],
        "reply_due_at IS NOT NULL",
        *where,
        params=params,
        time=None,
    )
    return First(len(rows), [row[2] for row in _longest_waiting(rows, most)])


def _longest_waiting(rows: Sequence[Any], most: int) -> list[Any]:
    """Those that wait longest, of rows with the texts of `waiting` and ids of cases.

    The texts are lists of numbers, of which the first counts.
    """
    return nsmallest(most, rows, key=lambda row: (int(row[0][1:-1].partition(",")[0]), row[1]))


def _of_today(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    kinds = _chosen_kinds(asked, to_do.KINDS)
    late = dict(asked.but).get("overdue_s") == (None,)
    before = {kind: today.due_before(view, kind, **own) for kind in kinds}
    if late:
        before = {k: min(each or view.as_of, view.as_of) for k, each in before.items()}
    seen, total = _first_due(view, before, most)
    return First(total, rows=today.lines(seen, kinds, **own) if most else ())


def _of_overdue(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own:
        raise Cannot
    kinds = _chosen_kinds(asked, overdue.KINDS)
    seen, total = _first_due(view, dict.fromkeys(kinds, view.as_of), most)
    return First(total, rows=overdue.lines(seen, kinds) if most else ())


def _chosen_kinds(asked: Rows, kinds: Sequence[K]) -> list[K]:
    only, but = dict(asked.only), dict(asked.but)
    if only.keys() - {"kind"} or but not in ({}, {"overdue_s": (None,)}):
        raise Cannot
    return [kind for kind in kinds if kind in only.get("kind", kinds)]


def _first_due(view: View, before: Mapping[Kind, datetime | None], most: int) -> tuple[View, int]:
    """The view asked only about what is due first of all that is to be done; how much that all is.

    Args:
        view: see `first_rows`.
        before: for each kind before when it has to be due; None: whenever it is due.
        most: see `first_rows`.
    """
    selection = view.selection
    if selection.since is not None or selection.until is not None or selection.wanted("agent"):
        raise Cannot
    found = [to_do.first_due(view, kind, due, most) for kind, due in before.items()]
    first = nsmallest(most, chain.from_iterable(times for _, times in found))
    until = shifted(first[-1], _TICK) if first else None
    return view.about(replace(selection, until=until)), sum(count for count, _ in found)


_TICK = timedelta(microseconds=1)


def _of_goodwill(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    named = {name for name, _ in (*asked.only, *asked.but)}
    where, params = given.conditions(**own)
    stored = ("category", "product", "region", "team")
    more, values = _chosen(asked, stored, but_for=("currency", "outcome", "within_authority"))
    columns = ["event_id", "value", "ledger", "given_at", "case_id", "id", "stream"]
    rows = view.columns(
        GOODWILL,
        columns,
        *where,
        *more,
        params=[*params, *values],
        time="given_at",
        agent="given_by",
    )
    within = view.once(verdicts)
    upheld = view.upheld(GOODWILL) if "outcome" in named else {}
    keyed = []
    for event_id, value, ledger, at, case_id, each_id, stream in rows:
        verdict = within.get(event_id, "unknown")
        told = {
            "currency": value and value.rpartition(" ")[2],
            "outcome": given.OUTCOMES[upheld.get(case_id)],
            "within_authority": verdict,
        }
        if _shown(asked, told):
            keyed.append(
                (ledger == "remedy", VERDICTS.index(verdict), -at, case_id, each_id, stream)
            )
    return First(len(keyed), _streams(nsmallest(most, keyed)))


VERDICTS = ("no", "unknown", "yes")
"""Whether a gesture was within authority, the most urgent first."""


def _shown(asked: Rows, told: Mapping[str, str | None]) -> bool:
    """Whether a list shows a row, by some of its fields."""
    return all(told[name] in values for name, values in asked.only if name in told) and not any(
        told[name] in values for name, values in asked.but if name in told
    )


def _of_lapses(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if asked.only or asked.but:
        raise Cannot
    rows, total = lapses.newest(view, most, **own)
    return First(total, rows=rows)


def _of_responses(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own.keys() - {"complaints"}:
        raise Cannot
    where, params = _chosen(asked, ("answered_at",), but_for=("within",))
    names = ["answered_at", "due_at", "at", "case_id", "message_id", "stream"]
    rows = view.columns(RESPONSES, names, *where, params=params, time="at")
    left_out = view.once(no_complaints) if own.get("complaints") else ()
    as_of = to_microseconds(view.as_of)
    keyed = []
    for answered_at, due_at, at, case_id, *rest in rows:
        within = responses.within(answered_at, due_at, as_of)
        if case_id not in left_out and _shown(asked, {"within": within}):
            keyed.append((ANSWERS.index(within), at, case_id, *rest))
    return First(len(keyed), _streams(nsmallest(most, keyed)))


ANSWERS = ("no", "open", "yes")
"""Whether a message was answered in time, the most urgent first."""


FINDS: Mapping[str, Find] = {
    "today": _of_today,
    "overdue": _of_overdue,
    "cases": _of_cases,
    "customers": _of_customers,
    "goodwill": _of_goodwill,
    "lapses": _of_lapses,
    "responses": _of_responses,
    "promises": _of_promises,
    "undelivered": _of_undelivered,
    "waiting": _of_waiting,
}
"""By list, how its first rows are found."""


def first_rows(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First | None:
    """Where the first rows of a list are; None if only the report can tell.

    Args:
        view: the tables, asked about what the list is.
        asked: the list.
        own: the report's own options.
        most: how many rows are shown.
    """
    if asked.report not in FINDS:
        return None
    try:
        return FINDS[asked.report](view, asked, own, most)
    except Cannot:
        return None


def _chosen(
    asked: Rows, columns: Sequence[str], but_for: Sequence[str] = ()
) -> tuple[list[str], list[Any]]:
    """The SQL conditions for `only` and `but`, and their parameters.

    Args:
        asked: the list.
        columns: those that hold the same as the report's fields.
        but_for: fields that the caller compares itself.

    Raises Cannot if a list is chosen by another field.
    """
    where: list[str] = []
    params: list[Any] = []
    for wanted, chosen in ((True, asked.only), (False, asked.but)):
        for name, values in chosen:
            if name in but_for:
                continue
            if name not in columns:
                raise Cannot
            condition, given = _among(name, values)
            where.append(condition if wanted else f"NOT {condition}")
            params += given
    return where, params


def _among(column: str, values: Values) -> tuple[str, list[Any]]:
    """The condition that a column is one of some values, which is never NULL itself."""
    text = f"CAST({column} AS TEXT)"
    given = [each for each in values if each is not None]
    parts = []
    if given:
        marks = ", ".join("?" * len(given))
        parts.append(f"({column} IS NOT NULL AND {text} IN ({marks}))")
    if len(given) < len(values):
        parts.append(f"{column} IS NULL")
    return f"({' OR '.join(parts) or '1 = 0'})", given


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)


def _streams(keyed: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(each[-1] for each in keyed))
