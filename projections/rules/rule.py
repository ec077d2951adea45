"""What a rule is: a lesson, and a function from a case to findings, one for each judged subject.

The outcome of a finding is "violated", "satisfied", "exempt", or "unknown" if what the rule needs
was never recorded. A rule makes no finding where it does not apply. If something is violated
because time passes, the finding has a `due_at` and holds only after that time. Rules never read
text that people wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from inspect import cleandoc
from typing import NamedTuple

import msgspec

from casestore.events import Event
from projections.history.happened import Happened
from projections.models.lapses import Outcome
from projections.rules.facts import Facts


class Finding(msgspec.Struct, frozen=True, gc=False):
    """The finding of a rule on one subject."""

    subject: str
    """What is judged: the id of a reply, a promise, an issue …, or "case"."""
    outcome: Outcome
    at: datetime
    """When the rule was violated; for other outcomes, the time by which it was judged."""
    event: Happened
    """The event that is judged. Its actor answers for it."""
    evidence: tuple[Happened, ...] = ()
    """Other events that show it."""
    due_at: datetime | None = None
    """Set if it is violated because time passed: the finding holds only after this time."""
    by_owner: bool = False
    """Whether the owner at that time answers for it, instead of the event's actor."""


Judge = Callable[[Facts], Iterable[Finding]]


class Rule(NamedTuple):
    """A rule, with the lesson that it comes from."""

    name: str
    stories: tuple[str, ...]
    """The demo's stories that teach it, by number."""
    lesson: str
    """The lesson in one sentence."""
    numbers: tuple[str, ...]
    """The names of the policy's numbers that it uses."""
    on: frozenset[type[Event]]
    """The rule can find something only in a case with an event of one of these types."""
    judge: Judge
    across_cases: bool
    """Whether it looks at all cases of a customer. The report `lapses` then judges it, and `judge`
    finds nothing."""


RULES: dict[str, Rule] = {}
"""Every rule by name, in the order in which they are declared."""


def rule(
    name: str,
    *stories: str,
    on: type[Event] | tuple[type[Event], ...] = (),
    numbers: str = "",
    across_cases: bool = False,
) -> Callable[[Judge], Judge]:
    """Make a function a rule. The function's docstring is the lesson.

    Args:
        name: the name of the rule.
        stories: the numbers of the demo's stories that teach it.
        on: one type of event, or several: the rule is asked only about a case that has one.
        numbers: the names of the policy's numbers that it uses, with spaces between.
        across_cases: it looks at all cases of a customer, and `projections.reports.declared.lapses`
            judges it.
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
    """All findings of all rules on a case, each with its rule."""
    for each in _with_something_to_judge(case.case.types):
        for finding in each.judge(case):
            yield each, finding


@lru_cache(maxsize=10_000)
def _with_something_to_judge(types: frozenset[type[Event]]) -> tuple[Rule, ...]:
    return tuple(each for each in RULES.values() if not each.on.isdisjoint(types))
