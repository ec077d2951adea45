"""Immutable maps and sets to which items are added one by one, without a full copy each time.

A state is immutable, so each event that adds an item makes a new map. Most cases have few items:
they are in a plain dict, which is copied. The map of a long case consists of several dicts, its
parts, and a new map shares parts with the old one. A new part is joined with the last parts that
are not larger than it. So each of n items is copied about log2(n) times, and a map has at most
about log2(n) parts (the logarithmic method of Bentley and Saxe, 1980).

Only the fold uses these types. A reader of a state gets plain dicts and frozensets: see `plain`.
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
"""A dict or a set of at most this many items is copied whole."""


class _Gone:
    """The value of a key that was taken out."""


class Grown(Mapping[K, V]):
    """A map in parts. If several parts have a key, the last one has its value."""

    __slots__ = ("_count", "_parts")

    def __init__(self, parts: tuple[dict[K, Any], ...], count: int) -> None:
        self._parts = parts
        self._count = count

    def put(self, key: K, value: Any) -> Grown[K, V]:
        """The map with a value for a key. A known key keeps its place; a new one comes last."""
        count = self._count - (key in self) + (value is not _Gone)
        part, parts = {key: value}, self._parts
        while parts and len(parts[-1]) <= len(part):
            part, parts = parts[-1] | part, parts[:-1]
        if not parts:
            part = _without_gone(part)
        return Grown((*parts, part), count)

    def plain(self) -> dict[K, V]:
        """The whole map as one dict."""
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
    """A set in parts: the keys of a map, mostly a `Grown`."""

    __slots__ = ("_things",)

    def __init__(self, things: Mapping[K, None]) -> None:
        self._things = things

    def add(self, new: K) -> GrownSet[K]:
        """The set with one more item."""
        return GrownSet(put(self._things, new, None))

    def __contains__(self, thing: object) -> bool:
        return thing in self._things

    def __iter__(self) -> Iterator[K]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)


# `type(x) is Grown` stands in place of isinstance: for a subclass of an abstract class isinstance
# takes longer than all the rest.


def put(held: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """The map with a value for a key. A known key keeps its place; a new one comes last."""
    if type(held) is Grown:
        return held.put(key, value)
    more = {**held, key: value}
    return more if len(more) <= FEW else Grown((more,), len(more))


def put_all(held: Mapping[K, V], more: Mapping[K, V]) -> Mapping[K, V]:
    """The map with all values of another map."""
    for key, value in more.items():
        held = put(held, key, value)
    return held


def take_out(held: Mapping[K, V], key: K) -> Mapping[K, V]:
    """The map without a key. No later event may put the key back."""
    if key not in held:
        return held
    if type(held) is Grown:
        return held.put(key, _Gone)
    return {each: value for each, value in held.items() if each != key}


def add(held: AbstractSet[K], new: K) -> AbstractSet[K]:
    """The set with one more item."""
    if type(held) is GrownSet:
        return held.add(new)
    more = held | {new}
    return more if len(more) <= FEW else GrownSet(dict.fromkeys(more))


def plain(state: S, ids: Mapping[str, AbstractSet[str]]) -> S:
    """A state with plain dicts and frozensets only.

    Args:
        state: the state of a stream.
        ids: its ids by kind. Every item in a map of the state has an id. So if no set of ids is
            in parts, no map is.
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
