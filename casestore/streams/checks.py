"""What every stream's structure refuses, whatever its kind: ids, times and corrections.

The log is of facts: bad practice is recorded, never refused. Each function gives the reason for
a refusal in words, or None.
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
    instants,
    needs,
    places,
)
from casestore.streams.growing import add
from casestore.streams.history import History, Recorded, amended, stored_data

AHEAD = timedelta(minutes=5)
"""How far an event may have happened ahead of the store's clock: clocks differ a little."""

Ids = Mapping[str, AbstractSet[str]]
"""The ids that a stream holds, by kind."""


class Context(msgspec.Struct, frozen=True):
    """What a check needs to know beyond the stream's own state, read inside the write lock.

    None leaves the rules that need it aside, as a replay of history does.
    """

    now: datetime | None = None
    """The store's clock."""
    related: Mapping[str, Any] | None = None
    """The folded state of other streams that the event names, by stream; None = no such stream."""
    history: History | None = None
    """The stream's own history, where the event is a correction."""
    imported: bool = False
    family: Mapping[str, Any] | None = None
    """The folded states of the other cases that the event may refer to, by case id: of those that
    it may name, the ones that are merged with its own at present."""
    whole: Any = None
    """The family's present state as one case, where what others tell bears on the event: their ids
    stand in it as "case_id/id"."""
    goodwill: Any = None
    """What a live gesture is held to: `casestore.policy.authority.GoodwillLimits`, or None."""


NO_CONTEXT = Context()


_NONE: frozenset[str] = frozenset()


def known_ids(ids: Ids, event: Event) -> Ids:
    """The stream's ids with those that the event brings."""
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
    """Refuse ids that are used already, or referred to but unknown.

    Args:
        ids: those of the stream.
        event: what may be appended.
        own: the id of its case.
        family: see Context; without it, ids of other cases are taken at their word.
    """
    new = set()
    for key in brings(event):
        kind, each = key
        if key in new or each in ids.get(kind, ()):
            return f"{kind} {each!r} is there already; give a new id, or the same key to retry"
        new.add(key)
    for key in needs(event):
        kind, each = key
        # A statement may take the place of one of any case of the customer, merged or not.
        supersedes = kind == "statement" and isinstance(event, StatementMade)
        others = None if supersedes else family
        if each not in ids.get(kind, ()) and not _is_named(key, ids, own, others):
            return _unknown(key, own, family or {})
    return None


def _is_named(key: IdKey, ids: Ids, own: str, family: Mapping[str, Any] | None) -> bool:
    """Whether an id is the whole name, "case_id/id", of something of its own case or another."""
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
    """Refuse what happened further ahead of the store's clock than clocks differ; times at the
    ends of the calendar; currencies that are none.

    A replay, which gives no time, asks nothing of this: what is stored is read as it is.
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
    """Refuse times that some time zone cannot tell, currencies that are none, and a case that was
    opened before it came in.

    Args:
        event: whose fields.
        only: leave out what is wrong in other fields than these.
    """
    for names, wrong in _wrong_fields(event):
        if only is None or not set(only).isdisjoint(names):
            return wrong
    return None


def _wrong_fields(event: Event) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong in an event's values, with the names of the fields."""
    for name, at in instants(event):
        if not _FIRST <= at <= _LAST:
            required = type(event).__dataclass_fields__[name].default is MISSING
            do = "check the year" if required else f"where there is no such time, leave {name} out"
            yield (name,), f"{name} {at.isoformat()} is at an end of the calendar; {do}"
    for name, money in amounts(event):
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
"""Voiding one would merge without the rules of a merge, or un-erase what is gone for good."""


def check_correction(event: EventCorrected, context: Context) -> str | None:
    """Refuse a correction that does not fit what it corrects.

    Whether the history still holds after it, `casestore.streams.kinds` asks by replaying it.
    """
    history = context.history
    if history is None:
        return None
    uid = str(event.event_id)
    original = next((r for r in history.originals if r.uid == uid), None)
    if original is None:
        return f"there is no event {uid} in this stream; `case timeline` shows the ids"
    if isinstance(original.event, EventCorrected):
        return "it corrects a correction; correct the event itself once more instead"
    target = history.find(uid)
    if target is None:
        return f"event {uid} was voided; record what happened as a new event"
    if event.kind == "voided" and isinstance(target.event, _FINAL):
        return f"{target.type} cannot be voided; record what holds now as a new event"
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
        if encode(given) != encode(present):  # as JSON: 1 is not true
            told = _cut(change.get("from"))
            return f"{target.type}.{name} is {_cut(present)} at present, not {told}; correct `from`"
    changes = {name: change.get("to") for name, change in (event.changes or {}).items()}
    try:
        # Only what is changed: what stands in a store from before these checks can be corrected.
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
    """A value as the field would store it, so that 10:00+01:00 is 09:00Z."""
    from pydantic import ValidationError  # noqa: PLC0415  (only where an event is made)

    if value is None:
        return None  # not recorded, which is not the same as a field's default
    try:
        return stored_data(amended(event, {name: value})).get(name)
    except ValidationError:
        return value
