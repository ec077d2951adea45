"""Lessons about promises, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Event
from tests.support.lapses import family, findings, found, lapse
from tests.support.stories import (
    Learnt,
    bounced,
    closed,
    given,
    kept,
    kept_by_reply,
    learnt,
    moment,
    moved,
    opened,
    promised,
    reclaimed,
    ref,
    released,
    remedied,
    reopened,
    replied,
    withdrew,
)


def told(rule: str, *events: Event | Learnt, **more: Any) -> dict[str, Any]:
    return dict(findings(rule, given(opened(), *events), **more))


# --- promise-beyond-capability


def test_promise_what_is_known_to_be_possible() -> None:
    rule = "promise-beyond-capability"
    assert told(rule, promised(capability="unconfirmed")) == {"p1": "violated"}
    assert told(rule, promised(capability="confirmed")) == {"p1": "satisfied"}
    assert told(rule, promised()) == {"p1": "unknown"}
    assert told(rule) == {}


def test_a_promise_of_a_merged_case_is_judged_once_and_under_the_root() -> None:
    row = lapse("promise-beyond-capability", family(c2=[promised(capability="unconfirmed")]))
    assert (row.case_id, row.subject, row.outcome) == ("c1", "c2/p1", "violated")


# --- promise-broken


def broken(*events: Event | Learnt, due: str | None = "+2h") -> tuple[Any, ...]:
    """The outcome for a promise, its time, and whether it holds only because time passed."""
    judged = found("promise-broken", given(opened(), promised(due=due), *events)).get("p1")
    if judged is None:
        return ()
    return judged.outcome, judged.at, judged.due_at is not None


def test_a_promise_is_kept_in_time() -> None:
    assert broken(kept(at="+2h")) == ("satisfied", moment("+2h"), False)
    assert broken(kept(at="+3h")) == ("violated", moment("+2h"), False)
    assert broken() == ("violated", moment("+2h"), True)
    assert told("promise-broken", promised(due="+2h"), as_of="+2h") == {}
    assert told("promise-broken", promised(due="+2h"), as_of="+3h") == {"p1": "violated"}
    assert told("promise-broken") == {}


def test_a_promise_without_a_time_is_broken_only_by_going_back_on_it() -> None:
    assert broken(due=None) == ()
    assert broken(kept(at="+9d"), due=None) == ("satisfied", moment("+9d"), False)
    assert broken(withdrew(at="+1h"), due=None) == ("violated", moment("+1h"), False)


def test_going_back_on_a_promise_breaks_it_at_once_or_when_it_was_due() -> None:
    assert broken(withdrew(at="+1h")) == ("violated", moment("+1h"), False)
    assert broken(withdrew(at="+9h")) == ("violated", moment("+2h"), False)


def test_the_customer_may_let_us_off_before_it_is_due() -> None:
    assert broken(released(at="+1h")) == ("exempt", moment("+1h"), False)
    assert broken(released(at="+2h")) == ("exempt", moment("+2h"), False)
    assert broken(released(at="+3h")) == ("violated", moment("+2h"), True)


def test_a_new_time_counts_if_agreed_before_the_old_one() -> None:
    assert broken(moved(at="+1h", due="+9h"), kept(at="+8h"))[0] == "satisfied"
    refused = moved(at="+1h", due="+9h", agreed_by_customer=False)
    assert broken(refused, kept(at="+8h")) == ("violated", moment("+2h"), False)
    assert broken(moved(at="+3h", due="+9h"), kept(at="+8h"))[0] == "violated"


def test_a_reply_that_did_not_arrive_keeps_nothing() -> None:
    lost = (replied(at="+1h"), kept_by_reply(at="+1h"), bounced(at="+1h"))
    assert broken(*lost) == ("violated", moment("+2h"), True)
    again = replied("r2", at="+90m", resend_of="r1")
    assert broken(*lost, again) == ("satisfied", moment("+90m"), False)


def test_how_a_promise_ended_is_shown() -> None:
    story = given(opened(), promised(due="+2h"), moved(at="+1h", due="+9h"), kept(at="+8h"))
    (judged,) = found("promise-broken", story).values()
    assert [type(each.event).__name__ for each in judged.evidence] == [
        "PromiseRenegotiated",
        "PromiseKept",
    ]


def test_a_promise_is_kept_from_the_case_that_it_was_merged_into() -> None:
    rule, made = "promise-broken", [promised(due="+5h")]
    assert findings(rule, family(c2=made)) == {"c2/p1": "violated"}
    for done in (kept("c2/p1", at="+3h"), kept_by_reply("r1", "c2/p1", at="+3h")):
        told = family(replied(at="+2h"), done, c2=made, at="+1h")
        assert findings(rule, told) == {"c2/p1": "satisfied"}
    later = moved("c2/p1", at="+3h", due="+9h")
    told = family(later, kept("c2/p1", at="+8h"), c2=made, at="+1h")
    assert findings(rule, told) == {"c2/p1": "satisfied"}
    other = family(promised(due="+5h"), kept(at="+3h"), c2=made)
    assert findings(rule, other) == {"p1": "satisfied", "c2/p1": "violated"}


def test_a_promise_kept_by_a_remedy_stays_kept_when_that_is_taken_back() -> None:
    by = ref("remedy", "e1")
    refund = (remedied(at="+1h"), kept(at="+1h", by=by), reclaimed(at="+2h"))
    assert broken(*refund)[0] == "satisfied"
    assert told("promise-open-at-close", promised(), *refund, closed(at="+3h")) == {
        "p1": "satisfied"
    }


# --- promise-open-at-close


def test_a_case_is_closed_after_its_promises_were_kept() -> None:
    rule = "promise-open-at-close"
    for end in (kept, released, withdrew):
        assert told(rule, promised(), end(at="+1h"), closed(at="+2h")) == {"p1": "satisfied"}
        assert told(rule, promised(), closed(at="+1h"), end(at="+2h")) == {"p1": "violated"}
        in_time = learnt("+9h", end(at="+1h"))
        assert told(rule, promised(), closed(at="+2h"), in_time) == {"p1": "satisfied"}
    assert told(rule, promised(due="+1h"), closed(at="+2h")) == {"p1": "violated"}


def test_for_whatever_reason_it_is_closed() -> None:
    for reason in ("final_response", "withdrawn", "no_contact", "duplicate", "not_a_complaint"):
        closing = closed(at="+1h", reason=reason)
        assert told("promise-open-at-close", promised(), closing) == {"p1": "violated"}


def test_reopening_does_not_mend_it_and_what_is_promised_later_is_not_judged() -> None:
    rule = "promise-open-at-close"
    mended = (closed(at="+1h"), reopened(at="+2h"), kept(at="+3h"), closed(at="+4h"))
    assert told(rule, promised(), *mended) == {"p1": "violated"}
    assert told(rule, closed(), promised(at="+1h")) == {}
    assert told(rule, promised()) == {}


def test_only_the_closing_of_cases_that_were_one_counts() -> None:
    rule, made = "promise-open-at-close", [promised()]
    assert findings(rule, family(closed("+3h"), c2=made, at="+2h")) == {"c2/p1": "violated"}
    assert findings(rule, family(closed("+1h"), c2=made, at="+2h")) == {}
    assert findings(rule, family(c2=[*made, closed("+1h")], at="+2h")) == {"c2/p1": "violated"}
    assert findings(rule, family(c2=[*made, closed("+3h")], at="+2h")) == {}
    done = kept("c2/p1", at="+3h")
    assert findings(rule, family(done, closed("+4h"), c2=made, at="+2h")) == {"c2/p1": "satisfied"}
