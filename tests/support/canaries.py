"""Canaries: a word that stands nowhere else, in every Personal field of every event type."""

from __future__ import annotations

from casestore import (
    CaseClosed,
    CaseOpened,
    CaseStore,
    CustomerRegistered,
    Event,
    EventCorrected,
    HoldPlaced,
    PromiseMade,
    PromiseWithdrawn,
    RemedyGiven,
    RemedyReversed,
)
from casestore.events import EVENTS, VOCABULARY
from casestore.events.markers import brings, fields_of, links, personal_fields
from tests.support.notes import ANNA, T, opened
from tests.support.samples import changed, full, required

CANARY = "canary-7be1"


def with_canary(cls: type[Event]) -> Event:
    """A sample with a canary in every Personal field, and without optional references to things."""
    references = {link.field for link in links(cls) if not link.new}
    unset = (references - required(cls)) & set(fields_of(cls))
    canaries = dict.fromkeys(personal_fields(cls), CANARY)
    event: Event = changed(full(cls), **canaries, **dict.fromkeys(unset))
    return event


def plant(store: CaseStore) -> int:
    """Append an event of every type with Personal fields. Gives how many canaries they hold."""
    store.append("case:1", opened(subject=CANARY))
    store.append("customer:c1", HoldPlaced(occurred_at=T, actor=ANNA, hold_id="h", reason="x"))
    store.append("case:1", CaseClosed(occurred_at=T, actor=ANNA, reason="resolved"))
    fields = 0
    for kind, stream in (("case", "case:1"), ("customer", "customer:c1")):
        for cls in EVENTS[kind]:
            if cls in (CaseOpened, CaseClosed, CustomerRegistered, EventCorrected):
                continue
            if cls is PromiseWithdrawn:  # the samples' only promise is released already
                store.append(stream, changed(with_canary(PromiseMade), promise_id="p2", words=None))
                store.append(stream, changed(with_canary(cls), promise_id="p2"))
            elif cls is RemedyReversed:  # the vocabulary has it before RemedyGiven
                store.append(stream, changed(with_canary(RemedyGiven), remedy_id="e2"))
                store.append(stream, changed(with_canary(cls), remedy_id="e2"))
            elif not personal_fields(cls) and not brings(full(cls)):
                continue
            else:
                store.append(stream, with_canary(cls))
            fields += len(personal_fields(cls))
    store.append("customer:c2", with_canary(CustomerRegistered))
    corrected = with_canary(EventCorrected)
    uid = store.history("case:1").effective[0].event_id
    changes = {"channel": {"from": "email", "to": "letter"}}
    store.append("case:1", changed(corrected, event_id=uid, changes=changes))
    fields += 1 + 2 + 1  # of the first case, the second customer, and the correction
    assert fields == sum(len(personal_fields(cls)) for cls in VOCABULARY)
    return fields
