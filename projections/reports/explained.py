"""Lapses explained: the rule, the policy's numbers that it applied, the events that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import Any

from msgspec.structs import asdict

from casestore import CaseStore, History
from casestore.events.policy_document import number
from casestore.streams.history import Recorded
from casestore.streams.policies import Policies
from casestore.streams.wording import clock, tell, words
from projections.query.report import Result
from projections.reports.declared.lapses import LapseLine
from projections.rules.lapses import RULES


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
    policies, evidence = store.policies(), Evidence(store)
    for lapse in result.rows:
        rule = RULES[lapse.rule]
        policy, numbers = applied(lapse.rule, lapse.at, policies)
        yield ExplainedLine(
            **asdict(lapse),
            lesson=" ".join(rule.lesson.split()),
            policy=policy,
            numbers=numbers,
            told=tuple(evidence.told(uid, zone) for uid in lapse.evidence),
        )


def applied(rule: str, at: datetime, policies: Policies) -> tuple[str, tuple[str, ...]]:
    """The policy in force at a time, by its name, and its numbers that a rule goes by, in words."""
    in_force = policies.in_force(at)
    numbers = tuple(
        f"{name} {words(number(in_force.document, name)) or 'not set'}"
        for name in RULES[rule].numbers
    )
    return in_force.name or "built-in", numbers


class Evidence:
    """The events that lapses name. The history of each stream is read once.

    Args:
        store: where the events are.
        history: reads a stream; as it is at present, if left out.
    """

    def __init__(self, store: CaseStore, history: Callable[[str], History] | None = None) -> None:
        self._stream_of = store.stream_of
        self._history = history or store.history
        self._histories: dict[str, History] = {}

    def find(self, uid: str) -> Recorded | None:
        """An event by its id; None if it was voided, or is not there."""
        stream = self._stream_of(uid)
        if stream is None:
            return None
        if stream not in self._histories:
            self._histories[stream] = self._history(stream)
        return self._histories[stream].find(uid)

    def told(self, uid: str, zone: tzinfo) -> str:
        """An event in words, with its time, its stream and who did it."""
        recorded = self.find(uid)
        if recorded is None:
            return f"event {uid}, which was voided"
        who = words(recorded.event.actor)
        when = clock(recorded.occurred_at, zone)
        return f"{when}  {recorded.stream}: {who} {tell(recorded, zone)}"
