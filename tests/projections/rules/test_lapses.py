"""The demo's stories, as rules judge them; and what holds of every rule, whatever the history."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from projections.rules.lapses import RULES, rows
from projections.rules.rule import judged
from tests.support.lapses import demo, facts
from tests.support.laws import story_of
from tests.support.stories import found, given, issue, merged, opened, unmerged

OURS = ("statements", "course", "judgement", "promises")
POLICY = {"needs_operations": ["venue"]}
ROLES = {"agent": {}, "specialist": {}, "supervisor": {}, "care-lead": {"final_say": True}}

VIOLATED = {
    "roadshow": set(),
    "upload-limit": {"late-escalation case"},
    "roaming-bill": {
        "fault-admitted-late wrong-roaming",
        "fault-without-apology wrong-roaming",
        "wants-not-asked wrong-roaming",
    },
    "no-ushers": {
        "bare-no nothing-to-give",
        "operations-not-asked first-look",
        "rejected-without-evidence first-look",
        "wants-not-asked unruly-hall",
    },
    "free-flight": set(),
    "nine-days": {
        "apology-without-solution sorry-and-nothing-else",
        "promise-beyond-capability engineer-by-wednesday",
        "promise-beyond-capability running-by-friday",
        "promise-broken call-on-friday",
        "promise-broken engineer-by-wednesday",
        "promise-broken running-by-friday",
        "promise-open-at-close call-on-friday",
        "promise-open-at-close engineer-by-wednesday",
        "promise-open-at-close running-by-friday",
        "too-slow case",
        "untrue-statement engineer-coming",
    },
}


@pytest.mark.parametrize("case_id", VIOLATED)
def test_a_story_of_the_demo_is_judged_as_it_tells(case_id: str) -> None:
    case = facts(demo()[f"case:{case_id}"], policy=POLICY, roles=ROLES)
    violated = {
        f"{rule.name} {finding.subject}"
        for rule, finding in judged(case)
        if finding.outcome == "violated" and rule.judge.__module__.split(".")[-1] in OURS
    }
    assert violated == VIOLATED[case_id]


def test_what_the_demo_cannot_tell_is_unknown() -> None:
    unknown = {
        f"{case_id} {rule.name} {finding.subject}"
        for case_id in VIOLATED
        for rule, finding in judged(facts(demo()[f"case:{case_id}"], policy=POLICY, roles=ROLES))
        if finding.outcome == "unknown" and rule.judge.__module__.split(".")[-1] in OURS
    }
    assert unknown == {"nine-days late-escalation case"}


@pytest.mark.parametrize("seed", range(60))
def test_rules_judge_any_history_and_each_subject_once(seed: int) -> None:
    needs = {"needs_operations": ["x"], "failed_attempts": 0, "admit_contacts": 0}
    roles = {"manager": {"final_say": True}}
    story = story_of("case", seed, 150)
    for policy in (None, needs):
        case = facts(story, policy=policy, roles=None if policy is None else roles)
        subjects = Counter((rule.name, each.subject) for rule, each in judged(case))
        assert set(subjects.values()) <= {1}


@pytest.mark.parametrize("length", [1, 3, 8, 20])
def test_a_rule_that_is_not_asked_has_nothing_to_judge(length: int) -> None:
    asked = 0
    for seed in range(40):
        case = facts(story_of("case", seed, length))
        given = {rule.name for rule, _ in judged(case)}
        asked += len(given)
        assert {each.name for each in RULES.values() if list(each.judge(case))} == given
    assert asked


def test_what_was_still_to_be_done_when_a_case_was_merged_is_asked_of_the_other_one() -> None:
    def rules(*events: Any) -> set[str]:
        story = given(opened(), issue(), found(at="+1h", fault="ours"), *events)
        return {row.rule for row in rows(story.reading()) if row.outcome == "violated"}

    assert "fault-without-apology" in rules()
    assert "fault-without-apology" not in rules(merged("c2", "+2h"))
    assert "fault-without-apology" in rules(merged("c2", "+2h"), unmerged("c2", "+3h"))
