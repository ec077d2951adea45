"""What the rules find in the demo's stories, and laws that hold for every rule and history."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from datetime import datetime, timedelta
from random import Random

import hypothesis
import pytest
from msgspec.structs import replace

from casestore.events.policy_document import Conduct, Goodwill, read_document
from casestore.streams.policies import Adopted, Policies
from projections.history.case_history import CaseHistory
from projections.history.family import families
from projections.rules.lapses import RULES, LapseRow, rows
from projections.rules.rule import judged
from tests.support.families import (
    BEGIN,
    apart,
    at_distinct_times,
    in_one_case,
    in_several_cases,
    merged_and_unmerged,
    merged_at_any_time,
    merged_at_once,
    shuffled,
)
from tests.support.families import facts as facts_of
from tests.support.lapses import demo, facts, findings
from tests.support.lapses import found as found_by
from tests.support.laws import hours, law, seeds, story_of, times
from tests.support.stories import (
    Story,
    found,
    given,
    given_customer,
    issue,
    knew,
    learnt,
    no_longer_prefers,
    opened,
    prefers,
    registered,
    said_no,
    uid,
)

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


def test_every_rule_has_its_lesson_in_sentences() -> None:
    assert [rule.name for rule in RULES.values() if not rule.lesson.endswith(".")] == []


def test_a_rule_names_the_stories_that_teach_it_and_numbers_of_the_policy() -> None:
    numbers = {each.name for each in fields(Conduct)}
    numbers |= {f"goodwill.{each.name}" for each in fields(Goodwill)}
    for rule in RULES.values():
        assert re.fullmatch("[a-z]+(-[a-z]+)+", rule.name), rule.name
        assert rule.stories, rule.name
        assert set(rule.stories) <= set("12345"), rule.name
        assert set(rule.numbers) <= numbers, rule.name
        assert rule.across_cases == (not rule.on), "it is asked about some events, or about all"


@pytest.mark.parametrize("length", [1, 3, 8, 20])
def test_a_rule_that_is_not_asked_has_nothing_to_judge(length: int) -> None:
    asked = 0
    for seed in range(40):
        case = facts(story_of("case", seed, length))
        given = {rule.name for rule, _ in judged(case)}
        asked += len(given)
        assert {each.name for each in RULES.values() if list(each.judge(case))} == given
    assert asked


def test_evidence_is_shown_in_the_order_in_which_it_happened() -> None:
    late_news = learnt("+9h", found(at="+1h", outcome="not_upheld", fault="none", evidence=[]))
    story = given(opened(), issue("tea"), said_no(at="+2h"), late_news)
    (row,) = (row for row in rows(story.reading()) if row.rule == "bare-no")
    assert row.evidence == (str(uid(4)), str(uid(3)))


# --- gestures, grudging and remedies

ABOUT_GOODWILL = sorted(
    rule.name
    for rule in RULES.values()
    if rule.judge.__module__.split(".")[-1] in ("gestures", "grudging", "remedies")
)
WHO_MAY_GIVE = {
    "agent": {},
    "specialist": {},
    "supervisor": {"limits": {"USD": {"per_gesture": "25"}}},
    "care-lead": {"final_say": True, "limits": {"CAD": {"per_gesture": "8"}}},
}
GRUDGING = [
    *("gesture-had-to-be-asked", "gesture-late", "grudging-gesture"),
    *("qualified-gesture", "said-cant-but-could"),
]


@pytest.mark.parametrize("case_id", VIOLATED)
def test_only_the_roaming_bill_shows_goodwill_handled_badly(case_id: str) -> None:
    story, policy = demo()[f"case:{case_id}"], {"needs_operations": ["venue"]}
    outcomes = {
        name: findings(name, story, None, policy, roles=WHO_MAY_GIVE) for name in ABOUT_GOODWILL
    }
    violated = [n for n, by in outcomes.items() for each in by.values() if each == "violated"]
    assert violated == (GRUDGING if case_id == "roaming-bill" else [])


@law
@hypothesis.given(seeds, times)
def test_goodwill_is_judged_always_alike_and_by_what_had_happened(
    seed: int, as_of: datetime | None
) -> None:
    story = story_of("case", seed, 150)
    history = story.history(as_of)
    if not len(history):
        return
    known = {each.uid for each in history}
    for name in ABOUT_GOODWILL:
        by_subject = found_by(name, story, as_of=as_of, roles=WHO_MAY_GIVE)
        assert by_subject == found_by(name, story, as_of=as_of, roles=WHO_MAY_GIVE)
        for each in by_subject.values():
            assert known.issuperset(e.event_id for e in (each.event, *each.evidence))


# --- families

HOUSE = read_document(
    {
        "conduct": {
            "reply_within": "3 hours",
            "resend_within": "3 hours",
            "apology_within": "3 hours",
            "chase_after": "3 hours",
            "admit_within": "3 hours",
            "gesture_within": "3 hours",
            "return_within": "3 hours",
            "resolve_within": "5 business hours",
            "clock": "net",
            "needs_operations": ["x"],
            "failed_attempts": 2,
            "max_agents": 1,
            "max_contacts": 2,
            "admit_contacts": 1,
            "written_rounds": 1,
        },
        "roles": {
            "manager": {"final_say": True, "limits": {"EUR": {"per_case": "15"}}},
            "first_line": {"limits": {"EUR": {"per_case": "12"}}},
        },
    }
)
POLICIES = Policies(adopted=(Adopted("house", BEGIN - timedelta(days=365), HOUSE),))
CUSTOMER = given_customer(
    registered("-9d"),
    prefers("language", "en", "-8d"),
    prefers("channel", "phone", "+5h"),
    no_longer_prefers("channel", "+15h"),
    knew("x", "+3h"),
)


def found_in(*stories: Story, as_of: datetime | None = None) -> list[LapseRow]:
    """The findings in some cases, where merged cases are read as one."""
    customer = CUSTOMER.history(as_of)
    histories = [story.history(as_of) for story in stories]
    read = families([history for history in histories if len(history)])
    rows_of = (rows(CaseHistory(family, customer, POLICIES)) for family in read)
    return sorted((row for of_case in rows_of for row in of_case), key=_by_subject)


def _by_subject(row: LapseRow) -> tuple[str, str, str]:
    return row.case_id, row.rule, row.subject


def found_alone(story: Story, as_of: datetime | None = None) -> list[LapseRow]:
    """The findings in a case that was never merged."""
    history = story.history(as_of)
    case = CaseHistory(history, CUSTOMER.history(as_of), POLICIES)
    return sorted(rows(case), key=_by_subject)


@law
@hypothesis.given(seeds, times)
def test_what_is_recorded_in_cases_merged_at_once_is_judged_like_one_case(
    seed: int, as_of: datetime | None
) -> None:
    told = facts_of(seed)
    several = found_in(*in_several_cases(told, merged_at_once()), as_of=as_of)
    with_own_ids = [replace(row, subject=row.subject.rpartition("/")[2]) for row in several]
    assert sorted(with_own_ids, key=_by_subject) == found_alone(in_one_case(told), as_of)


@law
@hypothesis.given(seeds, times, hours)
def test_cases_merged_for_a_moment_are_judged_as_if_they_never_were(
    seed: int, as_of: datetime | None, at: datetime
) -> None:
    told = facts_of(seed, apart)
    for_a_moment = in_several_cases(told, merged_and_unmerged(at))
    never = in_several_cases(told, ())
    expected = [row for story in never for row in found_alone(story, as_of)]
    assert found_in(*for_a_moment, as_of=as_of) == expected


@law
@hypothesis.given(seeds, times)
def test_cases_are_judged_alike_in_whatever_order_facts_are_recorded(
    seed: int, as_of: datetime | None
) -> None:
    random = Random(seed)
    told = at_distinct_times(facts_of(seed), random)
    merges = merged_at_any_time(random)
    first = found_in(*in_several_cases(told, merges), as_of=as_of)
    other = in_several_cases(shuffled(told, random), random.sample(merges, len(merges)))
    assert found_in(*other, as_of=as_of) == first


@law
@hypothesis.given(seeds, times)
def test_rules_judge_any_family_and_each_subject_once(seed: int, as_of: datetime | None) -> None:
    # A reference to a case that is not in the family at that time refers to nothing.
    told = in_several_cases(facts_of(seed), merged_at_any_time(Random(seed)))
    all_found = found_in(*told, as_of=as_of)
    subjects = Counter((row.case_id, row.rule, row.subject) for row in all_found)
    assert set(subjects.values()) <= {1}
    known = {str(event.event_id) for story in told for event in story.history(as_of)}
    known |= {str(event.event_id) for event in CUSTOMER.history(as_of)}
    assert all(known.issuperset(row.evidence) for row in all_found)
