"""What was merged with what: walking over merges, of cases or of customers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

N = TypeVar("N")


def closure(start: Iterable[N], neighbours: Callable[[set[N]], Iterable[N]]) -> set[N]:
    """All that can be reached from some nodes, these included.

    Args:
        start: the nodes to begin with.
        neighbours: gives those that are next to some nodes; it is asked of each node once.
    """
    reached = set(start)
    new = set(reached)
    while new:
        new = set(neighbours(new)) - reached
        reached |= new
    return reached


def linked(links: Iterable[tuple[str, str]]) -> Callable[[set[str]], set[str]]:
    """The neighbours by links that hold both ways, for `closure`."""
    next_to: dict[str, set[str]] = {}
    for one, other in links:
        next_to.setdefault(one, set()).add(other)
        next_to.setdefault(other, set()).add(one)
    return lambda nodes: set().union(*(next_to.get(node, ()) for node in nodes))
