"""Two ways to tell the store what a transaction changed: one that can lose it, and one that cannot.

The shop's database and the store are two databases, and no transaction spans both.
"""

from functools import cache, partial
from typing import Any

from django.db import connection, transaction

import casestore
from casestore import EVENTS, CaseStore, Event
from shop.models import Outbox

TYPES = {cls.__name__: cls for cls in EVENTS["case"]}
REFUSALS = (
    *(casestore.EventRefused, casestore.InvalidEvent, casestore.InvalidStream),
    *(casestore.CustomerErased, casestore.IdempotencyConflict),
)


@cache
def store() -> CaseStore:
    """The store. It is opened when it is first needed: `migrate` needs none."""
    return CaseStore.open()


def append(case_id: str, event: Event, key: str) -> None:
    store().append(f"case:{case_id}", event, key=key, source="shop")


def tell_on_commit(case_id: str, event: Event, key: str) -> None:
    """Append behind the commit: at most once.

    A transaction that is rolled back tells nothing. But if the process ends between the commit and
    the append, or the store does not answer then, nobody knows any more that there was something
    to tell, and no key helps.
    """
    transaction.on_commit(partial(append, case_id, event, key))


def tell(case_id: str, kind: str, /, **fields: Any) -> None:
    """Leave an event in the outbox, in the transaction that is under way: exactly once.

    Args:
        case_id: the case.
        kind: the name of the event's class.
        fields: its fields, as JSON has them: times as text. The outbox keeps them as they are, so
            think before you leave a customer's words in it.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("tell within transaction.atomic(), together with what changed")
    TYPES[kind](**fields)  # what is no event raises here, and so nothing is committed
    Outbox.objects.create(case_id=case_id, type=kind, fields=fields)
    # At once, as a rule. What goes wrong here is logged, and left to `manage.py drain`. Without
    # this line requests never wait for the store, and the command alone tells it.
    transaction.on_commit(drain, robust=True)


def drain() -> int:
    """Append what is in the outbox; how much it was.

    The process may end between an append and the end of its row. Then the row is appended again
    with the same key, which appends nothing. So may two that drain at once: they need no lock.
    """
    told = 0
    for row in Outbox.objects.filter(refused="").order_by("id"):
        try:
            append(row.case_id, TYPES[row.type](**row.fields), str(row.key))
        except REFUSALS as refusal:  # it would be refused again: go on with the others
            Outbox.objects.filter(id=row.id).update(refused=str(refusal))
        else:
            row.delete()
            told += 1
    return told
