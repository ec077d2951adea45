"""Which rows stand first in the lists of what is judged: goodwill, lapses, messages' answers."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nsmallest
from typing import Any

from casestore.streams.history import to_microseconds
from projections.models.goodwill import GOODWILL
from projections.models.responses import RESPONSES
from projections.pages.first import Cannot, First, conditions, shown, streams_of
from projections.pages.links import Rows
from projections.query.selection import matching
from projections.query.view import View, no_complaints
from projections.reports.declared import given, lapses, responses
from projections.reports.declared.goodwill import verdicts


def of_goodwill(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    """Gestures and remedies: those beyond authority, then the newest. See `first_rows`."""
    named = {name for name, _ in (*asked.only, *asked.but)}
    where, params = matching(**own)
    stored = ("category", "product", "region", "team")
    more, values = conditions(asked, stored, but_for=("currency", "outcome", "within_authority"))
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
        if shown(asked, told):
            keyed.append(
                (ledger == "remedy", VERDICTS.index(verdict), -at, case_id, each_id, stream)
            )
    return First(len(keyed), streams_of(nsmallest(most, keyed)))


VERDICTS = ("no", "unknown", "yes")
"""Whether a gesture was within authority, the most urgent first."""


def of_lapses(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    """Findings of the rules: the newest. See `first_rows`."""
    if asked.only or asked.but:
        raise Cannot
    rows, total = lapses.newest(view, most, **own)
    return First(total, rows=rows)


def of_responses(view: View, asked: Rows, own: Mapping[str, Any], most: int) -> First:
    """Messages: those that were not answered in time, then the oldest. See `first_rows`."""
    if own.keys() - {"complaints"}:
        raise Cannot
    where, params = conditions(asked, ("answered_at",), but_for=("within",))
    names = ["answered_at", "due_at", "at", "case_id", "message_id", "stream"]
    rows = view.columns(RESPONSES, names, *where, params=params, time="at")
    left_out = view.once(no_complaints) if own.get("complaints") else ()
    as_of = to_microseconds(view.as_of)
    keyed = []
    for answered_at, due_at, at, case_id, *rest in rows:
        within = responses.within(answered_at, due_at, as_of)
        if case_id not in left_out and shown(asked, {"within": within}):
            keyed.append((ANSWERS.index(within), at, case_id, *rest))
    return First(len(keyed), streams_of(nsmallest(most, keyed)))


ANSWERS = ("no", "open", "yes")
"""Whether a message was answered in time, the most urgent first."""
