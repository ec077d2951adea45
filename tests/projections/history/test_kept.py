"""What is found of a history is found once, and each history keeps its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from projections.history.kept import kept


class Course:
    def __init__(self, *steps: str) -> None:
        self.kept: dict[Callable[..., Any], Sequence[Any]] = {}
        self.steps, self.read = steps, 0


@kept
def capitals(of: Course) -> Iterator[str]:
    of.read += 1
    yield from (each.upper() for each in of.steps)


@kept
def lengths(of: Course) -> Iterator[int]:
    yield from map(len, of.steps)


def test_it_is_found_once_even_where_there_is_nothing() -> None:
    some, none = Course("a", "bb"), Course()
    for _ in range(2):
        assert (capitals(some), capitals(none)) == (["A", "BB"], [])
    assert (some.read, none.read) == (1, 1)


def test_each_function_has_its_own() -> None:
    course = Course("a", "bb")
    assert (capitals(course), lengths(course)) == (["A", "BB"], [1, 2])
