"""The streams that a report on one case or customer may read.

Where tables are made for one report, as of another time, they need hold no more than these: the
cases, their customers, and all that was ever merged with them. Merges that were undone since count
here, as they may have stood at that time: too much makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from casestore import CaseStore
from casestore.errors import StoreDamaged
from casestore.events import CaseMerged, CustomerMerged
from casestore.journal.rows import Row
from casestore.streams.merged import closure, linked


def related_streams(
    store: CaseStore, cases: Iterable[str] = (), customers: Iterable[str] = ()
) -> list[str]:
    """The streams that hang together with some cases and customers, by id, these included."""
    merged_cases = linked(_merges(store, "CaseMerged"))
    merged_customers = linked(_merges(store, "CustomerMerged"))

    def neighbours(streams: set[str]) -> set[str]:
        case_ids = {s.removeprefix("case:") for s in streams if s.startswith("case:")}
        customer_ids = {s.removeprefix("customer:") for s in streams if s.startswith("customer:")}
        of_cases = merged_customers(customer_ids) | store._recorder.customers_of(
            sorted(f"case:{case_id}" for case_id in case_ids)
        )
        return (
            {f"case:{case_id}" for case_id in merged_cases(case_ids)}
            | {f"customer:{customer_id}" for customer_id in of_cases}
            | store._recorder.cases_of(sorted(customer_ids))
        )

    start = [*(f"case:{i}" for i in cases), *(f"customer:{i}" for i in customers)]
    return sorted(closure(start, neighbours))


def _merges(store: CaseStore, topic: str) -> Iterator[tuple[str, str]]:
    """What was ever merged into what, by id."""
    # Those of cases have no index: to look through a million events takes a third of a second.
    for row in map(Row._make, store._recorder.merges(topic)):
        try:
            event = cast(CaseMerged | CustomerMerged, store._codec.decode(row.topic, row.state))
        except StoreDamaged:  # then its stream has no rows that could be merged with others
            continue
        yield row.stream.partition(":")[2], event.into
