"""What an event changed: the state before it and the state after it, flattened and compared.

Nothing here knows a field by its meaning: a field that is added to a state is compared at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from casestore.events import Ask, EventCorrected
from casestore.streams import kinds
from casestore.streams.history import History, Recorded
from casestore.streams.wording import words

_BOOKKEEPING = {"ids", "last_event_at"}
"""Fields that nearly every event changes, and that tell a reader nothing."""
_RECORDED = "on record"
"""The value of a thing of which the state keeps nothing but the id."""
_PLURALS = {"reply": "replies", "option": "offers"}
"""For each kind, the state's field for its things, where that is not the kind and an s."""

Path = tuple[str, ...]


class Change(NamedTuple):
    """One value of a state, before and after an event; None where there was no value."""

    path: Path
    before: Any
    after: Any

    @property
    def row(self) -> dict[str, Any]:
        """The change for programs."""
        return {"path": ".".join(self.path), "before": self.before, "after": self.after}


def steps(
    history: History, as_of: datetime | None = None
) -> Iterator[tuple[Recorded, list[Change]]]:
    """Each event as it was recorded, and what it changed in the state that was known then.

    A correction changes how earlier events are read, from its own version on. So the state after
    it is folded anew, from the history as it stood at that version.

    With `as_of`, only events that had happened by then, and later corrections of those.
    """
    originals = history.originals
    stream = kinds.empty(history.stream)
    before, evolve = stream.state, stream.kind.evolve
    latest = datetime.min.replace(tzinfo=UTC)
    for count, recorded in enumerate(originals, 1):
        late, latest = recorded.occurred_at < latest, max(latest, recorded.occurred_at)
        if as_of is None and not late and not isinstance(recorded.event, EventCorrected):
            after = evolve(before, recorded.event)
        else:
            until_then = History(history.stream, originals[:count], as_of=as_of)
            after = kinds.fold_history(until_then)
        changed = changes(before, after)
        if changed or as_of is None or recorded.occurred_at <= as_of:
            yield recorded, changed
        before = after


def changes(before: msgspec.Struct, after: msgspec.Struct) -> list[Change]:
    """What differs between two states."""
    old, new = leaves(before), leaves(after)
    paths = dict.fromkeys((*old, *new))
    return [
        Change(path, old.get(path), new.get(path))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def leaves(state: msgspec.Struct) -> dict[Path, Any]:
    """Every value in a state that is not None, by its path.

    Where a state keeps nothing of a thing but its id, that is here as `finding.f1: on record`.
    """
    fields = msgspec.structs.asdict(state)
    compared = {name: value for name, value in fields.items() if name not in _BOOKKEEPING}
    values = dict(_fields((), compared))
    ids_by_kind: Mapping[str, frozenset[str]] = fields.get("ids", {})
    for kind, ids in ids_by_kind.items():
        if _PLURALS.get(kind, f"{kind}s") not in fields:
            values |= {(kind, thing_id): _RECORDED for thing_id in sorted(ids)}
    return values


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    match value:
        case Mapping():  # things by their id; None is a thing of which only the id is known
            for thing_id, thing in value.items():
                yield from _leaves((*path, thing_id), _RECORDED if thing is None else thing)
        case msgspec.Struct():
            yield from _fields(path, msgspec.structs.asdict(value))
        case Ask():
            yield from _fields(path, {f.name: getattr(value, f.name) for f in _ASK})
        case _:
            yield path, value


def _fields(path: Path, fields: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name, value in fields.items():
        if isinstance(value, tuple) and all(isinstance(each, msgspec.Struct) for each in value):
            for number, each in enumerate(value, 1):  # `kept_at`, `kept_by`, `kept_2_at` …
                prefix = name if number == 1 else f"{name}_{number}"
                inner = {f"{prefix}_{n}": v for n, v in msgspec.structs.asdict(each).items()}
                yield from _fields(path, inner)
        elif value is not None:
            yield from _leaves((*path, name), value)


_ASK = dataclasses.fields(Ask)[1:]  # without its id, which is in the path


def in_words(changed: Sequence[Change], zone: tzinfo = UTC) -> list[str]:
    """Changes in words, one a line; all of a thing that is new, like a promise, in one line."""
    lines = []
    for path, changes_of_thing in groupby(changed, lambda change: change.path[:2]):
        group = list(changes_of_thing)
        if len(group) > 1 and all(change.before is None for change in group):
            # Every new thing has some values that are False, 0 or empty: they tell nothing.
            details = ", ".join(_detail(change, zone) for change in group if change.after)
            lines.append(f"+ {_path_in_words(path)}: {details}")
        else:
            lines += [_line(change, zone) for change in group]
    return lines


def _path_in_words(path: Path) -> str:
    """A path in words: `promises.p1.due_at` is `promise p1 due at`."""
    if len(path) == 1:
        return _spaced(path[0])
    field, thing_id, *rest = path
    kind = f"{field.removesuffix('ies')}y" if field.endswith("ies") else field.removesuffix("s")
    return " ".join((_spaced(kind), thing_id, *map(_spaced, rest)))


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _detail(change: Change, zone: tzinfo) -> str:
    return " ".join((*map(_spaced, change.path[2:]), words(change.after, zone)))


def _line(change: Change, zone: tzinfo) -> str:
    name = _path_in_words(change.path)
    if change.before is None:
        return f"+ {name}: {words(change.after, zone)}"
    if change.after is None:
        return f"- {name}: {words(change.before, zone)}"
    return f"~ {name}: {words(change.before, zone)} → {words(change.after, zone)}"
