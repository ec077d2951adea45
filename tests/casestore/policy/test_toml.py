"""A policy as people write it: every mistake is named, and what is read is what is adopted."""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, PolicyAdopted
from casestore.errors import InvalidPolicy
from casestore.events.policy_document import BUILT_IN, read_document
from casestore.policy.toml import PolicyFile, read_policy
from tests.support.stories import ANNA

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NAMED = 'name = "house"\n'


def read(text: str) -> PolicyFile:
    return read_policy(text, NOW)


def mistakes(text: str) -> list[str]:
    """What is wrong with a policy; it would be fine if it had a name alone."""
    with pytest.raises(InvalidPolicy) as invalid:
        read(text)
    told = [str(each) for each in invalid.value.mistakes]
    assert str(invalid.value) == "; ".join(told)
    return told


def mistake(text: str) -> str:
    """What alone is wrong with a policy that has a name; the text begins on line 2."""
    (told,) = mistakes(NAMED + text)
    return told


# --- mistakes


def test_a_name_is_all_that_it_takes() -> None:
    assert read(NAMED) == PolicyFile("house", None, {}, BUILT_IN)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[conduct]\nmax_agents = 2\n"])
def test_a_name_is_needed(text: str) -> None:
    assert mistakes(text) == ['name: is missing; write it first, like name = "house"']


@pytest.mark.parametrize("name", ['""', "3", "true", '"two\\nlines"', f'"{"x" * 201}"', "[]"])
def test_a_name_is_a_code_in_one_line(name: str) -> None:
    told = ["line 1: name: should be text of 1 to 200 characters, in one line"]
    assert mistakes(f"name = {name}") == told


def test_the_longest_name_can_be_adopted() -> None:
    name = "x" * 200
    read_name = read(f'name = "{name}"').name
    PolicyAdopted(occurred_at=NOW, actor=ANNA, name=read_name, effective_from=NOW, policy={})


@pytest.mark.parametrize(
    "time",
    [
        "2026-12-01T00:00:00",
        "2026-12-01",
        "00:00:00",
        '"2026-12-01T00:00:00Z"',
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
    ],
)
def test_a_time_to_take_effect_has_a_zone(time: str) -> None:
    what = "is not a time with its zone; write it like 2026-12-01T00:00:00Z"
    assert mistake(f"effective_from = {time}") == f"line 2: effective_from: {what}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("calender.timezone = 'UTC'", "line 2: calender: {part}; did you mean 'calendar'?"),
        ("[Goodwill]", "line 2: Goodwill: {part}; did you mean 'goodwill'?"),
        ("nam = 3", "line 2: nam: {part}; did you mean 'name'?"),
        ("xyz = 3", "line 2: xyz: {part}"),
        ("\n[xyz.conduct]\nmax_agents = 3", "line 3: xyz: {part}"),
    ],
)
def test_what_is_no_part_of_a_policy(text: str, told: str) -> None:
    assert mistake(text) == told.format(part="is no part of a policy")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[conduct]\nreply_in = '1 h'", "3: conduct.reply_in: {no}; did you mean 'reply_within'?"),
        ("conduct.max_agent = 3", "2: conduct.max_agent: {no}; did you mean 'max_agents'?"),
        ('"conduct"."max_agent" = 3', "2: conduct.max_agent: {no}; did you mean 'max_agents'?"),
        ("conduct = { max_agent = 3 }", "2: conduct.max_agent: {no}; did you mean 'max_agents'?"),
        ("[conduct]\n\n'quux' = 3", "4: conduct.quux: {no}"),
        (
            "[roles.lead]\nfinal_say = true\nfinal_sai = true",
            "4: roles.lead.final_sai: {no}; did you mean 'final_say'?",
        ),
        (
            "[roles.'the] #lead'] # boss\nfinal_sai = true",
            "3: roles.the] #lead.final_sai: {no}; did you mean 'final_say'?",
        ),
        (
            "[roles.lead.limits.EUR]\nper_day = 3",
            "3: roles.lead.limits.EUR.per_day: {no}; did you mean 'per_year'?",
        ),
        (
            "[roles]\nlead.limits = { EUR = { per_cas = 3 } }",
            "3: roles.lead.limits.EUR.per_cas: {no}; did you mean 'per_case'?",
        ),
        ("[goodwill]\nyearly = {}", "3: goodwill.yearly: {no}"),
        ("[calendar]\nzone = 'UTC'", "3: calendar.zone: {no}; did you mean 'timezone'?"),
        ("[ calendar ]\nhour = {}", "3: calendar.hour: {no}; did you mean 'hours'?"),
    ],
)
def test_what_is_no_setting(text: str, told: str) -> None:
    assert mistake(text) == "line " + told.format(no="is no setting")


SPAN = "write it like '24 hours', '90 minutes', '5 days' or '2 business days'"
DAYS = "is not one of mon, tue, wed, thu, fri, sat, sun"
CURRENCY = "is no currency; write its ISO 4217 code, like EUR"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[conduct]\nchase_after = 'soon'", f"3: conduct.chase_after: {SPAN}"),
        ("[conduct]\nchase_after = 3", '3: conduct.chase_after: should be text, in "quotes"'),
        ("[conduct]\nmax_agents = '3'", "3: conduct.max_agents: should be a whole number"),
        ("[conduct]\nmax_agents = true", "3: conduct.max_agents: should be a whole number"),
        (
            "[conduct]\nmax_agents = -1",
            "3: conduct.max_agents: should be greater than or equal to 0",
        ),
        ("[conduct]\nmin_group = 1", "3: conduct.min_group: should be greater than or equal to 2"),
        ("[conduct]\nband = 'wide'", "3: conduct.band: should be a number"),
        ("[conduct]\nband = inf", "3: conduct.band: should be a finite number"),
        (
            "[conduct]\nneeds_operations = 'venue'",
            "3: conduct.needs_operations: should be a list, in [brackets]",
        ),
        (
            "[conduct]\nneeds_operations = [\n  'venue',\n  3,\n]",
            '3: conduct.needs_operations.1: should be text, in "quotes"',
        ),
        ("conduct = 3", "2: conduct: should be a table"),
        ("[[roles]]\nfinal_say = true", "2: roles: should be a table"),
        ("roles.lead = true", "2: roles.lead: should be a table"),
        ("[roles.lead]\nfinal_say = 'yes'", "3: roles.lead.final_say: should be true or false"),
        (
            "[roles.lead.limits.EUR]\nper_case = 'much'",
            "3: roles.lead.limits.EUR.per_case: should be a number",
        ),
        (
            "[roles.lead.limits.EUR]\nper_case = [5]",
            "3: roles.lead.limits.EUR.per_case: should be a number",
        ),
        (
            "[roles.lead.limits]\nEUR.per_case = -5",
            "3: roles.lead.limits.EUR.per_case: should be greater than or equal to 0",
        ),
        (
            "[roles.lead.limits.eur]",
            f"2: roles.lead.limits.eur: {CURRENCY}; did you mean 'EUR'?",
        ),
        ("[goodwill.per_year]\neuro = 5", f"3: goodwill.per_year.euro: {CURRENCY}"),
        ("[goodwill.per_year]\nEUT = 5", f"3: goodwill.per_year.EUT: {CURRENCY}"),
        ("[roles.lead.limits.ZZZ]", f"2: roles.lead.limits.ZZZ: {CURRENCY}"),
        (
            "[goodwill]\nenforcement = 'refused'",
            "3: goodwill.enforcement: is not one of report, refuse; did you mean 'refuse'?",
        ),
        ("[goodwill]\nenforcement = 1", "3: goodwill.enforcement: is not one of report, refuse"),
        (
            "[calendar]\ntimezone = 'Dublin'",
            "3: calendar.timezone: is not a time zone; write one like Europe/Dublin",
        ),
        (
            "[calendar.hours]\nmonday = []",
            f"3: calendar.hours.monday: {DAYS}; did you mean 'mon'?",
        ),
        (
            "[calendar.hours]\nmon = ['9-5']",
            "3: calendar.hours.mon.0: are not hours; write them like 09:00-17:30",
        ),
        (
            "[calendar.hours]\nmon = ['17:00-09:00']",
            "3: calendar.hours.mon.0: must end after they begin, like 09:00-17:30",
        ),
        (
            "[calendar.hours]\nmon = ['09:00-12:00', '11:00-13:00']",
            "2: calendar.hours: mon: hours must follow one another",
        ),
        ("[calendar]\nhours = {}", "3: calendar.hours: has no working hours on any day"),
        (
            "[calendar.holidays]\n2026-02-30 = 'none'",
            "3: calendar.holidays.2026-02-30: is not a date; write it like 2026-12-25",
        ),
        (
            "[calendar.holidays]\ncontry = 'IE'",
            "3: calendar.holidays.contry: is not a date; write it like 2026-12-25; "
            "did you mean 'country'?",
        ),
        (
            "[calendar.holidays]\n2026-12-25 = 1",
            '3: calendar.holidays.2026-12-25: should be text, in "quotes"',
        ),
        (
            '[roles.\'a"\']\n[roles."two\\nlines"]',
            "3: 'roles.two\\nlines': should have no control characters",
        ),
        (
            '[conduct]\nneeds_operations = ["a", "x\\ty"]',
            "3: conduct.needs_operations.1: should have no control characters",
        ),
        ("[calendar]\nholidays = ['2026-12-25']", "3: calendar.holidays: should be a table"),
    ],
)
def test_a_value_that_does_not_fit(text: str, told: str) -> None:
    assert mistake(text) == f"line {told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = = 3", "line 1: Invalid value"),
        ('name = "house"\nname = "home"\n\n', "line 2: Cannot overwrite a value"),
        ("[conduct]\n[conduct]\n", "line 2: Cannot declare ('conduct',) twice"),
        ('name = "house', "line 1: Unterminated string"),
        ('name = "house"\n[conduct\n', "line 2: Expected ']' at the end of a table declaration"),
        ("a = [\n1,\n2", "line 3: Unclosed array"),
    ],
)
def test_what_is_not_toml(text: str, told: str) -> None:
    assert mistakes(text) == [told]


def test_several_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """\
effective_from = 2026-12-01
[roles.lead]
final_say = 1
[goodwil]
[conduct]
reply_within = "soon"
max_agent = 3
[calendar.holidays]
country = "Ireland"
language = "en_US"
"""
    assert mistakes(text) == [
        'name: is missing; write it first, like name = "house"',
        "line 1: effective_from: is not a time with its zone; write it like 2026-12-01T00:00:00Z",
        "line 3: roles.lead.final_say: should be true or false",
        "line 4: goodwil: is no part of a policy; did you mean 'goodwill'?",
        f"line 6: conduct.reply_within: {SPAN}",
        "line 7: conduct.max_agent: is no setting; did you mean 'max_agents'?",
        "line 9: calendar.holidays.country: is no country of the package holidays; "
        "write its ISO 3166 code, like IE; did you mean 'IE'?",
    ]


def test_lines_are_those_of_the_file_whatever_ends_them() -> None:
    assert mistakes('name = "x"\r\n\r\n[conduct]\r\nmax_agent = 3\r\n') == [
        "line 4: conduct.max_agent: is no setting; did you mean 'max_agents'?"
    ]


# --- holidays


def holidays(text: str, head: str = NAMED) -> dict[str, str]:
    return dict(read(f"{head}[calendar.holidays]\n{text}").document.calendar.holidays)


IRELAND = 'country = "IE"\nlanguage = "en_US"\n'
BAVARIA = 'country = "DE"\nsubdivision = "BY"\nlanguage = "de"\n'


def test_days_may_be_written_out() -> None:
    assert holidays('2026-12-25 = "Christmas"\n2027-01-01 = "New Year"') == {
        "2026-12-25": "Christmas",
        "2027-01-01": "New Year",
    }


def test_a_countrys_holidays_are_written_out_for_ten_years() -> None:
    found = holidays(IRELAND)
    assert found["2026-03-17"] == "Saint Patrick's Day"
    assert list(found) == sorted(found)
    assert {day[:4] for day in found} == {str(year) for year in range(2026, 2036)}
    assert all(date.fromisoformat(day).isoformat() == day for day in found)


def test_the_first_of_the_years_is_that_in_which_it_takes_effect() -> None:
    found = holidays(IRELAND, f"{NAMED}effective_from = 2031-06-01T00:00:00Z\n")
    assert {day[:4] for day in found} == {str(year) for year in range(2031, 2041)}


def test_of_a_part_of_a_country_in_its_language() -> None:
    found = holidays(BAVARIA)
    assert found["2026-01-06"] == "Heilige Drei Könige"
    assert "2026-01-06" not in holidays(BAVARIA.replace('subdivision = "BY"\n', ""))
    assert "Epiphany" in holidays(BAVARIA.replace('"de"', '"en_US"'))["2026-01-06"]


def test_also_and_without() -> None:
    more = (
        'also = { 2026-12-24 = "Christmas Eve", 2026-01-01 = "Day off" }\n'
        'without = [2026-01-06, "2027-01-06"]\n'
    )
    plain, found = holidays(BAVARIA), holidays(BAVARIA + more)
    assert found == {
        day: name for day, name in plain.items() if day not in ("2026-01-06", "2027-01-06")
    } | {"2026-12-24": "Christmas Eve", "2026-01-01": "Day off"}
    in_a_table = '[calendar.holidays.also]\n"2026-12-24" = "Christmas Eve"\n'
    assert holidays(BAVARIA + in_a_table)["2026-12-24"] == "Christmas Eve"


def test_what_is_adopted_says_by_itself_which_days_are_free() -> None:
    policy = read(f"{NAMED}[calendar.holidays]\n{IRELAND}").policy
    assert set(policy) == {"calendar"}
    assert set(policy["calendar"]) == {"holidays"}
    assert "country" not in policy["calendar"]["holidays"]
    assert policy["calendar"]["holidays"]["2026-12-25"] == "Christmas Day"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('country = "IE"', '2: calendar.holidays: needs a language for the names of the days, '
         'like language = "en_US"'),
        ('language = "en_US"', '2: calendar.holidays: needs a country, like country = "IE"'),
        ('country = "ie"\nlanguage = "ga"', "3: {country}; did you mean 'IE'?"),
        ('country = "United Kingdom"\nlanguage = "en_GB"', "3: {country}; did you mean 'GB'?"),
        ('country = "Atlantis"\nlanguage = "en_GB"', "3: {country}"),
        ('country = 3\nlanguage = "ga"', '3: calendar.holidays.country: {text}'),
        ('country = ["IE"]\nlanguage = "ga"', '3: calendar.holidays.country: {text}'),
        ('country = "IE"\nlanguage = 3', '4: calendar.holidays.language: {text}'),
        (
            'country = "IE"\nlanguage = "en_IR"',
            "4: calendar.holidays.language: is not one of en_IE, en_US, ga; did you mean 'en_IE'?",
        ),
        (
            'country = "CA"\nsubdivision = "on"\nlanguage = "en_CA"',
            "4: calendar.holidays.subdivision: is not one of AB, BC, MB, NB, NL, NS, NT, NU, ON, "
            "PE, QC, SK, YT; did you mean 'ON'?",
        ),
        (
            'country = "IE"\nsubdivision = "Cork"\nlanguage = "ga"',
            "4: calendar.holidays.subdivision: is none: the country has none",
        ),
        (f"{IRELAND}also = ['2026-12-24']", '5: calendar.holidays.also: should be a table, '
         'like { 2026-12-24 = "Christmas Eve" }'),
        (f"{IRELAND}also.2026-24-12 = 'x'", "2: calendar.holidays.2026-24-12: "
         "is not a date; write it like 2026-12-25"),
        (
            f"{IRELAND}without = '2026-12-25'",
            "5: calendar.holidays.without: should be a list, like [2026-12-26]",
        ),
        (
            f"{IRELAND}without = [2026-12-25, 2026-12-24]",
            "5: calendar.holidays.without: 2026-12-24 is no holiday there",
        ),
        (f"{IRELAND}als = {{}}", "5: calendar.holidays.als: is no setting; did you mean 'also'?"),
        (f"{IRELAND}2026-12-24 = 'Eve'", "5: calendar.holidays.2026-12-24: is no setting"),
    ],
)  # fmt: skip
def test_mistakes_in_asking_for_a_countrys(text: str, told: str) -> None:
    what = "is no country of the package holidays; write its ISO 3166 code, like IE"
    country = f"calendar.holidays.country: {what}"
    if "{country}" in told or "{text}" in told:
        told = told.format(country=country, text='should be text, in "quotes"')
    assert mistake(f"[calendar.holidays]\n{text}") == f"line {told}"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    what = "needs the package holidays: pip install 'casestore[policy]'"
    told = mistake(f"[calendar.holidays]\n{IRELAND}")
    assert told == f"line 3: calendar.holidays.country: {what}"
    assert holidays('2026-12-25 = "Christmas"') == {"2026-12-25": "Christmas"}


def test_the_extra_that_it_names_brings_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert [each.partition(">")[0] for each in extras["policy"]] == ["holidays"]


# --- what is read is what is adopted

WHOLE = """\
name = "care-2027"
effective_from = 2027-01-01T00:00:00+01:00

[calendar]
timezone = "Europe/Berlin"
hours.mon = ["09:00-12:00", "13:00-17:30"]
hours.sat = ["10:00-24:00"]

[calendar.holidays]
country = "DE"
language = "de"
without = [2027-05-01]

[conduct]
reply_within = "2 business days"
max_agents = 2
max_ratio = 0.75
needs_operations = ["venue", "box office"]

["roles"."team lead"]
final_say = true
limits = { EUR = { per_gesture = 12.50, per_year = 100 }, USD = {} }

[roles.first_line]
gestures_per_year = 1

[goodwill]
enforcement = "refuse"
per_year.EUR = "250.10"
"""


def test_everything_that_can_be_said() -> None:
    found = read(WHOLE)
    assert found.name == "care-2027"
    assert found.effective_from == datetime(2026, 12, 31, 23, tzinfo=UTC)
    document = found.document
    assert document.calendar.timezone == "Europe/Berlin"
    assert document.calendar.hours == {
        "mon": ("09:00-12:00", "13:00-17:30"),
        "sat": ("10:00-24:00",),
    }
    assert "2026-12-25" in document.calendar.holidays  # in UTC it takes effect in 2026
    assert "2027-05-01" not in document.calendar.holidays
    assert document.conduct.reply_within == "2 business days"
    assert document.conduct.resend_within == BUILT_IN.conduct.resend_within
    assert document.conduct.needs_operations == ("venue", "box office")
    lead = document.roles["team lead"]
    assert lead.final_say
    assert lead.limits["EUR"].per_gesture == Decimal("12.50")
    assert lead.limits["EUR"].per_case is None
    assert lead.limits["USD"].per_gesture is None
    assert document.roles["first_line"].gestures_per_year == 1
    assert document.goodwill.per_year == {"EUR": Decimal("250.10")}


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        NAMED,
        f"{NAMED}[calendar.holidays]\n{IRELAND}",
        f"{NAMED}[roles.a]\n[roles.b.limits.EUR]\n[goodwill.per_year]\nEUR = 0.1",
        f"{NAMED}[calendar.hours]\nsun = ['00:00-24:00']\n[conduct]\nneeds_operations = []",
    ],
)
def test_what_is_read_is_what_is_adopted_stored_and_in_force(tmp_path: Path, text: str) -> None:
    found = read(text)
    begun = found.effective_from or NOW
    event = PolicyAdopted(
        occurred_at=NOW, actor=ANNA, name=found.name, effective_from=begun, policy=found.policy
    )
    url = f"sqlite:///{tmp_path}/store.db"
    with CaseStore.create(url, clock=lambda: NOW) as store:
        store.append("policy", event)
    with CaseStore.open(url) as store:
        (recorded,) = store.history("policy")
        assert recorded.event == event
        stored: Any = recorded.event
        assert read_document(stored.policy) == found.document
        in_force = store.policies().in_force(begun)
    assert (in_force.name, in_force.effective_from) == (found.name, begun)
    assert in_force.document == found.document


def test_only_what_was_given_is_kept() -> None:
    given: dict[str, Any] = {"conduct": {"max_agents": 2}, "roles": {"a": {"limits": {"EUR": {}}}}}
    text = f"{NAMED}[conduct]\nmax_agents = 2\n[roles.a.limits.EUR]"
    assert read(text).policy == given
    event = PolicyAdopted(
        occurred_at=NOW, actor=ANNA, name="house", effective_from=NOW, policy=read(text).policy
    )
    assert event.policy == given


# --- as the documents show it


def shown(page: str) -> str:
    text = (Path(__file__).parents[3] / "docs" / page).read_text("utf-8")
    (policy,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    return str(policy)


def test_the_policy_in_the_documents_can_be_adopted() -> None:
    found = read(shown("policy.md"))
    assert found.name == "care-2099"
    assert set(found.document.calendar.hours) == {"mon", "tue", "wed", "thu", "fri"}
    assert found.document.calendar.holidays == {"2099-12-25": "Christmas Day"}
    assert list(found.document.roles) == ["first_line", "team_lead"]
    assert found.document.goodwill.enforcement == "refuse"
    assert {*found.policy} == {"calendar", "conduct", "roles", "goodwill"}  # each part is shown


def test_the_holidays_in_the_documents_can_be_adopted() -> None:
    named = 'name = "care-2027"\neffective_from = 2027-01-01T00:00:00+00:00\n'
    found = read(named + shown("operating.md"))
    assert found.document.calendar.holidays["2027-12-24"] == "Christmas Eve"
    assert found.document.calendar.holidays["2036-03-17"] == "Saint Patrick's Day"
