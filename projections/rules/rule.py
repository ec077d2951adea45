"""What a rule is: a lesson, and a function from a case to findings, one for each judged subject.

`violated`, `satisfied`, `exempt`, or `unknown`: the assertion that it takes was never recorded.
What does not apply, or is not due yet, makes no finding; where time alone decides, the finding is
violated with a `due_at`, and counts once that has passed. Nothing is inferred from prose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from inspect import cleandoc
from typing import Literal, NamedTuple

import msgspec

from casestore.events import Event
from projections.history.happened import Happened
from projections.rules.facts import Facts

Outcome = Literal["violated", "satisfied", "exempt", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("violated", "satisfied", "exempt", "unknown")


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What a rule finds of one subject."""

    subject: str
    """What is judged: the id of a reply, a promise, an issue …, or "case"."""
    outcome: Outcome
    at: datetime
    """When it became violated; else when it was judged by."""
    event: Happened
    """What is judged. Its actor answers for it."""
    evidence: tuple[Happened, ...] = ()
    """What else shows it."""
    due_at: datetime | None = None
    """Only of what time alone has violated: from when on it is."""
    by_owner: bool = False
    """The owner at that time answers for it, instead of the event's actor."""


Judge = Callable[[Facts], Iterable[Finding]]


class Rule(NamedTuple):
    """A rule, with the lesson that it comes from."""

    name: str
    stories: tuple[str, ...]
    """The seed stories that teach it, by number."""
    lesson: str
    """In one sentence."""
    numbers: tuple[str, ...]
    """The numbers of the policy that it goes by."""
    on: frozenset[type[Event]]
    """It finds something only in a case with an event of one of these types."""
    judge: Judge
    across_cases: bool
    """It spans a customer's cases: the report of lapses judges it, and `judge` finds nothing."""


RULES: dict[str, Rule] = {}
"""Every rule by name, in the order in which they are written down."""


def rule(
    name: str,
    *stories: str,
    on: type[Event] | tuple[type[Event], ...] = (),
    numbers: str = "",
    across_cases: bool = False,
) -> Callable[[Judge], Judge]:
    """Make a function a rule. Its docstring is the lesson.

    Args:
        name: of the rule.
        stories: the seed stories that teach it, by number.
        on: the type of event, or types, without any of which a case gives it nothing to judge.
        numbers: the names of the policy's numbers that it goes by, with spaces between.
        across_cases: it spans a customer's cases: projections.reports.lapses judges it.
    """

    def declare(judge: Judge) -> Judge:
        lesson = cleandoc(judge.__doc__ or "")
        types = frozenset(on if isinstance(on, tuple) else (on,))
        RULES[name] = Rule(
            name, stories, lesson, tuple(numbers.split()), types, judge, across_cases
        )
        return judge

    return declare


def judged(case: Facts) -> Iterator[tuple[Rule, Finding]]:
    """What all rules find of a case."""
    for each in _with_something_to_judge(case.case.types):
        for finding in each.judge(case):
            yield each, finding


@lru_cache(maxsize=10_000)
def _with_something_to_judge(types: frozenset[type[Event]]) -> tuple[Rule, ...]:
    return tuple(each for each in RULES.values() if not each.on.isdisjoint(types))
