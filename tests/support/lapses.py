"""What the rules find of a story.

    findings("too-many-hands", given(opened(), replied())) == {"case": "satisfied"}

`found` gives the findings themselves, by subject. A customer has a story of their own. The policy
is given by the numbers of its conduct, `policy={"max_agents": 2}`, and by who may give how much,
`roles={…}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from pydantic import TypeAdapter

from casestore.events import VOCABULARY, Event
from casestore.events.policy_document import read_document
from casestore.streams.history import History
from casestore.streams.policies import Adopted, Policies
from projections.history.case_history import CaseHistory
from projections.history.family import Family, families
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.lapses import RULES, LapseRow, rows
from projections.rules.rule import Finding
from tests.support.stories import (
    START,
    Learnt,
    Moment,
    Story,
    given,
    issue,
    merged,
    moment,
    opened,
)

ROOT = Path(__file__).parents[2]


EUR_20 = {"amount": "20", "currency": "EUR"}

Cases = Story | tuple[Story, ...]
"""A case; or cases of one store, of which the family of the first is judged."""


def with_issues(*more: Event, issues: int = 1) -> Story:
    """A case with the issues i1, i2 …, each with a loss of EUR 20, and then more events."""
    raised = [issue(f"i{number}", loss=EUR_20) for number in range(1, issues + 1)]
    return given(opened(), *raised, *more)


def family(
    *own: Event | Learnt, c2: Iterable[Event | Learnt], at: Moment = "+0h", begun: Moment = "+0h"
) -> tuple[Story, Story]:
    """The cases c1 and c2, of which the second is merged into the first.

    Args:
        own: what happens in c1 after its opening.
        c2: what happens in c2 after its opening.
        at: when it is merged.
        begun: when both are opened.
    """
    member = given(opened(begun), *c2, merged("c1", at), stream="case:c2")
    return in_one_store(given(opened(begun), *own), member)


def in_one_store(*stories: Story) -> tuple[Any, ...]:
    """The stories with positions in the order in which all was recorded, and ids of events that
    no two have."""
    recorded = [
        msgspec.structs.replace(each, uid=str(UUID(int=number * 1000 + each.version)))
        for number, story in enumerate(stories)
        for each in story.recorded
    ]
    recorded.sort(key=lambda each: each.recorded_us or 0)
    numbered = [msgspec.structs.replace(each, position=n) for n, each in enumerate(recorded, 1)]
    return tuple(
        Story(story.stream, tuple(each for each in numbered if each.stream == story.stream))
        for story in stories
    )


def _read(told: Cases, as_of: Moment | None) -> History | Family:
    if isinstance(told, Story):
        return told.history(as_of)
    histories = [story.history(as_of) for story in told]
    read = families([history for history in histories if len(history)])
    return next(family for family in read if family.root is histories[0])


def facts(
    story: Cases,
    customer: Story | None = None,
    policy: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
) -> Facts:
    """A story in the form that rules judge."""
    policies = Policies()
    if policy is not None or roles is not None:
        document = read_document({"conduct": policy or {}, "roles": roles or {}})
        policies = Policies(adopted=(Adopted("house", START - timedelta(days=3650), document),))
    known = None if customer is None else customer.history(as_of)
    return Facts(CaseHistory(_read(story, as_of), known, policies))


def found(
    rule: str,
    story: Cases,
    customer: Story | None = None,
    policy: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
) -> dict[str, Finding]:
    """What a rule finds, by subject.

    Some findings come true when a time has passed without an event. With `as_of`, those are left
    out whose time had not passed by then.
    """
    by_subject: dict[str, Finding] = {}
    case = facts(story, customer, policy, as_of, roles=roles)
    for finding in RULES[rule].judge(case):
        assert not RULES[rule].on.isdisjoint(case.case.types), f"{rule} is not asked about this"
        assert finding.subject not in by_subject, f"{rule} judges {finding.subject} twice"
        assert finding.due_at is None or finding.at == finding.due_at
        by_subject[finding.subject] = finding
    if as_of is None:
        return by_subject
    now = moment(as_of)
    return {
        subject: finding
        for subject, finding in by_subject.items()
        if finding.due_at is None or finding.due_at < now
    }


def findings(
    rule: str,
    story: Cases,
    customer: Story | None = None,
    policy: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
) -> dict[str, Outcome]:
    """The outcomes of what a rule finds, by subject."""
    by_subject = found(rule, story, customer, policy, as_of, roles=roles)
    return {subject: finding.outcome for subject, finding in by_subject.items()}


def shown(rule: str, story: Cases, subject: str = "g1", **more: Any) -> tuple[Any, ...]:
    """The outcome, hours after START, and the positions of the judged event and the evidence."""
    each = found(rule, story, **more)[subject]
    judged = each.event.moment.position
    evidence = sorted({e.moment.position for e in each.evidence})
    return each.outcome, (each.at - START) / timedelta(hours=1), judged, evidence


def lapse(
    rule: str, story: Cases, customer: Story | None = None, policy: Mapping[str, Any] | None = None
) -> LapseRow:
    """The one row that a rule gives."""
    (row,) = (row for row in rows(facts(story, customer, policy).case) if row.rule == rule)
    return row


def demo() -> dict[str, Story]:
    """The streams of the demo, each as a story."""
    streams: dict[str, Story] = {}
    for text in (ROOT / "cli" / "stories.ndjson").read_bytes().splitlines():
        line = msgspec.json.decode(text)
        cls = next(cls for cls in VOCABULARY if cls.__name__ == line["type"])
        event = TypeAdapter(cls).validate_json(msgspec.json.encode(line["data"]))
        streams[line["stream"]] = streams.get(line["stream"], Story(line["stream"])).plus(event)
    return streams
