"""What every stream's structure refuses, whatever its kind: ids, times and corrections.

The log is of facts: bad practice is recorded, never refused. Each function gives the reason for
a refusal in words, or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.json import encode
from pydantic import ValidationError

from casestore.events import (
    CaseOpened,
    CaseUnmerged,
    CustomerUnmerged,
    Event,
    EventCorrected,
    PersonalDataErased,
)
from casestore.events.currencies import CURRENCIES
from casestore.events.markers import (
    FAMILY_KINDS,
    amendable_fields,
    amounts,
    brings,
    instants,
    needs,
    places,
)
from casestore.streams.history import History, Recorded, amended, stored_data

AHEAD = timedelta(minutes=5)
"""How far an event may have happened ahead of the store's clock: clocks differ a little."""

Ids = Mapping[str, frozenset[str]]
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
    """The folded states of cases that the event may refer to, by case id: those that are merged
    with its own at present, and what its own is merged into."""
    goodwill: Any = None
    """What a live gesture is held to: `casestore.policy.authority.GoodwillLimits`, or None."""


NO_CONTEXT = Context()


def known_ids(ids: Ids, event: Event) -> Ids:
    """The stream's ids with those that the event brings."""
    new = brings(event)
    if not new:
        return ids
    grown = dict(ids)
    for kind, each in new:
        grown[kind] = grown.get(kind, frozenset()) | {each}
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
    for kind, each in needs(event):
        if each in ids.get(kind, ()) or _is_in_family(kind, each, ids, own, family):
            continue
        cases = [case_id for case_id, _ in places(each)] if kind in FAMILY_KINDS else []
        if family is not None and cases and not any(case_id in family for case_id in cases):
            return (
                f"{kind} {each!r} is of a case that is not merged with this one; merge them "
                "first, or correct the id"
            )
        return f"{kind} {each!r} is not known here; record it first, or correct the id"
    return None


def _is_in_family(
    kind: str, full_id: str, ids: Ids, own: str, family: Mapping[str, Any] | None
) -> bool:
    """Whether an id names something of another case of the family, or of its own by its whole
    name."""
    if kind not in FAMILY_KINDS:
        return False
    for case_id, inner in places(full_id):
        if family is None:
            return True
        known = ids if case_id == own else getattr(family.get(case_id), "ids", {})
        if inner in known.get(kind, ()):
            return True
    return False


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


def check_fields(event: Event) -> str | None:
    """Refuse times that some time zone cannot tell, and currencies that are none."""
    for name, at in instants(event):
        if not _FIRST <= at <= _LAST:
            return (
                f"{name} {at.isoformat()} is at the end of the calendar; where there is no such "
                f"time, leave {name} out"
            )
    for name, money in amounts(event):
        if money.currency not in CURRENCIES:
            return (
                f"{name}: {money.currency} is not a currency of ISO 4217; write its code, like EUR"
            )
    received_at = event.received_at if isinstance(event, CaseOpened) else None
    if received_at is not None and received_at > event.occurred_at:
        return "received_at is after occurred_at; a case is opened when, or after, it came in"
    return None


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
            return (
                f"{target.type}.{name} is {present!r} at present, not {change.get('from')!r}; "
                "correct `from`"
            )
    try:
        after = amended(target.event, {k: c.get("to") for k, c in (event.changes or {}).items()})
        if (wrong := check_fields(after)) and check_fields(target.event) is None:
            return f"{target.type}: {wrong}"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([target.type, *map(str, first["loc"])])
        return f"{where}: {first['msg']}; correct `to`"
    return None


def _normal(event: Event, name: str, value: Any) -> Any:
    """A value as the field would store it, so that 10:00+01:00 is 09:00Z."""
    if value is None:
        return None  # not recorded, which is not the same as a field's default
    try:
        return stored_data(amended(event, {name: value})).get(name)
    except ValidationError:
        return value
