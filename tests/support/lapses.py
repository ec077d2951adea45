"""What the rules find of a story.

    findings("too-many-hands", given(opened(), replied())) == {"case": "satisfied"}

`found` gives the findings themselves, by subject. A customer is a story of their own, and what a
house expects of itself is told as `policy={"max_agents": 2}`, who may give what as `roles={…}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from pydantic import TypeAdapter

from casestore.events import EVENTS
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
    """A story as rules judge it, under a policy with these numbers in its conduct, and roles."""
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
    """What a rule finds, by subject; of what time alone decides, only what is due by as-of."""
    by_subject: dict[str, Finding] = {}
    case = facts(story, customer, policy, as_of, roles=roles)
    for each in RULES[rule].judge(case):
        assert not RULES[rule].on.isdisjoint(case.case.types), f"{rule} is not asked about this"
        assert each.subject not in by_subject, f"{rule} judges {each.subject} twice"
        assert each.due_at is None or each.at == each.due_at
        by_subject[each.subject] = each
    if as_of is None:
        return by_subject
    now = moment(as_of)
    return {k: v for k, v in by_subject.items() if v.due_at is None or v.due_at < now}


def findings(
    rule: str,
    story: Story,
    customer: Story | None = None,
    policy: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
) -> dict[str, Outcome]:
    """How a rule judges, by subject."""
    return {
        k: v.outcome for k, v in found(rule, story, customer, policy, as_of, roles=roles).items()
    }


def demo() -> dict[str, Story]:
    """The demo's streams, as their stories tell them."""
    streams: dict[str, Story] = {}
    for line in (ROOT / "cli" / "stories.ndjson").read_bytes().splitlines():
        told = msgspec.json.decode(line)
        cls = next(c for each in EVENTS.values() for c in each if c.__name__ == told["type"])
        event = TypeAdapter(cls).validate_json(msgspec.json.encode(told["data"]))
        streams[told["stream"]] = streams.get(told["stream"], Story(told["stream"])).plus(event)
    return streams
