"""The streams that a report on one case or customer may read.

Where tables are made for one report, as of another time, they need hold no more than these: the
cases, their customers, and all that was ever merged with them. Merges that were undone since count
here, as they may have stood at that time: too much makes no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.events import CaseMerged, CustomerMerged
from casestore.journal.answering import database_answers
from casestore.journal.recorder import Row

_CHUNK = 400
"""Ids to ask for in one query: as many as any database takes as parameters."""


def reached(
    store: CaseStore, cases: Iterable[str] = (), customers: Iterable[str] = ()
) -> list[str]:
    """The streams that hang together with some cases and customers, by id, these included."""
    beside = {"case": _beside(store, "CaseMerged"), "customer": _beside(store, "CustomerMerged")}
    found: dict[str, set[str]] = {"case": set(), "customer": set()}
    new = {"case": set(cases), "customer": set(customers)}
    while new["case"] or new["customer"]:
        for kind, ids in new.items():
            found[kind] |= ids
        more = {
            "case": _cases_of(store, new["customer"]),
            "customer": _customers_of(store, new["case"]),
        }
        new = {
            kind: more[kind].union(*(beside[kind].get(each, ()) for each in ids)) - found[kind]
            for kind, ids in new.items()
        }
    return sorted(f"{kind}:{each}" for kind, ids in found.items() for each in ids)


def _beside(store: CaseStore, topic: str) -> dict[str, set[str]]:
    """What was ever merged with what, both ways."""
    recorder = store.recorder
    # The topic as the index of customers' merges has it: with a parameter it would not be used.
    # Those of cases have none: to look through a million events for them takes a third of a second.
    sql = f"SELECT {recorder.columns} FROM {recorder.table} WHERE topic = '{topic}'"
    with database_answers("the store"):
        rows = [Row._make(row) for row in recorder.fetch(sql)]
    beside: dict[str, set[str]] = {}
    for row in rows:
        try:
            event = cast(
                CaseMerged | CustomerMerged, store.journal.codec.decode(row.topic, row.state)
            )
        except StoreDamaged:  # then its stream has no rows that could be merged with others
            continue
        one, other = row.stream.partition(":")[2], event.into
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    return beside


def _customers_of(store: CaseStore, cases: Collection[str]) -> set[str]:
    streams = [f"case:{each}" for each in cases]
    return set(_asked(store, "customer_id", "originator_id", streams))


def _cases_of(store: CaseStore, customers: Collection[str]) -> set[str]:
    streams = _asked(store, "originator_id", "customer_id", customers)
    return {each.removeprefix("case:") for each in streams if each.startswith("case:")}


def _asked(store: CaseStore, column: str, by: str, values: Collection[str]) -> list[str]:
    recorder, wanted, found = store.recorder, sorted(values), []
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        sql = f"SELECT DISTINCT {column} FROM {recorder.table} WHERE {by} IN "
        with database_answers("the store"):
            found += recorder.fetch(f"{sql}({', '.join('?' * len(some))})", some)
    return [value for (value,) in found]
