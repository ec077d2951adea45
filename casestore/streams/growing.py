"""Maps and sets that get one thing more, again and again, without being copied whole.

A state is immutable, so each event that brings something makes a new map. Most cases have a handful
of things: these are in a plain dict, which is copied. The map of a long case is in parts that the
maps made from it share. A part that is added takes in those before it that are not larger, so that
of n things each is copied about log2(n) times and found in at most as many parts.

Only folding meets them. Whoever reads a state gets it `plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

import msgspec

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=msgspec.Struct)

FEW = 64
"""So many things are still copied."""


class _Gone:
    """In the place of what was taken out."""


class Grown(Mapping[K, V]):
    """A map in parts; the later ones tell what holds."""

    __slots__ = ("_count", "_parts")

    def __init__(self, parts: tuple[dict[K, Any], ...], count: int) -> None:
        self._parts = parts
        self._count = count

    def put(self, key: K, value: Any) -> Grown[K, V]:
        """The map with a value, in the place of the one that the key had, or else last."""
        count = self._count - (key in self) + (value is not _Gone)
        part, parts = {key: value}, self._parts
        while parts and len(parts[-1]) <= len(part):
            part, parts = parts[-1] | part, parts[:-1]
        if not parts:
            part = _without_gone(part)
        return Grown((*parts, part), count)

    def plain(self) -> dict[K, V]:
        """All of it as one dict."""
        merged: dict[K, Any] = {}
        for part in self._parts:
            merged |= part
        return _without_gone(merged)

    def __getitem__(self, key: K) -> V:
        for part in reversed(self._parts):
            if key in part:
                value: V = part[key]
                if value is _Gone:
                    break
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self.plain())

    def __len__(self) -> int:
        return self._count


class GrownSet(AbstractSet[K]):
    """A set in parts."""

    __slots__ = ("_things",)

    def __init__(self, things: Mapping[K, None]) -> None:
        self._things = things

    def add(self, new: K) -> GrownSet[K]:
        """The set with one thing more."""
        return GrownSet(put(self._things, new, None))

    def __contains__(self, thing: object) -> bool:
        return thing in self._things

    def __iter__(self) -> Iterator[K]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)


# Whether something is Grown is asked by its type: of an abstract class, isinstance takes longer
# than all the rest.


def put(held: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """The map with a value, in the place of the one that the key had, or else last."""
    if type(held) is Grown:
        return held.put(key, value)
    more = {**held, key: value}
    return more if len(more) <= FEW else Grown((more,), len(more))


def put_all(held: Mapping[K, V], more: Mapping[K, V]) -> Mapping[K, V]:
    """The map with further values."""
    for key, value in more.items():
        held = put(held, key, value)
    return held


def take_out(held: Mapping[K, V], key: K) -> Mapping[K, V]:
    """The map without a key, which does not come back."""
    if key not in held:
        return held
    if type(held) is Grown:
        return held.put(key, _Gone)
    return {each: value for each, value in held.items() if each != key}


def add(held: AbstractSet[K], new: K) -> AbstractSet[K]:
    """The set with one thing more."""
    if type(held) is GrownSet:
        return held.add(new)
    more = held | {new}
    return more if len(more) <= FEW else GrownSet(dict.fromkeys(more))


def plain(state: S, ids: Mapping[str, AbstractSet[str]]) -> S:
    """A state with plain dicts and frozensets alone.

    Args:
        state: of a stream.
        ids: its ids by kind. What is in a map of the state has one: so where no set of these has
            grown, no map has.
    """
    for each in ids.values():
        if type(each) is GrownSet:
            break
    else:
        return state
    values = {name: getattr(state, name) for name in state.__struct_fields__}
    changes = {name: value.plain() for name, value in values.items() if type(value) is Grown}
    changes["ids"] = {kind: frozenset(of_kind) for kind, of_kind in ids.items()}
    return msgspec.structs.replace(state, **changes)


def _without_gone(part: dict[K, Any]) -> dict[K, Any]:
    if _Gone not in part.values():
        return part
    return {key: value for key, value in part.items() if value is not _Gone}
