"""What structure refuses on a stream of any kind: wrong ids, times, currencies and corrections.

The store records facts, and bad practice is a fact: it is recorded, never refused. Each check
returns the reason of a refusal as text, or None.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import MISSING
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.json import encode

from casestore.events import (
    CaseOpened,
    CaseUnmerged,
    CustomerUnmerged,
    Event,
    EventCorrected,
    PersonalDataErased,
    StatementMade,
)
from casestore.events.currencies import CURRENCIES
from casestore.events.markers import (
    FAMILY_KINDS,
    IdKey,
    amendable_fields,
    amounts,
    brings,
    holding,
    needs,
    places,
)
from casestore.streams.growing import add
from casestore.streams.history import History, Recorded, amended, stored_data

AHEAD = timedelta(minutes=5)
"""How far occurred_at may be ahead of the store's clock, because clocks differ a little."""

Ids = Mapping[str, AbstractSet[str]]
"""The ids that a stream holds, by kind."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """What a check needs to know beyond the stream's own state. It is read under the write lock.

    If a value is None, the checks that need it are skipped. A replay of a history does this.
    """

    now: datetime | None = None
    """The store's clock."""
    related: Mapping[str, Any] | None = None
    """The folded states of other streams that the event names, by stream name."""
    history: History | None = None
    """The stream's own history, if the event is a correction. Events that were voided after it,
    each as the last one, may be in it."""
    voids_last: bool = False
    """Whether the event voids the last event of the stream, corrections aside. The others need not
    be replayed then: they were allowed without it."""
    imported: bool = False
    """Whether the event comes from an import."""
    family: Mapping[str, Any] | None = None
    """The folded states of the other cases whose ids the event may use, by case id: cases that it
    names and that are merged with its own case at present."""
    whole: Any = None
    """The present state of all merged cases as one case, if events of the others bear on the check.
    Their ids are in it as "case_id/id"."""
    goodwill: Any = None
    """The limits of a live gesture: `casestore.policy.authority.GoodwillLimits`, or None."""


NO_CONTEXT = Context()


_NONE: frozenset[str] = frozenset()


def known_ids(ids: Ids, event: Event) -> Ids:
    """The stream's ids and the new ids of an event."""
    new = brings(event)
    if not new:
        return ids
    grown = dict(ids)
    for kind, each in new:
        grown[kind] = add(grown.get(kind, _NONE), each)
    return grown


def check_ids(
    ids: Ids, event: Event, own: str = "", family: Mapping[str, Any] | None = None
) -> str | None:
    """Refuse a new id that is used already, and a reference to an id that is unknown.

    Args:
        ids: the ids of the stream.
        event: the event to be appended.
        own: the id of its case.
        family: see Context. Without it, an id of another case is accepted unchecked.
    """
    new = set()
    for key in brings(event):
        kind, each = key
        if key in new or each in ids.get(kind, ()):
            return f"{kind} {each!r} is there already; give a new id, or the same key to retry"
        new.add(key)
    for key in needs(event):
        kind, each = key
        # A statement may replace a statement of any case of the customer, merged or not.
        supersedes = kind == "statement" and isinstance(event, StatementMade)
        others = None if supersedes else family
        if each not in ids.get(kind, ()) and not _is_named(key, ids, own, others):
            return _unknown(key, own, family or {})
    return None


def _is_named(key: IdKey, ids: Ids, own: str, family: Mapping[str, Any] | None) -> bool:
    """Whether an id has the form "case_id/id" and names something of its own or another case."""
    kind, full_id = key
    if kind not in FAMILY_KINDS:
        return False
    taken_at_its_word = False
    for case_id, inner in places(full_id):
        if case_id == own:
            if inner in ids.get(kind, ()):
                return True
        elif family is None:
            taken_at_its_word = not full_id.startswith(f"{own}/")
        elif case_id in family and inner in family[case_id].ids.get(kind, ()):
            return True
    return taken_at_its_word


def _unknown(key: IdKey, own: str, family: Mapping[str, Any]) -> str:
    kind, full_id = key
    cases = [case_id for case_id, _ in places(full_id) if kind in FAMILY_KINDS]
    for case_id in cases:
        if case_id in family:
            inner = full_id.removeprefix(f"{case_id}/")
            return (
                f"{kind} {inner!r} is not known in case {case_id!r}; record it there first, or "
                "correct the id"
            )
    if cases and own not in cases:
        return (
            f"{kind} {full_id!r} is of a case that is not merged with this one; merge them first, "
            "or correct the id"
        )
    return f"{kind} {full_id!r} is not known here; record it first, or correct the id"


def check_values(event: Event, now: datetime | None) -> str | None:
    """Refuse an event from the future, and values that `check_fields` refuses.

    Args:
        event: the event to be appended.
        now: the store's clock. A replay gives None, and nothing is refused: stored events are
            read as they are.
    """
    if now is None:
        return None
    if event.occurred_at > now + AHEAD:
        return (
            f"it happened at {event.occurred_at:%Y-%m-%dT%H:%M:%SZ}, more than five minutes "
            f"ahead of the store's clock ({now:%Y-%m-%dT%H:%M:%SZ}); check the time and its zone"
        )
    return check_fields(event)


_DAYS = timedelta(days=2)
_FIRST = datetime.min.replace(tzinfo=UTC) + _DAYS
_LAST = datetime.max.replace(tzinfo=UTC) - _DAYS


def check_fields(event: Event, only: Collection[str] | None = None) -> str | None:
    """Refuse times at the ends of the calendar, unknown currencies, and a wrong received_at.

    A time within two days of an end of the calendar does not exist in some time zones. A case
    cannot be opened before it was received.

    Args:
        event: the event whose fields are checked.
        only: check only these fields; all, if it is left out.
    """
    for names, wrong in _wrong_fields(event):
        if only is None or not set(only).isdisjoint(names):
            return wrong
    return None


def _wrong_fields(event: Event) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each fault in an event's values: the names of the fields, and the reason."""
    times, sums = holding(type(event))
    for name in times:
        at = getattr(event, name)
        if at is not None and not _FIRST <= at <= _LAST:
            required = type(event).__dataclass_fields__[name].default is MISSING
            do = "check the year" if required else f"where there is no such time, leave {name} out"
            yield (name,), f"{name} {at.isoformat()} is at an end of the calendar; {do}"
    for name, money in amounts(event) if sums else ():
        if money.currency not in CURRENCIES:
            yield (
                (name,),
                f"{name}: {money.currency} is not a currency of ISO 4217; write its code, like EUR",
            )
    received_at = event.received_at if isinstance(event, CaseOpened) else None
    if received_at is not None and received_at > event.occurred_at:
        yield (
            ("received_at", "occurred_at"),
            "received_at is after occurred_at; a case is opened when, or after, it came in",
        )


_FINAL = (CaseUnmerged, CustomerUnmerged, PersonalDataErased)
"""Events that cannot be voided. Voiding an unmerge would merge again without the checks of a merge.
Voiding an erasure would say that the data is back, but it is destroyed."""


def check_correction(event: EventCorrected, context: Context) -> str | None:
    """Refuse a correction that does not fit the event that it corrects.

    `casestore.streams.kinds` checks by a replay whether the rest of the history is still allowed
    after it.
    """
    history = context.history
    if history is None:
        return None
    uid = str(event.event_id)
    original = history.original(uid)
    if original is None:
        return f"there is no event {uid} in this stream; `case timeline` shows the ids"
    if isinstance(original.event, EventCorrected):
        return "it corrects a correction; correct the event itself once more instead"
    target = history.find(uid)
    if target is None:
        return f"event {uid} was voided; record what happened as a new event"
    if event.kind == "voided":
        if isinstance(target.event, _FINAL):
            return f"{target.type} cannot be voided; record what holds now as a new event"
        return None
    return _check_changes(event, target)


def _check_changes(event: EventCorrected, target: Recorded) -> str | None:
    from pydantic import ValidationError  # noqa: PLC0415  (only where an event is made)

    data = stored_data(target.event)
    fields = amendable_fields(type(target.event))
    for name, change in (event.changes or {}).items():
        if name not in fields:
            return (
                f"{target.type}.{name} cannot be amended (no such field, an id, or personal); "
                "void the event and record it anew"
            )
        present = data.get(name)
        given = _normal(target.event, name, change.get("from"))
        if encode(given) != encode(present):  # compared as JSON, because in Python 1 == True
            claimed = _cut(change.get("from"))
            return (
                f"{target.type}.{name} is {_cut(present)} at present, not {claimed}; correct `from`"
            )
    changes = {name: change.get("to") for name, change in (event.changes or {}).items()}
    try:
        # Only the changed fields are checked. An old event may have wrong values in other fields,
        # from before these checks, and must stay correctable.
        if wrong := check_fields(amended(target.event, changes), changes):
            return f"{target.type}: {wrong}"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([target.type, *map(str, first["loc"])])
        return f"{where}: {first['msg']}; correct `to`"
    return None


def _cut(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else f"{shown[:200]}…"


def _normal(event: Event, name: str, value: Any) -> Any:
    """A value as the field would store it: 10:00+01:00 becomes 09:00Z."""
    from pydantic import ValidationError  # noqa: PLC0415  (only where an event is made)

    if value is None:
        return None  # None means "not recorded", which differs from the field's default
    try:
        return stored_data(amended(event, {name: value})).get(name)
    except ValidationError:
        return value
