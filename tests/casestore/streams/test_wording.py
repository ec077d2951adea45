"""Events in words: every class has words, and a placeholder stands for unreadable text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore.events import VOCABULARY, Actor, Ask, Event, Money, Option, Ref, ReplySent
from casestore.events.markers import personal_fields
from casestore.streams.history import Metadata as Said
from casestore.streams.history import Recorded, encode_metadata
from casestore.streams.wording import clock, instant, tell, words
from tests.support import samples
from tests.support.golden import check_golden


def recorded(event: Event, privacy: Any = None, personal: tuple[str, ...] = ()) -> Recorded:
    metadata = encode_metadata(Said(personal=personal))
    return Recorded(event, "case:c1", 1, 1, "", "k1", 0, metadata, None, privacy)


def told(event: Event, **more: Any) -> str:
    return tell(recorded(event), **more)


def test_every_event_can_be_told() -> None:
    lines = []
    for cls in VOCABULARY:
        lines.append(cls.__name__)
        for event in (samples.full(cls), samples.least(cls)):
            text = told(event)
            lines.append(f"  {text}")
            assert not re.search(r"[{}\[\]]|None|  |,,| ,|^ | $", text), text
    check_golden("telling.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("cls", VOCABULARY)
def test_every_event_tells_its_personal_text(cls: type[Event]) -> None:
    event = samples.full(cls)
    for name in personal_fields(cls):
        assert f"“{getattr(event, name)}”" in told(event), name


@pytest.mark.parametrize("cls", [cls for cls in VOCABULARY if personal_fields(cls)])
@pytest.mark.parametrize("privacy", ["withheld", "erased"])
def test_what_cannot_be_read_says_so_in_its_place(cls: type[Event], privacy: str) -> None:
    event = samples.least(cls)
    names = personal_fields(cls)
    text = tell(recorded(event, privacy, names))
    assert text.count(f"[{privacy}]") == len(names)
    assert f"[{privacy}]" not in tell(recorded(event, privacy, ()))


def replied(**more: Any) -> ReplySent:
    anna = Actor(kind="agent", id="anna")
    return ReplySent(occurred_at=samples.AT, actor=anna, reply_id="r1", channel="email", **more)


def test_a_part_is_left_out_when_there_is_nothing_to_say() -> None:
    assert told(replied()) == "sent reply r1 by email"
    assert told(replied(answers=[])) == "sent reply r1 by email"
    assert told(replied(answers=["a1", "a2"])) == "sent reply r1 by email, answering a1, a2"


def test_a_flag_has_two_words_and_silence() -> None:
    assert told(replied(automated=True)) == "sent an automated reply r1 by email"
    assert "pleasantry" in told(replied(closing_pleasantry=True))
    assert "pleasantry" not in told(replied(closing_pleasantry=False))


def test_codes_are_words_and_ids_stay_as_they_are() -> None:
    event = replied(purpose="final_response", addresses=["late_parcel"])
    assert told(event) == "sent reply r1 by email, final response, on late_parcel"


def test_a_field_can_be_told_otherwise() -> None:
    assert told(replied(), reply_id="of yesterday") == "sent reply of yesterday by email"


def test_values_in_words() -> None:
    usd = Money(amount=Decimal("25.00"), currency="USD")
    assert words(usd) == "25.00 USD"
    assert words(Ref(kind="reply", id="r1")) == "reply r1"
    assert words(Actor(kind="third_party", id="courier")) == "third party courier"
    assert words(Ask(ask_id="a1", kind="future_contact")) == "a1 (future contact)"
    assert words(Option(option_id="o1", kind="refund", value=usd)) == "o1 refund 25.00 USD"
    assert words((True, None, 3)) == "yes, , 3"
    change = {
        "due_at": {"from": "a", "to": "b"},
        "value": {"to": {"amount": "1", "currency": "EUR"}},
    }
    assert words(change) == "due_at: a → b, value: nothing → 1 EUR"


def test_times_in_words() -> None:
    moment = datetime(2026, 3, 2, 17, 0, 0, 999, tzinfo=UTC)
    assert instant(moment) == "2026-03-02 17:00 UTC"
    assert instant(moment.replace(second=7)) == "2026-03-02 17:00:07 UTC"
    assert instant(moment, ZoneInfo("Asia/Kolkata")) == "2026-03-02 22:30 +05:30"
    assert instant(moment, ZoneInfo("Europe/London")) == "2026-03-02 17:00 UTC"
    assert clock(moment, timezone(timedelta(hours=-5))) == "2026-03-02 12:00"
    assert instant(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01 00:00 UTC"


def test_a_time_that_a_zone_does_not_have_is_told_in_utc() -> None:
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    tokyo = ZoneInfo("Asia/Tokyo")
    assert instant(never, tokyo) == clock(never, tokyo) == "9999-12-31 23:59:59 UTC"
    assert clock(never, ZoneInfo("America/New_York")) == "9999-12-31 18:59:59"
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert clock(first, ZoneInfo("America/New_York")) == "0001-01-01 00:00 UTC"
