"""The policy document: what is left out, what is refused and in which words, what is stored."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from casestore.events.markers import fields_of
from casestore.events.policy_document import (
    BUILT_IN,
    DAYS,
    Calendar,
    Conduct,
    Role,
    read_document,
    span,
)
from casestore.policy.working_time import due
from casestore.streams.policies import Policies, evolve
from tests.support.stories import START, adopted

law = settings(max_examples=200, derandomize=True, database=None, deadline=None)


def stored(policy: dict[str, Any]) -> dict[str, Any]:
    """A document as an adoption of it is stored."""
    return dict(adopted(policy=policy).policy)


def refusal(policy: Any) -> str:
    """What is said of a document that is none."""
    with pytest.raises(ValidationError) as caught:
        adopted(policy=policy)
    (error,) = caught.value.errors()
    message = str(error["msg"])
    assert "\n" not in message
    return message


# --- what is left out


def test_an_empty_document_is_what_holds_where_none_was_adopted() -> None:
    assert stored({}) == {}
    assert read_document({}) == BUILT_IN
    assert BUILT_IN.calendar.timezone == "UTC"
    assert BUILT_IN.calendar.hours == dict.fromkeys(DAYS[:5], ("09:00-17:00",))
    assert BUILT_IN.roles == {}
    assert BUILT_IN.goodwill.enforcement == "report"
    assert (BUILT_IN.conduct.gesture_within, BUILT_IN.conduct.max_ratio) == ("48 hours", 0.5)


def test_what_is_left_out_of_a_section_has_its_built_in_value() -> None:
    document = read_document({"conduct": {"max_agents": 2}, "roles": {"lead": {}}})
    assert document.conduct == Conduct(max_agents=2)
    assert document.roles == {"lead": Role()}
    assert document.goodwill == BUILT_IN.goodwill


# --- what is stored

WHOLE = {
    "calendar": {
        "timezone": "Europe/Dublin",
        "hours": {"mon": ["09:00-12:30", "13:00-24:00"], "tue": []},
        "holidays": {"2026-12-25": "Christmas"},
    },
    "conduct": {"reply_within": "4 business hours", "max_ratio": 0.25, "needs_operations": ["a"]},
    "roles": {
        "lead": {
            "final_say": True,
            "gestures_per_year": 2,
            "limits": {"EUR": {"per_gesture": "25.00", "per_year": "100"}, "USD": {}},
        },
        "agent": {},
    },
    "goodwill": {"enforcement": "refuse", "gestures_per_year": 1, "per_year": {"EUR": "50"}},
}


def test_only_what_was_given_is_stored() -> None:
    assert stored(WHOLE) == WHOLE


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_each_section_alone_too(name: str) -> None:
    section = {name: WHOLE[name]}
    assert stored(section) == section
    assert stored({name: {}}) == {name: {}}


def test_what_is_stored_is_plain_json_and_reads_back_equal() -> None:
    given_ = {"roles": {"lead": {"limits": {"EUR": {"per_case": 30, "per_year": Decimal("1E+2")}}}}}
    kept = stored(given_)
    assert kept["roles"]["lead"]["limits"]["EUR"] == {"per_case": "30", "per_year": "1E+2"}
    again = msgspec.json.decode(msgspec.json.encode(kept))
    assert read_document(again) == read_document(given_)
    assert stored(again) == kept


def test_what_is_said_to_be_unset_is_left_out() -> None:
    assert stored({"roles": {"lead": {"gestures_per_year": None}}}) == {"roles": {"lead": {}}}


def test_a_document_may_hold_values_that_were_made_before() -> None:
    calendar = stored({"calendar": Calendar(timezone="Europe/Dublin")})["calendar"]
    assert read_document({"calendar": calendar}).calendar.timezone == "Europe/Dublin"
    conduct = stored({"conduct": Conduct(max_agents=2)})["conduct"]
    assert read_document({"conduct": conduct}).conduct == Conduct(max_agents=2)


# --- what is refused


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"colour": "red"}, "colour: Unexpected keyword argument"),
        ({"conduct": {"replies": 1}}, "conduct.replies: Unexpected keyword argument"),
        ({"conduct": None}, "conduct: Input should be a dictionary"),
        ({"roles": {"lead": None}}, "roles.lead: Input should be a dictionary"),
        ({"roles": {"lead": {"limit": {}}}}, "roles.lead.limit: Unexpected keyword argument"),
        ({"roles": {"": {}}}, "roles..[key]: String should have at least 1 character"),
        ({"roles": {"a\nb": {}}}, r"roles.'a\nb'.[key]: "),
        ({"con\nduct": {}}, r"'con\nduct': Unexpected keyword argument"),
        ({"conduct": {"reply_within": 24}}, "conduct.reply_within: Input should be a valid str"),
        ({"conduct": {"reply_within": "soon"}}, "conduct.reply_within: write it like '24 hours'"),
        ({"conduct": {"reply_within": "-1 days"}}, "conduct.reply_within: write it like"),
        ({"conduct": {"reply_within": "٤ days"}}, "conduct.reply_within: write it like"),
        ({"conduct": {"reply_within": "1 day\n"}}, "conduct.reply_within: write it like"),
        (
            {"conduct": {"reply_within": "1.5 business days"}},
            "conduct.reply_within: working days are whole; write hours",
        ),
        ({"conduct": {"max_agents": -1}}, "conduct.max_agents: Input should be greater than or"),
        ({"conduct": {"max_agents": 10**30}}, "conduct.max_agents: Input should be less than"),
        ({"conduct": {"max_agents": True}}, "conduct.max_agents: Input should be a valid integer"),
        ({"conduct": {"max_agents": "3"}}, "conduct.max_agents: Input should be a valid integer"),
        ({"conduct": {"max_agents": 1.5}}, "conduct.max_agents: Input should be a valid integer"),
        ({"conduct": {"max_ratio": "half"}}, "conduct.max_ratio: Input should be a valid number"),
        ({"conduct": {"max_ratio": True}}, "conduct.max_ratio: Input should be a valid number"),
        ({"conduct": {"max_ratio": -0.1}}, "conduct.max_ratio: Input should be greater than"),
        ({"conduct": {"max_ratio": float("nan")}}, "conduct.max_ratio: Input should be "),
        ({"conduct": {"max_ratio": float("inf")}}, "conduct.max_ratio: Input should be a finite"),
        ({"conduct": {"max_ratio": 10**400}}, "conduct.max_ratio: Input should be "),
        ({"conduct": {"min_group": 1}}, "conduct.min_group: Input should be greater than or"),
        ({"conduct": {"needs_operations": "venue"}}, "conduct.needs_operations: Input should be"),
        ({"conduct": {"needs_operations": [""]}}, "conduct.needs_operations.0: String should"),
        ({"calendar": {"timezone": "Mars"}}, "calendar.timezone: is not a time zone; write one"),
        ({"calendar": {"timezone": "Europe"}}, "calendar.timezone: is not a time zone"),
        ({"calendar": {"timezone": "../etc"}}, "calendar.timezone: is not a time zone"),
        ({"calendar": {"timezone": "localtime"}}, "calendar.timezone: is not a time zone"),
        ({"calendar": {"timezone": "posixrules"}}, "calendar.timezone: is not a time zone"),
        ({"calendar": {"timezone": ""}}, "calendar.timezone: is not a time zone"),
        ({"calendar": {"hours": {}}}, "calendar.hours: has no working hours on any day"),
        ({"calendar": {"hours": {"mon": []}}}, "calendar.hours: has no working hours on any day"),
        ({"calendar": {"hours": {"Monday": ["09:00-17:00"]}}}, "calendar.hours.Monday.[key]: "),
        ({"calendar": {"hours": {"mon": "09:00-17:00"}}}, "calendar.hours.mon: Input should be"),
        ({"calendar": {"hours": {"mon": ["9-17"]}}}, "calendar.hours.mon.0: are not hours; write"),
        ({"calendar": {"hours": {"mon": ["25:00-26:00"]}}}, "calendar.hours.mon.0: are not hours"),
        ({"calendar": {"hours": {"mon": ["0٩:00-17:00"]}}}, "calendar.hours.mon.0: are not hours"),
        ({"calendar": {"hours": {"mon": ["17:00-09:00"]}}}, "calendar.hours.mon.0: must end after"),
        ({"calendar": {"hours": {"mon": ["09:00-09:00"]}}}, "calendar.hours.mon.0: must end after"),
        (
            {"calendar": {"hours": {"mon": ["09:00-12:00", "11:00-17:00"]}}},
            "calendar.hours: mon: hours must follow one another",
        ),
        (
            {"calendar": {"hours": {"mon": ["13:00-17:00", "09:00-12:00"]}}},
            "calendar.hours: mon: hours must follow one another",
        ),
        ({"calendar": {"holidays": {"25.12.": "x"}}}, "calendar.holidays.25.12..[key]: is not a"),
        ({"calendar": {"holidays": {"20261225": "x"}}}, "calendar.holidays.20261225.[key]: is not"),
        ({"calendar": {"holidays": {"2026-02-30": "x"}}}, "is not a date; write it like"),
        ({"calendar": {"holidays": ["2026-12-25"]}}, "calendar.holidays: Input should be a valid"),
        ({"roles": {"lead": {"final_say": "yes"}}}, "roles.lead.final_say: Input should be a"),
        ({"roles": {"lead": {"gestures_per_year": -1}}}, "roles.lead.gestures_per_year: Input"),
        ({"roles": {"lead": {"limits": {"eur": {}}}}}, "roles.lead.limits.eur.[key]: String"),
        ({"roles": {"lead": {"limits": {"ZZZ": {}}}}}, "roles.lead.limits.ZZZ: is no currency;"),
        ({"goodwill": {"per_year": {"EUT": "5"}}}, "goodwill.per_year.EUT: is no currency; write"),
        (
            {"roles": {"lead": {"limits": {"EUR": {"per_gesture": "-1"}}}}},
            "roles.lead.limits.EUR.per_gesture: Input should be greater than or equal to 0",
        ),
        (
            {"roles": {"lead": {"limits": {"EUR": {"per_case": "1.123456789"}}}}},
            "roles.lead.limits.EUR.per_case: Decimal input should have no more than 8 decimal",
        ),
        (
            {"roles": {"lead": {"limits": {"EUR": {"per_year": "Infinity"}}}}},
            "roles.lead.limits.EUR.per_year: Input should be a finite number",
        ),
        (
            {"roles": {"lead": {"limits": {"EUR": {"per_year": True}}}}},
            "roles.lead.limits.EUR.per_year: Decimal input should be",
        ),
        ({"goodwill": {"enforcement": "forbid"}}, "goodwill.enforcement: Input should be 'report'"),
        ({"goodwill": {"per_year": {"EUR": "much"}}}, "goodwill.per_year.EUR: Input should be a"),
        ({"goodwill": {"per_year": 50}}, "goodwill.per_year: Input should be a valid dictionary"),
        ([], "Input should be a valid dictionary"),
        (None, "Input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(policy: Any, told: str) -> None:
    assert told in refusal(policy)


def test_of_several_errors_the_first_is_told() -> None:
    assert refusal({"conduct": {"max_agents": -1, "max_contacts": -1}}).startswith(
        "conduct.max_agents"
    )


# --- lengths of time


@pytest.mark.parametrize(
    ("text", "amount", "business", "days"),
    [
        ("24 hours", timedelta(hours=24), False, None),
        ("1 hour", timedelta(hours=1), False, None),
        ("24h", timedelta(hours=24), False, None),
        ("90 minutes", timedelta(minutes=90), False, None),
        ("90m", timedelta(minutes=90), False, None),
        ("5 days", timedelta(days=5), False, 5),
        ("5d", timedelta(days=5), False, 5),
        ("1.5 days", timedelta(hours=36), False, None),
        ("0.25 hours", timedelta(minutes=15), False, None),
        ("2 business days", timedelta(days=2), True, 2),
        ("2 days business", timedelta(days=2), True, 2),
        ("2d business", timedelta(days=2), True, 2),
        ("12 business hours", timedelta(hours=12), True, None),
        ("12h business", timedelta(hours=12), True, None),
        ("0 hours", timedelta(0), False, None),
    ],
)
def test_a_length_of_time_can_be_written_in_several_ways(
    text: str, amount: timedelta, business: bool, days: int | None
) -> None:
    assert span(text) == (amount, business, days)


@pytest.mark.parametrize(
    "text",
    [
        *("", "24", "hours", "1 week", "1 hour 30 minutes", "1,5 hours", "1e3 hours", "1 DAY"),
        *("100000 days", "1.234 hours", " 1 hour", "1 hour ", "business 1 day", "1  day"),
        *("1.2.3 hours", "1.2.3 days business", "1. hours"),
    ],
)
def test_what_is_no_length_of_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="write it like '24 hours'"):
        span(text)


# --- whatever is accepted can be read, and judged by

within = st.builds(
    lambda number, kind, unit: f"{number} {kind}{unit}",
    st.integers(0, 99_999),
    st.sampled_from(["", "business "]),
    st.sampled_from(["minutes", "hours", "days"]),
)
amounts = st.decimals(0, 10**15, places=8, allow_nan=False) | st.integers(0, 10**15)
counts = st.integers(0, 10**6)
codes = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=10)
currencies = st.sampled_from(["EUR", "USD", "JPY"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


limits = st.dictionaries(
    currencies,
    some(
        per_gesture=amounts | st.none(),
        per_case=amounts | st.none(),
        per_year=amounts | st.none(),
    ),
)
hours = st.sampled_from(["00:00-24:00", "09:00-12:00", "09:00-17:30", "12:00-13:00", "23:59-24:00"])
days = st.dates().map(lambda day: day.isoformat())
documents = some(
    calendar=some(
        timezone=st.sampled_from(["UTC", "Europe/Dublin", "Pacific/Apia", "Asia/Kathmandu"]),
        hours=st.dictionaries(
            st.sampled_from(DAYS), st.lists(hours, min_size=1, max_size=1), min_size=1
        ),
        holidays=st.dictionaries(days, st.text(max_size=5), max_size=5),
    ),
    conduct=some(
        reply_within=within,
        gesture_within=within,
        max_agents=counts,
        min_group=st.integers(2, 9),
        max_ratio=st.floats(0, allow_nan=False, allow_infinity=False) | st.integers(0, 10),
        needs_operations=st.lists(codes, max_size=3),
    ),
    roles=st.dictionaries(
        codes,
        some(final_say=st.booleans(), gestures_per_year=counts | st.none(), limits=limits),
        max_size=3,
    ),
    goodwill=some(
        enforcement=st.sampled_from(["report", "refuse"]),
        gestures_per_year=counts | st.none(),
        per_year=st.dictionaries(currencies, amounts),
    ),
)


@law
@given(documents)
def test_what_is_stored_reads_back_as_what_was_given(policy: dict[str, Any]) -> None:
    event = adopted(policy=policy)
    assert read_document(event.policy) == read_document(policy)
    assert stored(event.policy) == event.policy
    assert msgspec.json.decode(msgspec.json.encode(event.policy)) == event.policy
    assert set(event.policy) == set(policy)


@law
@given(documents)
def test_whatever_structure_accepts_can_be_judged_by(policy: dict[str, Any]) -> None:
    policies = evolve(Policies(), adopted(policy=policy, effective="+0h"))
    document = policies.at(START)
    for length in (document.conduct.reply_within, document.conduct.gesture_within):
        assert due(START, length, document.calendar) >= START


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = {
    name: list(fields_of(section))
    for name, section in (("calendar", Calendar), ("conduct", Conduct), ("roles", Role))
}


@st.composite
def wrong_somewhere(draw: st.DrawFn) -> dict[str, Any]:
    """A document with any JSON at all in one place."""
    policy = draw(documents)
    section = draw(st.sampled_from([*FIELDS, "goodwill"]))
    place = policy.setdefault(section, {})
    if section == "roles":
        place = place.setdefault("lead", {})
    name = draw(st.sampled_from(FIELDS.get(section, ["per_year"])) | st.text(max_size=5))
    place[name] = draw(json)
    return policy


@law
@given(wrong_somewhere())
def test_anything_is_accepted_and_can_be_read_or_is_refused_in_one_line(
    policy: dict[str, Any],
) -> None:
    try:
        event = adopted(policy=policy)
    except ValidationError as error:
        (told,) = error.errors()
        assert told["msg"].isprintable()
        assert ": " in told["msg"]
    else:
        evolve(Policies(), event)
        assert stored(event.policy) == event.policy
