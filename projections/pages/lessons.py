"""The page of the lessons: each rule, why it is one, and how often it was violated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from projections import reports
from projections.pages.links import Rows, options
from projections.pages.page import Pages
from projections.reports import LapseCountLine
from projections.rules.lapses import RULES
from projections.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A rule and what it finds."""

    rule: Rule
    paragraphs: Sequence[str]
    """Of the lesson."""
    counts: LapseCountLine
    """How often it came to each outcome; zeros where there was nothing to judge."""
    violations: Rows
    """The list of its violations."""
    untold: Rows
    """The list of what it cannot tell."""


_NOTHING = {"violated": 0, "satisfied": 0, "exempt": 0, "unknown": 0, "unknown_share": None}


def lessons_page(pages: Pages) -> str:
    """The page of the lessons."""
    return pages.render("lessons.html", title="Lessons", lessons=read_lessons(pages))


def read_lessons(pages: Pages) -> list[Lesson]:
    """Each rule, in the order in which the rules are declared, with the counts of `lapses --by`."""
    found = {line.group: line for line in pages.ask(reports.lapse_counts, by="rule").rows}
    return [
        Lesson(
            rule=rule,
            paragraphs=[" ".join(part.split()) for part in rule.lesson.split("\n\n")],
            counts=found.get(name) or LapseCountLine(group=name, **_NOTHING),  # type: ignore[arg-type]
            violations=_list(name, "violated"),
            untold=_list(name, "unknown"),
        )
        for name, rule in RULES.items()
    ]


def _list(rule: str, outcome: str) -> Rows:
    return Rows("lapses", f"{rule}, {outcome}", options({"rule": rule, "outcome": outcome}))
