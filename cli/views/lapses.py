"""Lapses in words: the rule, the policy's numbers that it applied, and the events that show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from casestore import CaseStore
from casestore.streams.wording import counted
from cli.terminal.output import cell, heading, paragraph, text
from cli.terminal.text import visible
from projections.query.report import Result
from projections.reports.explained import Evidence, applied
from projections.rules.lapses import RULES


def explained_lapses(result: Result[Any], store: CaseStore, zone: tzinfo) -> Iterator[str]:
    """The lines that explain each lapse of a report, and one that counts them."""
    policies, evidence = store.policies(), Evidence(store)
    for lapse in result.rows:
        subject = "" if lapse.subject == "case" else f", {lapse.subject}"
        yield heading(f"{lapse.outcome}: {lapse.rule}, case {lapse.case_id}{subject}")
        yield from paragraph(RULES[lapse.rule].lesson)
        yield visible(f"at {cell(lapse.at, zone)}, by {lapse.agent or 'nobody named'}")
        policy, numbers = applied(lapse.rule, lapse.at, policies)
        if numbers:
            yield from text([visible(f"by the {policy} policy: {', '.join(numbers)}")])
        for uid in lapse.evidence:
            yield from text([visible(f"  {evidence.told(uid, zone)}")])
        yield ""
    count = len(result.rows)
    yield f"{counted(count, 'finding')}, as of {cell(result.as_of, zone)}"
