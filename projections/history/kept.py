"""What is found once of a history, and kept with it: models and rules ask for the same things."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeVar


class Keeping(Protocol):
    """Keeps what was found of it."""

    kept: dict[Callable[..., Any], Sequence[Any]]
    """By function, what it found."""


K = TypeVar("K", bound=Keeping)
T = TypeVar("T")


def kept(find: Callable[[K], Iterable[T]]) -> Callable[[K], Sequence[T]]:
    """Decorate a function of a history: it finds its things when it is first asked for them."""

    @wraps(find)
    def known(of: K) -> Sequence[T]:
        found = of.kept.get(find)
        if found is None:
            found = of.kept[find] = list(find(of))
        return found

    return known
