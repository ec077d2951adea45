"""What the rules find of a story.

    findings("too-many-hands", given(opened(), replied())) == {"case": "satisfied"}

`found` gives the findings themselves, by subject. A customer has a story of their own. The policy
is given by the numbers of its conduct, `policy={"max_agents": 2}`, and by who may give how much,
`roles={…}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from pydantic import TypeAdapter

from casestore.events import VOCABULARY
from casestore.events.policy_document import DOCUMENT
from casestore.streams.policies import Adopted, Policies
from projections.history.case_history import CaseHistory
from projections.rules.facts import Facts
from projections.rules.lapses import RULES
from projections.rules.rule import Finding, Outcome
from tests.support.stories import START, Moment, Story, moment

ROOT = Path(__file__).parents[2]


def facts(
    story: Story,
    customer: Story | None = None,
    policy: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
) -> Facts:
    """A story in the form that rules judge."""
    policies = Policies()
    if policy is not None or roles is not None:
        document = DOCUMENT.validate_python({"conduct": policy or {}, "roles": roles or {}})
        policies = Policies(adopted=(Adopted("house", START - timedelta(days=3650), document),))
    known = None if customer is None else customer.history(as_of)
    return Facts(CaseHistory(story.history(as_of), known, policies))


def found(
    rule: str,
    story: Story,
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
    story: Story,
    customer: Story | None = None,
    policy: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
) -> dict[str, Outcome]:
    """The outcomes of what a rule finds, by subject."""
    by_subject = found(rule, story, customer, policy, as_of, roles=roles)
    return {subject: finding.outcome for subject, finding in by_subject.items()}


def demo() -> dict[str, Story]:
    """The streams of the demo, each as a story."""
    streams: dict[str, Story] = {}
    for text in (ROOT / "cli" / "stories.ndjson").read_bytes().splitlines():
        line = msgspec.json.decode(text)
        cls = next(cls for cls in VOCABULARY if cls.__name__ == line["type"])
        event = TypeAdapter(cls).validate_json(msgspec.json.encode(line["data"]))
        streams[line["stream"]] = streams.get(line["stream"], Story(line["stream"])).plus(event)
    return streams
