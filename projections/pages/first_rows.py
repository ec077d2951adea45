"""Which rows of a list stand first, found by the database or from a few columns.

A report makes all its rows. Where only the first of them are shown, it is faster to find the
streams that they are in, and to ask the report about these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from heapq import nsmallest
from typing import Any, NamedTuple

from casestore.streams.history import from_microseconds
from casestore.streams.promise_state import promise_state
from projections.models.cases import CASES
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES
from projections.pages.links import Rows, Values
from projections.query.view import View
from projections.reports.declared import cases


class First(NamedTuple):
    """Where the first rows of a list are."""

    streams: Sequence[str]
    """All streams that have one of them, and perhaps more."""
    total: int
    """The number of all rows of the list."""


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
        return First([row[-1] for row in nsmallest(most, rows, key=_urgency)], len(rows))
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
    return First(streams, total)


def _urgency(row: Sequence[Any]) -> tuple[Any, ...]:
    """The key of a case by its columns waiting, status, opened_at and case_id."""
    waiting, status, opened_at, case_id, _ = row
    waits = waiting != "[]"
    since = int(waiting[1:-1].partition(",")[0]) if waits else 0
    return not waits, since, status != "open", status == "merged", opened_at, case_id


def _of_customers(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own or asked.only or asked.but:
        raise Cannot
    names = ["customer_id", "opened_at", "case_id", "stream"]
    rows = view.columns(CASES, names, time="opened_at")
    roots = view.roots(row[0] for row in rows) if most else {}
    keyed = ((roots[customer_id], *rest) for customer_id, *rest in rows) if most else ()
    return First(_streams(nsmallest(most, keyed)), len(rows))


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
    return First(_streams(nsmallest(most, keyed)), len(keyed))


STATES = ("broken", "open", "undated", "late", "withdrawn", "kept", "released")
"""The states of a promise, the most urgent first."""


def _of_undelivered(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    if own:
        raise Cannot
    where, params = _chosen(asked, ("kind", "channel", "code", "made_good_at"))
    names = ["made_good_at", "failed_at", "case_id", "reply_id", "stream"]
    rows = view.columns(DELIVERIES, names, *where, params=params, time="failed_at")
    keyed = [(good is not None, *rest) for good, *rest in rows]
    return First(_streams(nsmallest(most, keyed)), len(keyed))


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
    return First([row[2] for row in _longest_waiting(rows, most)], len(rows))


def _longest_waiting(rows: Sequence[Any], most: int) -> list[Any]:
    """Those that wait longest, of rows with the texts of `waiting` and ids of cases.

    The texts are lists of numbers, of which the first counts.
    """
    return nsmallest(most, rows, key=lambda row: (int(row[0][1:-1].partition(",")[0]), row[1]))


FINDS: Mapping[str, Find] = {
    "cases": _of_cases,
    "customers": _of_customers,
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
