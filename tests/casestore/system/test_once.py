"""A property that is computed when it is first read, and then kept with the object."""

from __future__ import annotations

from casestore.system.once import once


class Counting:
    def __init__(self) -> None:
        self.computed = 0

    @once
    def answer(self) -> int:
        """What it is."""
        self.computed += 1
        return 42


def test_it_is_computed_when_it_is_first_read_and_only_then() -> None:
    one, other = Counting(), Counting()
    assert one.computed == 0
    assert (one.answer, one.answer, one.computed) == (42, 42, 1)
    assert other.computed == 0


def test_of_the_class_it_is_the_property_itself() -> None:
    assert isinstance(Counting.answer, once)
    assert Counting.answer.__doc__ == "What it is."
