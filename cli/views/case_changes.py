"""What an event changed: two folded states, flattened and compared, whatever they hold."""

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
"""Fields that nearly every event changes and that nobody asks about."""
_RECORDED = "on record"
_PLURALS = {"reply": "replies", "option": "offers"}
"""The field in which a state keeps the things of a kind, where it is not the kind with an s."""

Path = tuple[str, ...]


class Change(NamedTuple):
    """One value of a state before and after; None is none."""

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
    """Each event as it was recorded, and what it changed in what was known until then.

    A correction changes what is known from its own version on, so the state before each version
    is folded as the history stood at that version. Given `as_of`, only events that had happened
    by then, and the later corrections of those.
    """
    originals = history.originals
    begun = kinds.empty(history.stream)
    before, evolve = begun.state, begun.kind.evolve
    latest = datetime.min.replace(tzinfo=UTC)
    for count, recorded in enumerate(originals, 1):
        late, latest = recorded.occurred_at < latest, max(latest, recorded.occurred_at)
        if as_of is None and not late and not isinstance(recorded.event, EventCorrected):
            after = evolve(before, recorded.event)
        else:
            upto = History(history.stream, originals[:count], as_of=as_of)
            after = kinds.fold_history(upto)
        found = changes(before, after)
        if found or as_of is None or recorded.occurred_at <= as_of:
            yield recorded, found
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

    Ids of things that the state keeps nothing else of stand as `finding.f1: on record`.
    """
    fields = msgspec.structs.asdict(state)
    found = dict(_fields((), {n: each for n, each in fields.items() if n not in _BOOKKEEPING}))
    ids: Mapping[str, frozenset[str]] = fields.get("ids", {})
    for kind, each in ids.items():
        if _PLURALS.get(kind, f"{kind}s") not in fields:
            found |= {(kind, one): _RECORDED for one in sorted(each)}
    return found


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    match value:
        case Mapping():  # things by their id: one of which nothing is known is there all the same
            for name, each in value.items():
                yield from _leaves((*path, name), _RECORDED if each is None else each)
        case msgspec.Struct():
            yield from _fields(path, msgspec.structs.asdict(value))
        case Ask():
            yield from _fields(path, {f.name: getattr(value, f.name) for f in _ASK})
        case _:
            yield path, value


def _fields(path: Path, fields: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name, each in fields.items():
        if each is not None:
            yield from _leaves((*path, name), each)


_ASK = dataclasses.fields(Ask)[1:]  # without its id, which is in the path


def told(found: Sequence[Change], zone: tzinfo = UTC) -> list[str]:
    """Changes in words, a line each; what is wholly new, like a promise, in one line."""
    lines = []
    for path, each in groupby(found, lambda change: change.path[:2]):
        group = list(each)
        if len(group) > 1 and all(change.before is None for change in group):
            # What a thing begins with anyway (no, 0) is not news.
            said = ", ".join(_said(one, zone) for one in group if one.after)
            lines.append(f"+ {_named(path)}: {said}")
        else:
            lines += [_line(change, zone) for change in group]
    return lines


def _named(path: Path) -> str:
    """A path in words: `promises.p1.due_at` is `promise p1 due at`."""
    if len(path) == 1:
        return _spaced(path[0])
    kind, each, *rest = path
    one = f"{kind.removesuffix('ies')}y" if kind.endswith("ies") else kind.removesuffix("s")
    return " ".join((_spaced(one), each, *map(_spaced, rest)))


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _said(change: Change, zone: tzinfo) -> str:
    return " ".join((*map(_spaced, change.path[2:]), words(change.after, zone)))


def _line(change: Change, zone: tzinfo) -> str:
    name = _named(change.path)
    if change.before is None:
        return f"+ {name}: {words(change.after, zone)}"
    if change.after is None:
        return f"- {name}: {words(change.before, zone)}"
    return f"~ {name}: {words(change.before, zone)} → {words(change.after, zone)}"
