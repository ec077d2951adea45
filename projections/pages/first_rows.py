"""Which rows of a list stand first, found by the database or from a few columns.

A report makes all its rows. Where only the first of them are shown, it is faster to find the
streams that they are in, and to ask the report about these alone; or else the time of the last of
them, and to have the report make those up to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import nsmallest
from itertools import chain
from typing import Any, TypeVar

from casestore.streams.history import from_microseconds
from casestore.streams.promise_state import promise_state
from projections.models.cases import CASES
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES
from projections.pages.first import Cannot, Find, First, conditions, streams_of
from projections.pages.first_judged import of_goodwill, of_lapses, of_responses
from projections.pages.links import Rows
from projections.query.measures import TICK, shifted
from projections.query.view import View
from projections.reports.declared import cases, overdue, to_do, today
from projections.reports.declared.to_do import Kind

K = TypeVar("K", bound=str)


def _of_cases(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    where, params = cases.conditions(view, **own)
    more, values = conditions(asked, ("status", "close_reason", "category", "reopens"))
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
    return First(total, streams_of(nsmallest(most, keyed)))


def _of_promises(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own:
        raise Cannot
    where, params = conditions(asked, ("team", "kind", "made_by"), but_for=("state",))
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
    return First(len(keyed), streams_of(nsmallest(most, keyed)))


STATES = ("broken", "open", "undated", "late", "withdrawn", "kept", "released")
"""The states of a promise, the most urgent first."""


def _of_undelivered(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own:
        raise Cannot
    where, params = conditions(asked, ("kind", "channel", "code", "made_good_at"))
    names = ["made_good_at", "failed_at", "case_id", "reply_id", "stream"]
    rows = view.columns(DELIVERIES, names, *where, params=params, time="failed_at")
    keyed = [(good is not None, *rest) for good, *rest in rows]
    return First(len(keyed), streams_of(nsmallest(most, keyed)))


def _of_waiting(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own or view.selection.since is not None or view.selection.until is not None:
        raise Cannot
    where, params = conditions(asked, ("status", "agent", "team"))
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
    until = shifted(first[-1], TICK) if first else None
    return view.about(replace(selection, until=until)), sum(count for count, _ in found)


FINDS: Mapping[str, Find] = {
    "today": _of_today,
    "overdue": _of_overdue,
    "cases": _of_cases,
    "customers": _of_customers,
    "goodwill": of_goodwill,
    "lapses": of_lapses,
    "responses": of_responses,
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


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)
