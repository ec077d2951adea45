"""`casestore lessons`: each rule, the lesson behind it, and the story that teaches it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from casestore.errors import quoted
from cli.terminal.nearest import did_you_mean
from cli.terminal.options import Known, Usage
from cli.terminal.output import (
    Column,
    for_people,
    heading,
    paragraph,
    print_lines,
    print_object,
    print_rows,
    table,
    tabular,
)
from cli.views.stories import STORIES

if TYPE_CHECKING:
    from projections.rules.rule import Rule


def _rules() -> Iterable[str]:
    from projections.rules.lapses import RULES  # noqa: PLC0415  (help must not wait for it)

    return RULES


_COLUMNS = (
    Column("rule"),
    Column("stories"),
    Column("lesson"),
    Column("numbers", people=False),
)


@click.command
@click.argument("rule", metavar="[RULE]", required=False, type=Known("rule", _rules))
@tabular
def lessons(rule: str | None) -> None:
    """Explain the rules and the stories that teach them.

    \b
    Examples:
      casestore lessons
      casestore lessons bare-no
    """
    from projections.rules.lapses import RULES  # noqa: PLC0415  (help must not wait for it)

    if rule is None:
        rows = map(_row, RULES.values())
        print_rows(_COLUMNS, [{**row, "lesson": _first_sentence(row["lesson"])} for row in rows])
        return
    if rule not in RULES:
        hint = did_you_mean(rule, RULES) or "; `casestore lessons` lists them"
        raise Usage(f"there is no rule {quoted(rule)}{hint}")
    explained = RULES[rule]
    print_lines(_in_words(explained)) if for_people() else print_object(_row(explained))


def _row(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "stories": list(rule.stories),
        "lesson": " ".join(rule.lesson.split()),
        "numbers": list(rule.numbers),
    }


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "."


def _in_words(rule: Rule) -> Iterator[str]:
    yield heading(rule.name)
    for part in rule.lesson.split("\n\n"):
        yield from paragraph(part, 78)
    yield ""
    yield from (f"story {story}: {STORIES[int(story) - 1].named}" for story in rule.stories)
    if numbers := list(_numbers(rule)):
        yield ""
        yield from table(_NUMBERS, numbers)


_NUMBERS = (Column("number"), Column("built_in", "built in"), Column("what", "what it decides"))


def _numbers(rule: Rule) -> Iterator[dict[str, Any]]:
    """The policy's numbers that a rule goes by."""
    from casestore.events.meanings import meanings  # noqa: PLC0415  (help must not wait)
    from casestore.events.policy_document import BUILT_IN  # noqa: PLC0415  (help must not wait)

    for name in rule.numbers:
        part, _, field = name.rpartition(".")
        group = getattr(BUILT_IN, part or "conduct")
        built_in = getattr(group, field) or "not set"
        yield {"number": name, "built_in": built_in, "what": meanings(type(group))[field]}
