"""Lapses in words: the rule, the policy's numbers that it applied, and the events that show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from msgspec.structs import asdict

from casestore import CaseStore, History
from casestore.events.policy_document import number
from casestore.streams.policies import Policies
from casestore.streams.wording import clock, counted, tell, words
from cli.terminal.output import cell, heading, paragraph, text
from cli.terminal.text import visible
from projections.query.report import Result
from projections.reports.declared.lapses import LapseLine
from projections.rules.lapses import RULES


def explained_lapses(result: Result[Any], store: CaseStore, zone: tzinfo) -> Iterator[str]:
    """The lines that explain each lapse of a report, and one that counts them."""
    policies = store.policies()
    histories: dict[str, History] = {}
    for lapse in result.rows:
        rule = RULES[lapse.rule]
        subject = "" if lapse.subject == "case" else f", {lapse.subject}"
        yield heading(f"{lapse.outcome}: {lapse.rule}, case {lapse.case_id}{subject}")
        yield from paragraph(rule.lesson)
        yield visible(f"at {cell(lapse.at, zone)}, by {lapse.agent or 'nobody named'}")
        yield from text(_numbers(rule.numbers, policies, lapse))
        for uid in lapse.evidence:
            yield from text([visible(_event(uid, histories, store, zone))])
        yield ""
    count = len(result.rows)
    yield f"{counted(count, 'finding')}, as of {cell(result.as_of, zone)}"


class ExplainedLine(LapseLine, frozen=True, kw_only=True):
    """What a rule finds of one subject, in words too."""

    lesson: str
    policy: str
    """The one in force at the time of the finding."""
    numbers: tuple[str, ...]
    """Those of the policy that the rule applied, like "max_agents 3"."""
    told: tuple[str, ...]
    """The events that are the evidence, in words."""


def with_words(result: Result[Any], store: CaseStore, zone: tzinfo) -> Iterator[ExplainedLine]:
    """The rows of a report of lapses, each with the words that explain it."""
    policies = store.policies()
    histories: dict[str, History] = {}
    for lapse in result.rows:
        rule, in_force = RULES[lapse.rule], policies.in_force(lapse.at)
        yield ExplainedLine(
            **asdict(lapse),
            lesson=" ".join(rule.lesson.split()),
            policy=in_force.name or "built-in",
            numbers=tuple(
                f"{name} {words(number(in_force.document, name)) or 'not set'}"
                for name in rule.numbers
            ),
            told=tuple(_event(uid, histories, store, zone).strip() for uid in lapse.evidence),
        )


def _numbers(names: tuple[str, ...], policies: Policies, lapse: Any) -> Iterator[str]:
    """The numbers of the policy in force at the time of the lapse, in one line."""
    if not names:
        return
    in_force = policies.in_force(lapse.at)
    numbers = [f"{name} {words(number(in_force.document, name)) or 'not set'}" for name in names]
    yield visible(f"by the {in_force.name or 'built-in'} policy: {', '.join(numbers)}")


def _event(uid: str, histories: dict[str, History], store: CaseStore, zone: tzinfo) -> str:
    """An event in words. `histories` keeps the histories that were read, by stream."""
    stream = store.stream_of(uid)
    if stream is not None and stream not in histories:
        histories[stream] = store.history(stream)
    recorded = None if stream is None else histories[stream].find(uid)
    if stream is None or recorded is None:
        return f"  event {uid}, which was voided"
    who = words(recorded.event.actor)
    return f"  {clock(recorded.occurred_at, zone)}  {stream}: {who} {tell(recorded, zone)}"
