"""Lessons about listening, as stories, and what the demo's stories show about contact."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from casestore import CaseStore
from casestore.events import CaseOpened, Event
from casestore.transfer.ndjson import import_lines
from projections.history.case_history import CaseHistory
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.lapses import RULES
from tests.support.lapses import family, findings, found, in_one_store, lapse, shown
from tests.support.stories import (
    Learnt,
    Story,
    asked,
    assigned,
    bounced,
    content,
    given,
    issue,
    moment,
    opened,
    promised,
    replied,
    said_no,
    uid,
    unmerged,
    wrote,
)


def case(*told: Event | Learnt) -> Story:
    return given(opened(), *told)


# --- ignored-message


def ignored(*told: Event | Learnt, as_of: str = "+30d") -> dict[str, Outcome]:
    return findings("ignored-message", case(*told), as_of=as_of)


def test_a_question_is_answered_in_time() -> None:
    assert ignored(asked("a1")) == {"m-a1": "violated"}
    assert ignored(asked("a1"), as_of="+24h") == {}, "not due yet"
    assert ignored(asked("a1"), replied("r1", "+24h")) == {"m-a1": "satisfied"}
    assert ignored(asked("a1"), replied("r1", "+25h")) == {"m-a1": "violated"}
    late = found("ignored-message", case(asked("a1"), replied("r1", "+25h")))["m-a1"]
    assert (late.at, late.due_at) == (moment("+24h"), None)


def test_a_machine_and_a_reply_that_got_lost_are_no_answer() -> None:
    assert ignored(asked("a1"), replied("r1", "+1h", automated=True)) == {"m-a1": "violated"}
    lost = replied("r1", "+1h"), bounced("r1", "+2h")
    assert ignored(asked("a1"), *lost) == {"m-a1": "violated"}
    again = replied("r2", "+3h", resend_of="r1")
    assert ignored(asked("a1"), *lost, again) == {"m-a1": "satisfied"}


def test_what_wants_an_answer() -> None:
    nothing: dict[str, Any] = {"asks": [], "issue_ids": ["i1"]}
    known = asked("a1", "+1h", issue_ids=["i1"]), replied("r1", "+2h")
    told = issue("i1"), *known, wrote("m2", "+3h", **nothing)
    assert ignored(*told) == {"m-a1": "satisfied"}, "it asks for nothing and brings nothing new"
    assert ignored(issue("i1"), wrote("m1", **nothing)) == {"m1": "violated"}, "a new issue"
    says = wrote("m2", "+3h", **nothing, says_unanswered=["a1"])
    assert ignored(issue("i1"), *known, says)["m2"] == "violated"
    says = wrote("m2", "+3h", **nothing, says_not_received=["r1"])
    assert ignored(issue("i1"), *known, says)["m2"] == "violated"


def test_a_message_of_which_the_asks_were_not_recorded() -> None:
    assert ignored(wrote("m1")) == {"m1": "unknown"}
    assert ignored(wrote("m1"), as_of="+24h") == {}
    assert ignored(wrote("m1"), replied("r1", "+25h")) == {"m1": "unknown"}
    assert ignored(wrote("m1"), replied("r1", "+1h")) == {"m1": "satisfied"}


def test_a_machine_wants_no_answer_though_it_may_name_an_issue_first() -> None:
    assert ignored(asked("a1", automated=True)) == {}
    mail = wrote("m1", automated=True, asks=[], issue_ids=["i1"])
    later = wrote("m2", "+1h", asks=[], issue_ids=["i1"])
    assert ignored(issue("i1"), mail, later) == {}, "the issue is not new any more"


def test_a_message_of_a_merged_case_is_answered_from_the_other() -> None:
    answered = family(replied(at="+2h"), c2=[asked("a1")], at="+3h")
    assert findings("ignored-message", answered) == {"c2/m-a1": "satisfied"}
    nobody = family(replied(at="-1h"), c2=[asked("a1")], at="+3h")
    assert findings("ignored-message", nobody, as_of="+9d") == {"c2/m-a1": "violated"}
    root, member = answered
    apart = in_one_store(member.plus(unmerged("c1", "+4h")), root)
    assert findings("ignored-message", apart) == {"m-a1": "violated"}


def test_who_had_the_merged_case_then_answers_for_it() -> None:
    waits = [asked("a1"), assigned("bob", "south"), assigned("cy", "west", "+40h")]
    before = family(assigned("anna", "north"), c2=waits, at="+30h")
    assert lapse("ignored-message", before).agent == "bob"
    after = family(assigned("anna", "north"), c2=waits, at="+20h")
    assert lapse("ignored-message", after).team == "north"


def test_the_policy_says_how_soon_and_who_has_the_case_then_answers_for_it() -> None:
    story = case(asked("a1"), assigned("bo", at="+1h"))
    finding = found("ignored-message", story, policy={"reply_within": "2 hours"})["m-a1"]
    assert (finding.at, finding.by_owner) == (moment("+2h"), True)


# --- request-for-contact-missed

LATER: dict[str, Any] = {"asks": [{"ask_id": "a1", "kind": "future_contact"}]}


def missed(*told: Event | Learnt, as_of: str = "+30d") -> dict[str, Outcome]:
    return findings("request-for-contact-missed", case(*told), as_of=as_of)


def test_who_asks_to_hear_from_us_is_promised_it_or_told_no() -> None:
    please = wrote("m1", **LATER)
    assert missed(please) == {"a1": "violated"}
    assert missed(please, as_of="+1d") == {}
    assert missed(please, promised("p1", "+1h", ask_id="a1")) == {"a1": "satisfied"}
    assert missed(please, said_no("n1", "+1h", ask_id="a1")) == {"a1": "satisfied"}
    assert missed(please, promised("p1", "+25h", ask_id="a1")) == {"a1": "violated"}
    assert missed(asked("a1")) == {}, "a question is not a wish to hear from us"
    assert missed(wrote("m1", automated=True, **LATER)) == {}, "a machine does not want to"


def test_a_promise_that_names_no_ask() -> None:
    please = wrote("m1", "+1h", **LATER)
    assert missed(please, promised("p1", "+2h")) == {"a1": "unknown"}
    assert missed(please, said_no("n1", "+2h")) == {"a1": "unknown"}
    asked_and_perhaps = case(please, promised("p1", "+2h"))
    assert shown("request-for-contact-missed", asked_and_perhaps, "a1") == ("unknown", 2, 2, [3])
    assert missed(please, promised("p1", "+2h", kind="refund")) == {"a1": "violated"}
    assert missed(promised("p1"), please) == {"a1": "violated"}, "made before"
    assert missed(please, promised("p1", "+26h")) == {"a1": "violated"}, "too late, whatever"
    named = promised("p2", "+3h", ask_id="a1")
    assert missed(please, promised("p1", "+2h"), named) == {"a1": "satisfied"}


def test_a_wish_to_hear_from_us_is_answered_from_the_case_that_it_was_merged_into() -> None:
    please = [wrote("m1", **LATER)]
    rule = "request-for-contact-missed"
    for answer in (promised("p1", "+2h", ask_id="c2/a1"), said_no("n1", "+2h", ask_id="c2/a1")):
        assert findings(rule, family(answer, c2=please, at="+1h")) == {"c2/a1": "satisfied"}
    assert findings(rule, family(c2=please)) == {"c2/a1": "violated"}


# --- customer-chasing


def chasing(*told: Event | Learnt, **policy: Any) -> dict[str, Outcome]:
    return findings("customer-chasing", case(*told), policy=policy)


def test_a_customer_writes_again_because_nobody_answered() -> None:
    assert chasing(asked("a1"), wrote("m2", "+24h")) == {"case": "satisfied"}
    assert chasing(asked("a1"), wrote("m2", "+25h")) == {"case": "violated"}
    answered = asked("a1"), replied("r1", "+1h"), wrote("m2", "+25h")
    assert chasing(*answered) == {"case": "satisfied"}
    assert chasing(asked("a1"), wrote("m2", "+25h"), chase_after="2 days") == {"case": "satisfied"}
    assert chasing() == {}


def test_the_first_message_that_waits_is_what_counts() -> None:
    story = case(asked("a1"), wrote("m2", "+20h"), wrote("m3", "+30h"), wrote("m4", "+60h"))
    finding = found("customer-chasing", story)["case"]
    assert finding.at == moment("+30h")
    assert finding.event.event_id == str(uid(4))
    assert [each.event_id for each in finding.evidence] == [str(uid(2))]


def test_a_customer_comes_back_too_often() -> None:
    told = [wrote(f"m{n}", f"+{n}h") for n in range(6)]
    assert chasing(*told[:5]) == {"case": "satisfied"}, "five times"
    assert chasing(*told) == {"case": "violated"}
    assert chasing(*told, max_contacts=6) == {"case": "satisfied"}


def test_who_comes_back_too_often_and_runs_after_us_is_judged_at_what_came_first() -> None:
    often = [wrote(f"m{n}", f"+{n}h") for n in range(1, 6)]
    too_often_first = case(asked("a1"), *often, wrote("m9", "+40h"))
    assert found("customer-chasing", too_often_first)["case"].at == moment("+5h")
    late = [wrote(f"m{n}", f"+{n}h") for n in range(40, 44)]
    chased_first = case(asked("a1"), wrote("m9", "+30h"), *late)
    assert found("customer-chasing", chased_first)["case"].at == moment("+30h")


def test_a_machine_chases_nobody() -> None:
    mails = [wrote(f"m{n}", f"+{n}h", automated=True) for n in range(1, 7)]
    assert chasing(*mails) == {}
    assert chasing(asked("a1"), *mails, wrote("m9", "+30h", automated=True)) == {
        "case": "satisfied"
    }


def test_a_customer_chases_in_one_case_what_they_asked_in_the_other() -> None:
    rule = "customer-chasing"
    assert findings(rule, family(wrote("m2", "+25h"), c2=[asked("a1")])) == {"case": "violated"}
    in_time = family(replied(at="+1h"), wrote("m2", "+25h"), c2=[asked("a1")])
    assert findings(rule, in_time) == {"case": "satisfied"}
    often = [wrote(f"m{n}", f"+{n}h") for n in range(3)]
    assert findings(rule, family(*often, c2=often)) == {"case": "violated"}


def test_words_of_thanks_wait_for_no_answer() -> None:
    settled = opened(), issue("i1"), content("+1h", issue_ids=["i1"])
    later = asked("a1", "+9d")
    thanks = wrote("m1", "+2h", asks=[], issue_ids=[])
    assert findings("customer-chasing", given(*settled, thanks, later)) == {"case": "satisfied"}
    perhaps = wrote("m1", "+2h", issue_ids=[])
    assert findings("customer-chasing", given(*settled, perhaps, later)) == {"case": "unknown"}


# --- the stories that taught it

TOLD = {
    "roadshow": {"asked-again": 1},
    "upload-limit": {
        "wrong-question-answered": 5,
        "question-unanswered": 1,
        "asked-again": 1,
        "too-many-hands": 1,
        "customer-chasing": 1,
        "no-call": 1,
    },
    "roaming-bill": {"too-many-hands": 1},
    "no-ushers": {"preference-ignored": 1},
    "free-flight": {},
    "nine-days": {
        "pleasantry-on-unresolved": 2,
        "preference-ignored": 1,
        "customer-chasing": 1,
        "too-many-hands": 1,
    },
}
MODULES = ("contact", "preferences", "questions", "replies")
MINE = [name for name, rule in RULES.items() if rule.judge.__module__.rpartition(".")[2] in MODULES]


def test_the_demo_tells_what_its_stories_tell(tmp_path: Path) -> None:
    assert len(MINE) == 11
    lines = (Path(__file__).parents[3] / "cli" / "stories.ndjson").read_bytes().splitlines()
    url = f"sqlite:///{tmp_path}/demo.db"
    with CaseStore.create(url, key_file=tmp_path / "key") as store:
        assert not import_lines(store, lines).refused
        for name, told in TOLD.items():
            history = store.history(f"case:{name}")
            first = history.effective[0].event
            assert isinstance(first, CaseOpened)
            facts = Facts(CaseHistory(history, store.history(f"customer:{first.customer_id}")))
            violated = Counter(
                rule
                for rule in MINE
                for finding in RULES[rule].judge(facts)
                if finding.outcome == "violated"
            )
            assert violated == told, name
