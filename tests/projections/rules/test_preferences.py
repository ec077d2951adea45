"""Lessons about reaching customers in the way that they prefer, as stories."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from casestore.events import Event
from projections.models.lapses import Outcome
from tests.support.lapses import family, findings, found, in_one_store
from tests.support.stories import (
    Learnt,
    Story,
    bounced,
    given,
    given_customer,
    learnt,
    merged,
    moment,
    no_longer_prefers,
    opened,
    prefers,
    registered,
    replied,
    wrote,
)


def case(*told: Event | Learnt) -> Story:
    return given(opened(), *told)


def customer(*told: Event | Learnt) -> Story:
    return given_customer(registered("-9d"), *told)


# --- preference-ignored


def preferred(*stated: Event, replies: tuple[Event, ...]) -> dict[str, Outcome]:
    return findings("preference-ignored", case(*replies), customer(*stated))


def test_a_reply_comes_on_the_channel_that_the_customer_named() -> None:
    by_phone = prefers("channel", "phone", "-1d")
    assert preferred(by_phone, replies=(replied("r1"),)) == {"r1": "violated"}
    assert preferred(by_phone, replies=(replied("r1", channel="phone"),)) == {"r1": "satisfied"}
    assert preferred(replies=(replied("r1"),)) == {}
    assert findings("preference-ignored", case(replied("r1"))) == {}, "no customer's history"


def test_the_preference_in_force_judges() -> None:
    stated = prefers("channel", "phone", "-1d"), no_longer_prefers("channel", "+2h")
    mails = tuple(replied(f"r{n}", f"+{n}h") for n in (1, 3, 5))
    first, then = {"r1": "violated"}, prefers("channel", "email", "+4h")
    assert preferred(*stated, replies=mails) == first
    assert preferred(*stated, then, replies=mails) == {**first, "r5": "satisfied"}
    too_late = learnt("+9h", prefers("channel", "phone", "+4h"))
    story = findings("preference-ignored", case(*mails), customer(too_late))
    assert story == {"r5": "violated"}, "what was on record late was said before"


@pytest.mark.parametrize(
    ("wanted", "written", "outcome"),
    [
        ("fr", "fr", "satisfied"),
        ("fr", "fr-CA", "satisfied"),
        ("en-GB", "en-us", "satisfied"),
        ("fr", "en", "violated"),
        ("zh-Hant", "zh-Hans", "violated"),
        ("fr", None, "unknown"),
    ],
)
def test_a_reply_is_written_in_the_customers_language(
    wanted: str, written: str | None, outcome: Outcome
) -> None:
    reply = replied("r1", language=written)
    assert preferred(prefers("language", wanted, "-1d"), replies=(reply,)) == {"r1": outcome}


AT_NIGHT = prefers("contact_hours", "17:30-21:00", "-1d")
IN_DUBLIN = prefers("timezone", "Europe/Dublin", "-1d")


@pytest.mark.parametrize(
    ("at", "hours", "outcome"),
    [
        ("+8h", "17:30-21:00", "violated"),  # 17:00 in Dublin in winter
        ("+9h", "17:30-21:00", "satisfied"),
        ("+12h", "17:30-21:00", "satisfied"),
        ("+13h", "17:30-21:00", "violated"),
        ("+14h", "22:00-06:00", "satisfied"),  # over midnight
        ("+20h", "22:00-06:00", "satisfied"),
        ("+21h", "22:00-06:00", "satisfied"),  # until six, six included
        ("+22h", "22:00-06:00", "violated"),
        ("+9h", "06:00-06:00", "satisfied"),  # around the clock
    ],
)
def test_a_customer_is_rung_at_the_hours_that_they_named(
    at: str, hours: str, outcome: Outcome
) -> None:
    call = replied("r1", at, channel="phone")
    stated = prefers("contact_hours", hours, "-1d"), IN_DUBLIN
    assert preferred(*stated, replies=(call,)) == {"r1": outcome}


def test_hours_are_nothing_without_a_time_zone_and_nothing_to_a_letter() -> None:
    call = replied("r1", channel="phone")
    assert preferred(AT_NIGHT, replies=(call,)) == {"r1": "unknown"}
    assert preferred(AT_NIGHT, IN_DUBLIN, replies=(replied("r1", channel="letter"),)) == {}
    wrong_channel = prefers("channel", "letter", "-1d")
    assert preferred(AT_NIGHT, wrong_channel, replies=(call,)) == {"r1": "violated"}
    year_1 = datetime(1, 1, 1, tzinfo=UTC)  # in Lima it is the year 0, which does not exist
    hours = prefers("contact_hours", "09:00-17:00", year_1)
    in_lima = prefers("timezone", "America/Lima", year_1)
    story = given(opened(year_1), replied("r1", year_1, channel="phone"))
    known = given_customer(registered(year_1), hours, in_lima)
    assert findings("preference-ignored", story, known) == {"r1": "unknown"}


def test_who_rings_us_has_chosen_the_channel_and_the_hour() -> None:
    stated = AT_NIGHT, IN_DUBLIN, prefers("channel", "email", "-1d")
    rang = wrote("m1", channel="phone")
    during = replied("r1", "+20m", channel="phone")
    assert preferred(*stated, replies=(rang, during)) == {"r1": "satisfied"}
    after = replied("r1", "+2h", channel="phone")
    assert preferred(*stated, replies=(rang, after)) == {"r1": "violated"}
    in_german = prefers("language", "de", "-1d")
    spoke = replied("r1", "+20m", channel="phone", language="en")
    assert preferred(*stated, in_german, replies=(rang, spoke)) == {"r1": "violated"}


def test_a_machine_that_rings_has_chosen_nothing() -> None:
    stated = prefers("channel", "email", "-1d")
    robot = wrote("m1", channel="phone", automated=True)
    assert preferred(stated, replies=(robot, replied("r1", "+20m", channel="phone"))) == {
        "r1": "violated"
    }


def test_a_call_goes_on_in_the_case_that_it_was_merged_into() -> None:
    rule, stated = "preference-ignored", customer(prefers("channel", "email", "-1d"))
    rang = [wrote("m1", channel="phone")]
    during = replied("r1", "+20m", channel="phone")
    assert findings(rule, family(during, c2=rang), stated) == {"r1": "satisfied"}
    assert findings(rule, family(c2=[during]), stated) == {"c2/r1": "violated"}


# --- no-call


def rounds(count: int, **more: Any) -> list[Event]:
    return [
        each
        for n in range(1, count + 1)
        for each in (wrote(f"m{n}", f"+{n}h"), replied(f"r{n}", f"+{n}h", **more))
    ]


def uncalled(*told: Event, known: Story | None = None, **policy: Any) -> dict[str, Outcome]:
    return findings("no-call", case(*told), known, policy=policy)


def test_after_some_letters_somebody_picks_up_the_phone() -> None:
    assert uncalled(*rounds(2)) == {}
    assert uncalled(*rounds(3)) == {"case": "violated"}
    assert uncalled(*rounds(3), written_rounds=4) == {}
    finding = found("no-call", case(*rounds(4)))["case"]
    assert finding.at == moment("+3h")
    assert finding.event is not None
    assert finding.event.event.reply_id == "r3", "who wrote it should have rung"
    rang = replied("r9", "+90m", channel="phone")
    assert uncalled(*rounds(1), rang, *rounds(3)[2:]) == {"case": "satisfied"}
    assert uncalled(*rounds(3), replied("r9", "+4h", channel="phone")) == {"case": "violated"}


def test_what_is_a_round_and_what_a_call() -> None:
    monologue = wrote("m1"), *(replied(f"r{n}", f"+{n}h") for n in range(5))
    assert uncalled(*monologue) == {}
    assert uncalled(*rounds(3, automated=True)) == {}
    nobody_there = replied("r9", channel="phone"), bounced("r9", "+5m", kind="no_answer")
    assert uncalled(*nobody_there, *rounds(3)) == {"case": "violated"}
    by_phone = given(opened(channel="phone"), *rounds(3))
    assert findings("no-call", by_phone) == {"case": "satisfied"}


def test_who_wants_it_in_writing_is_not_rung() -> None:
    assert uncalled(*rounds(3), known=customer(prefers("channel", "letter", "-1d"))) == {
        "case": "exempt"
    }
    assert uncalled(*rounds(3), known=customer(prefers("channel", "phone", "-1d"))) == {
        "case": "violated"
    }
    assert uncalled(*rounds(3), known=customer(prefers("language", "fr", "-1d"))) == {
        "case": "violated"
    }


def test_a_machines_mail_begins_no_round_and_is_no_call() -> None:
    mails = [wrote(f"m{n}", f"+{n}h", automated=True) for n in range(3)]
    assert uncalled(*mails, *(replied(f"r{n}", f"+{n}h") for n in range(3))) == {}
    robot = wrote("m9", channel="phone", automated=True)
    assert uncalled(robot, *rounds(3)) == {"case": "violated"}


def test_rounds_and_calls_count_over_merged_cases() -> None:
    one, two = rounds(1), [wrote("m1", "+5h"), replied("r1", "+5h"), wrote("m2", "+6h")]
    end = replied("r2", "+7h")
    assert findings("no-call", family(*one, end, c2=two)) == {"case": "violated"}
    rang = replied("r9", "+6h", channel="phone")
    assert findings("no-call", family(*one, end, c2=[*two, rang])) == {"case": "satisfied"}
    by_phone = given(opened("+4h", channel="phone"), *two, merged("c1"), stream="case:c2")
    called = in_one_store(given(opened(), *one, end), by_phone)
    assert findings("no-call", called) == {"case": "satisfied"}
    too_late = given(opened("+8h", channel="phone"), merged("c1", "+8h"), stream="case:c2")
    root = given(opened(), *rounds(3))
    assert findings("no-call", in_one_store(root, too_late)) == {"case": "violated"}
