"""Lapses in words: the rule, the numbers that it went by, and what shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from textwrap import wrap
from typing import Any

from casestore import CaseStore, History
from casestore.events.policy_document import number
from casestore.streams.policies import Policies
from casestore.streams.wording import clock, counted, tell, words
from cli.terminal.output import cell, heading
from cli.terminal.text import visible
from projections.query.report import Result
from projections.rules.lapses import RULES

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
            yield visible(_event(uid, histories, store, zone))
        yield ""
    count = len(result.rows)
    yield f"{counted(count, 'finding')}, as of {cell(result.as_of, zone)}"


def _numbers(names: tuple[str, ...], policies: Policies, line: Any) -> Iterator[str]:
    if not names:
        return
    in_force = policies.in_force(line.at)
    told = [f"{name} {words(number(in_force.document, name)) or 'not set'}" for name in names]
    yield visible(f"by the {in_force.name or 'built-in'} policy: {', '.join(told)}")


def _event(uid: str, histories: dict[str, History], store: CaseStore, zone: tzinfo) -> str:
    """An event in words, whatever stream it is in."""
    stream = store.stream_of(uid)
    if stream is not None and stream not in histories:
        histories[stream] = store.history(stream)
    found = None if stream is None else histories[stream].find(uid)
    if stream is None or found is None:
        return f"  event {uid}, which was voided"
    who = words(found.event.actor)
    return f"  {clock(found.occurred_at, zone)}  {stream}: {who} {tell(found, zone)}"
