"""Lapses in words: the rule, the numbers that it went by, and what shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from textwrap import wrap
from typing import Any

from casestore import CaseStore, History
from casestore.errors import StreamNotFound
from casestore.policy import Policies
from casestore.telling import clock, tell, words
from cli.output import cell, heading
from cli.text import visible
from projections.lapses import RULES
from projections.reports.report import Result

_WIDTH = 100


def explained_lapses(result: Result[Any], store: CaseStore, zone: tzinfo) -> Iterator[str]:
    """Each lapse, explained."""
    policies = store.policies()
    histories: dict[str, History] = {}
    for line in result.rows:
        rule = RULES[line.rule]
        about = "" if line.subject == "case" else f", {line.subject}"
        yield heading(f"{line.outcome}: {line.rule}, case {line.case_id}{about}")
        yield from wrap(" ".join(rule.lesson.split()), _WIDTH)
        yield visible(f"at {cell(line.at, zone)}, by {line.agent or 'nobody named'}")
        yield from _numbers(rule.numbers, policies, line)
        for uid in line.evidence:
            yield visible(_event(uid, line.case_id, histories, store, zone))
        yield ""
    count = len(result.rows)
    yield f"{count} finding{'' if count == 1 else 's'}, as of {cell(result.as_of, zone)}"


def _numbers(names: tuple[str, ...], policies: Policies, line: Any) -> Iterator[str]:
    if not names:
        return
    in_force = policies.in_force(line.at)
    document = in_force.document
    told = [
        f"{name} {words(getattr(document.conduct, name, getattr(document.goodwill, name, None)))}"
        for name in names
    ]
    yield visible(f"by the {in_force.name or 'built-in'} policy: {', '.join(told)}")


def _event(
    uid: str, case_id: str, histories: dict[str, History], store: CaseStore, zone: tzinfo
) -> str:
    """An event of the case, or of another case of the customer, in words."""
    for stream in dict.fromkeys([f"case:{case_id}", *histories]):
        if stream not in histories:
            try:
                histories[stream] = store.history(stream)
            except StreamNotFound:
                continue
        if (found := histories[stream].find(uid)) is not None:
            who = words(found.event.actor)
            return f"  {clock(found.occurred_at, zone)}  {who} {tell(found, zone)}"
    return f"  event {uid}, of another case"
