"""What every stream's structure refuses, whatever its kind: ids, times and corrections.

The log is of facts: bad practice is recorded, never refused. Each function gives the reason for
a refusal in words, or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.json import encode
from pydantic import ValidationError

from casestore.events import (
    CaseUnmerged,
    CustomerUnmerged,
    Event,
    EventCorrected,
    PersonalDataErased,
)
from casestore.events.markers import amendable_fields, brings, needs
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


def check_ids(ids: Ids, event: Event) -> str | None:
    """Refuse ids that are used already, or referred to but unknown."""
    seen = set()
    for key in brings(event):
        kind, each = key
        if key in seen or each in ids.get(kind, ()):
            return f"{kind} {each!r} is there already; give a new id, or the same key to retry"
        seen.add(key)
    for kind, each in needs(event):
        if each not in ids.get(kind, ()):
            return f"{kind} {each!r} is not known here; record it first, or correct the id"
    return None


def check_clock(event: Event, now: datetime | None) -> str | None:
    """Refuse what happened further ahead of the store's clock than clocks differ."""
    if now is not None and event.occurred_at > now + AHEAD:
        return (
            f"it happened at {event.occurred_at:%Y-%m-%dT%H:%M:%SZ}, more than five minutes "
            f"ahead of the store's clock ({now:%Y-%m-%dT%H:%M:%SZ}); check the time and its zone"
        )
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
        amended(target.event, {k: c.get("to") for k, c in (event.changes or {}).items()})
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
