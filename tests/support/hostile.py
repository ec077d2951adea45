"""Names that a store refuses today, but older ones may hold."""

from __future__ import annotations

from collections.abc import Iterable

from casestore import CaseStore
from casestore.append.request import Append
from casestore.errors import CaseStoreError
from casestore.events import Actor
from casestore.streams.history import to_microseconds
from tests.support import stories

NAMES = (
    *("a\"b'", "</log>&amp;<!--]]>", "a'; DROP TABLE event", "\u2028\u00a0", "🫖"),
    *("x\u202eevil\u2066", "a\u200bb", "\ufffe"),
)
"""Quotes and markup, characters that nobody sees, and one that XML cannot hold."""


def cases_named(store: CaseStore, names: Iterable[str] = NAMES) -> None:
    """Append cases whose ids, customers, agents, teams and codes are such names."""
    for name in names:
        actor = Actor(kind="agent", id=name, team=name)
        event = stories.opened(customer_id=name, product=name, actor=actor)
        moved = Append(
            batches=((f"case:{name}", (event,)),),
            imported=True,
            recorded_us=to_microseconds(event.occurred_at),
        )
        (outcome,) = store.write([moved], stop=True)
        if isinstance(outcome, CaseStoreError):
            raise outcome
