"""When something is due: by the clock, in business hours and in business days.

March 2026 begins on a Sunday; in Berlin clocks go forward on the 29th and back on 25 October.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casestore.events.policy_document import DAYS, Calendar, read_document, span
from casestore.policy.working_time import after_working_time, due, working_time

law = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def calendar(timezone: str = "Europe/Berlin", **fields: Any) -> Calendar:
    return read_document({"calendar": {"timezone": timezone, **fields}}).calendar


OFFICE = calendar()


def when(start: str, within: str, hours: Calendar = OFFICE) -> str:
    """When it is due, told like the start, in the calendar's zone."""
    began = datetime.strptime(f"2026-{start}", "%Y-%m-%d %H:%M").replace(tzinfo=hours.zone)
    return f"{due(began, within, hours).astimezone(hours.zone):%m-%d %H:%M}"


# --- by the clock


def test_by_the_clock_no_calendar_is_asked() -> None:
    assert when("03-06 16:00", "24 hours") == "03-07 16:00"
    assert when("03-06 16:00", "90 minutes") == "03-06 17:30"
    assert when("03-06 16:00", "2 days") == "03-08 16:00"
    assert when("03-06 16:00", "1.5 hours") == "03-06 17:30"
    assert when("03-28 12:00", "1 day") == "03-29 13:00"  # 24 hours have passed


def test_it_is_told_in_utc() -> None:
    began = datetime(2026, 3, 6, 16, tzinfo=ZoneInfo("Asia/Tokyo"))
    for within in ("1 hour", "1 business hour", "1 business day", "0 business days"):
        assert due(began, within, OFFICE).tzinfo is UTC


# --- business hours


@pytest.mark.parametrize(
    ("start", "within", "expected"),
    [
        ("03-02 10:00", "2 business hours", "03-02 12:00"),
        ("03-02 10:00", "90 business minutes", "03-02 11:30"),
        ("03-02 15:00", "2 business hours", "03-02 17:00"),  # at the very end of the day
        ("03-02 15:00", "121 business minutes", "03-03 09:01"),
        ("03-02 16:00", "2 business hours", "03-03 10:00"),
        ("03-02 16:00", "18 business hours", "03-05 10:00"),  # over two whole days
        ("03-06 16:00", "2 business hours", "03-09 10:00"),  # over the weekend
        ("03-07 12:00", "2 business hours", "03-09 11:00"),  # on a Saturday
        ("03-02 06:00", "2 business hours", "03-02 11:00"),  # before hours
        ("03-02 09:00", "2 business hours", "03-02 11:00"),  # as they begin
        ("03-02 17:00", "2 business hours", "03-03 11:00"),  # as they end
        ("03-02 22:00", "2 business hours", "03-03 11:00"),  # after them
        ("03-02 09:00", "8 business hours", "03-02 17:00"),
        ("03-02 22:00", "0 business hours", "03-02 22:00"),
        ("03-02 09:00", "40 business hours", "03-06 17:00"),
    ],
)
def test_business_hours_are_those_of_the_calendar(start: str, within: str, expected: str) -> None:
    assert when(start, within) == expected


def test_a_day_may_have_several_hours() -> None:
    split = calendar(hours={"mon": ["09:00-12:00", "13:00-15:00"], "tue": ["12:00-24:00"]})
    assert when("03-02 11:00", "1 business hour", split) == "03-02 12:00"
    assert when("03-02 11:00", "2 business hours", split) == "03-02 14:00"
    assert when("03-02 12:30", "1 business hour", split) == "03-02 14:00"
    assert when("03-02 14:00", "2 business hours", split) == "03-03 13:00"
    assert when("03-03 12:00", "12 business hours", split) == "03-04 00:00"
    assert when("03-03 12:00", "13 business hours", split) == "03-09 10:00"


def test_hours_that_follow_at_once_are_one() -> None:
    one, two = calendar(hours={"mon": ["08:00-12:00", "12:00-16:00"]}), "5 business hours"
    assert when("03-02 10:00", two, one) == "03-02 15:00"
    round_the_clock = calendar(hours=dict.fromkeys(DAYS, ("00:00-24:00",)))
    assert when("03-02 10:00", "48 business hours", round_the_clock) == "03-04 10:00"


def test_holidays_are_free() -> None:
    easter = calendar(holidays={"2026-04-03": "Good Friday", "2026-04-06": "Easter Monday"})
    assert when("04-02 16:00", "2 business hours", easter) == "04-07 10:00"
    assert when("04-03 10:00", "2 business hours", easter) == "04-07 11:00"
    assert when("04-02 16:00", "2 business days", easter) == "04-08 16:00"


def test_a_holiday_is_a_day_where_the_house_is() -> None:
    tokyo = calendar("Asia/Tokyo", holidays={"2026-03-03": "Doll's Day"})
    assert due(datetime(2026, 3, 2, 16, tzinfo=UTC), "1 business hour", tokyo) == datetime(
        2026, 3, 4, 1, tzinfo=UTC
    )


# --- days on which clocks change

NIGHT = calendar(hours=dict.fromkeys(DAYS, ("00:00-06:00",)))


def test_as_many_real_hours_pass_as_do() -> None:
    assert when("03-28 05:00", "7 business hours", NIGHT) == "03-30 01:00"  # five on the 29th
    assert when("10-24 05:00", "8 business hours", NIGHT) == "10-25 06:00"  # seven on the 25th
    assert when("10-24 05:00", "9 business hours", NIGHT) == "10-26 01:00"


def test_a_time_that_is_skipped_is_the_moment_of_the_change() -> None:
    def at(*hours: str) -> Calendar:
        return calendar(hours={"sun": list(hours), "mon": ["09:00-17:00"]})

    assert when("03-29 00:00", "1 business hour", at("02:30-04:00")) == "03-29 04:00"
    assert when("03-29 00:00", "1 business hour", at("01:00-02:30")) == "03-29 03:00"
    assert when("03-29 00:00", "1 business hour", at("02:10-02:50")) == "03-30 10:00"
    assert when("03-29 00:00", "1 business hour", at("02:30-03:00")) == "03-30 10:00"
    twice = at("01:30-02:30", "02:45-03:30")
    assert when("03-29 00:00", "1 business hour", twice) == "03-29 03:30"


def test_midnight_may_be_skipped_and_a_whole_day_too() -> None:
    brazil = calendar("America/Sao_Paulo", hours=dict.fromkeys(DAYS, ("20:00-24:00",)))
    start = datetime(2018, 11, 3, 19, tzinfo=brazil.zone)
    for within, hour in (("4 business hours", 3), ("5 business hours", 23)):
        assert due(start, within, brazil) == datetime(2018, 11, 4, hour, tzinfo=UTC)
    samoa = calendar("Pacific/Apia")  # which had no Friday, 30 December 2011
    thursday = datetime(2011, 12, 29, 16, tzinfo=samoa.zone)
    assert due(thursday, "2 business hours", samoa).astimezone(samoa.zone).day == 2


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    sunday = calendar(hours={"sun": ["02:30-06:00"]})
    assert when("10-25 00:00", "4 business hours", sunday) == "10-25 05:30"


# --- business days


@pytest.mark.parametrize(
    ("start", "within", "expected"),
    [
        ("03-02 10:00", "1 business day", "03-03 10:00"),
        ("03-02 22:00", "1 business day", "03-03 22:00"),
        ("03-06 10:00", "1 business day", "03-09 10:00"),
        ("03-06 23:59", "1 business day", "03-09 23:59"),
        ("03-02 10:00", "5 business days", "03-09 10:00"),
        ("03-07 10:00", "0 business days", "03-07 10:00"),
        ("03-27 10:00", "1 business day", "03-30 10:00"),  # clocks have gone forward
    ],
)
def test_business_days_end_at_the_time_at_which_they_began(
    start: str, within: str, expected: str
) -> None:
    assert when(start, within) == expected


@pytest.mark.parametrize("start", ["03-07 00:00", "03-07 10:00", "03-08 23:59"])
def test_begun_on_a_free_day_they_end_with_the_last_of_them(start: str) -> None:
    assert when(start, "1 business day") == "03-10 00:00"  # so that Monday is theirs
    assert when(start, "5 business days") == "03-14 00:00"


def test_they_end_when_clocks_change_if_that_time_is_skipped() -> None:
    every_day = calendar(hours=dict.fromkeys(DAYS, ("09:00-17:00",)))
    assert when("03-28 02:30", "1 business day", every_day) == "03-29 03:00"
    assert when("10-24 02:30", "1 business day", every_day) == "10-25 02:30"


def test_a_day_with_no_hours_is_not_one() -> None:
    some = calendar(hours={"mon": ["09:00-10:00"], "tue": [], "thu": ["09:00-10:00"]})
    assert when("03-02 10:00", "1 business day", some) == "03-05 10:00"


# --- far away

LENGTHS = ("1 hour", "99999 days", "1 business hour", "99999 business hours", "5 business days")


@pytest.mark.parametrize("within", [*LENGTHS, "99999 business days", "0 business days"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_at_either_end_of_time_nothing_fails(within: str, zone: str) -> None:
    for hours in (calendar(zone), calendar(zone, hours=dict.fromkeys(DAYS, ("00:00-24:00",)))):
        for days in (0, 0.2, 1, 3, 30):
            for start in (FIRST + timedelta(days=days), LAST - timedelta(days=days)):
                assert start <= due(start, within, hours) <= LAST


def test_what_would_be_due_after_all_time_is_due_at_its_end() -> None:
    for within in LENGTHS:
        assert due(LAST - timedelta(minutes=1), within, OFFICE) == LAST


def test_a_calendar_of_holidays_alone_ends_too() -> None:
    days = (date(2026, 3, 2) + timedelta(days=n) for n in range(5000))
    free = calendar(holidays={day.isoformat(): "free" for day in days})
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    for within in ("1 business hour", "1 business day"):
        assert due(start, within, free) >= start + timedelta(days=3999)


# --- any time, any length, any calendar

CLOCK = st.integers(0, 96).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")


def in_pairs(times: list[str]) -> list[str]:
    ordered = sorted(times)
    return [f"{begin}-{end}" for begin, end in zip(ordered[::2], ordered[1::2], strict=True)]


hours_of_a_day = st.integers(0, 3).flatmap(
    lambda n: st.lists(CLOCK, min_size=2 * n, max_size=2 * n, unique=True).map(in_pairs)
)
weeks = st.dictionaries(st.sampled_from(DAYS), hours_of_a_day).filter(lambda w: any(w.values()))
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
days_of_2026 = st.integers(0, 364).map(lambda n: (date(2026, 1, 1) + timedelta(n)).isoformat())
calendars = st.builds(
    lambda zone, week, free: calendar(zone, hours=week, holidays=dict.fromkeys(free, "free")),
    st.sampled_from(ZONES),
    weeks,
    st.lists(days_of_2026, max_size=10),
)
starts = st.builds(
    lambda begin, minute: begin + timedelta(minutes=minute),
    st.sampled_from(
        [
            datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin's clocks change; then Lord Howe's
            datetime(2026, 10, 25, 1, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
            datetime(2026, 10, 3, 15, tzinfo=UTC),
        ]
    ),
    st.integers(-3000, 3000) | st.integers(-90 * 24 * 60, 90 * 24 * 60),
)
minutes = st.integers(0, 3000)
units = st.sampled_from(["minutes", "business minutes", "days", "business days"])


@law
@given(starts, st.integers(0, 30), units, calendars)
def test_nothing_is_due_before_it_began(
    start: datetime, number: int, unit: str, hours: Calendar
) -> None:
    assert due(start, f"{number} {unit}", hours) >= start


@law
@given(starts, minutes, minutes, units, calendars)
def test_what_may_take_longer_is_not_due_sooner(
    start: datetime, one: int, other: int, unit: str, hours: Calendar
) -> None:
    less, more = sorted((one, other))
    assert due(start, f"{less} {unit}", hours) <= due(start, f"{more} {unit}", hours)


@law
@given(starts, st.integers(0, 3000), st.integers(0, 60), units, calendars)
def test_what_begins_later_is_not_due_sooner(
    start: datetime, later: int, number: int, unit: str, hours: Calendar
) -> None:
    first = due(start, f"{number} {unit}", hours)
    second = due(start + timedelta(minutes=later), f"{number} {unit}", hours)
    # An hour that comes twice has each time of day twice: business days end at the first.
    slack = timedelta(hours=1) if unit == "business days" else timedelta(0)
    assert first <= second + slack


def worked(begin: datetime, end: datetime, hours: Calendar) -> timedelta:
    """The working time between two whole minutes, counted minute by minute by what the clock on
    the wall says. Good for days on which no clock changes while the house works."""
    count = 0
    for n in range((end - begin) // timedelta(minutes=1)):
        wall = (begin + timedelta(minutes=n)).astimezone(hours.zone)
        today = hours.hours.get(DAYS[wall.weekday()], ())
        now = f"{wall:%H:%M}"
        if wall.date().isoformat() not in hours.holidays:
            count += any(each[:5] <= now < each[6:] for each in today)
    return timedelta(minutes=count)


@settings(law, max_examples=40)
@given(starts, st.integers(1, 1500), calendars)
def test_business_hours_are_as_many_as_the_clock_on_the_wall_shows(
    start: datetime, number: int, hours: Calendar
) -> None:
    end = due(start, f"{number} business minutes", hours)
    if end - start > timedelta(days=20) or _changes(start, end, hours):
        return
    length = span(f"{number} business minutes").amount
    assert worked(start, end, hours) == length
    assert worked(start, end - timedelta(minutes=1), hours) < length  # and not before


def _changes(start: datetime, end: datetime, hours: Calendar) -> bool:
    return (
        start.astimezone(hours.zone).utcoffset() != end.astimezone(hours.zone).utcoffset()
        or start.astimezone(hours.zone).dst() != end.astimezone(hours.zone).dst()
    )


def is_free(day: date, hours: Calendar) -> bool:
    return not hours.hours.get(DAYS[day.weekday()]) or day.isoformat() in hours.holidays


@settings(law, max_examples=60)
@given(starts, st.integers(1, 20), calendars)
def test_business_days_are_as_many_as_there_are(
    start: datetime, number: int, hours: Calendar
) -> None:
    begin = start.astimezone(hours.zone)
    end = due(start, f"{number} business days", hours).astimezone(hours.zone)
    last = end.date()
    if is_free(begin.date(), hours):
        assert end.time() == time()
        last -= timedelta(days=1)
    else:
        assert end.time() == begin.time() or end.dst() != begin.dst()
    days = (begin.date() + timedelta(days=n + 1) for n in range((last - begin.date()).days))
    working = [day for day in days if not is_free(day, hours)]
    assert len(working) == number
    assert working[-1] == last


# --- how much lies between two times

EVENINGS = read_document(
    {
        "calendar": {
            "timezone": "America/Los_Angeles",
            "hours": {day: ["14:00-20:00"] for day in DAYS},  # midnight in UTC is within them
        }
    }
).calendar
LATE = datetime(2025, 12, 14, 20, tzinfo=UTC)
"""A day on which the hours that are worked out together end, in the evening."""


@settings(law, max_examples=60)
@given(starts, st.integers(0, 6000), calendars)
def test_between_two_times_lies_what_the_clock_on_the_wall_shows(
    start: datetime, number: int, hours: Calendar
) -> None:
    end = start + timedelta(minutes=number)
    if not _changes(start, end, hours):
        assert working_time(start, end, hours) == worked(start, end, hours)


@settings(law, max_examples=60)
@given(st.integers(0, 600), st.integers(0, 600))
def test_also_where_a_day_in_utc_ends_while_the_house_works(first: int, second: int) -> None:
    start, end = (LATE + timedelta(minutes=n) for n in sorted((first, second)))
    assert working_time(start, end, EVENINGS) == worked(start, end, EVENINGS)


@law
@given(starts, minutes, st.integers(0, 900_000), calendars)
def test_the_working_time_of_two_spans_adds_up(
    start: datetime, one: int, other: int, hours: Calendar
) -> None:
    middle = start + timedelta(minutes=one)
    end = middle + timedelta(minutes=other)
    parts = working_time(start, middle, hours), working_time(middle, end, hours)
    assert sum(parts, timedelta()) == working_time(start, end, hours)


@law
@given(starts, st.integers(1, 3000), calendars)
def test_what_is_due_is_due_when_as_much_was_worked(
    start: datetime, number: int, hours: Calendar
) -> None:
    length = timedelta(minutes=number)
    end = due(start, f"{number} business minutes", hours)
    assert end == after_working_time(start, length, hours)
    if end - start < timedelta(days=3000):
        assert working_time(start, end, hours) == length


def test_before_it_began_nothing_was_worked() -> None:
    assert working_time(LATE, LATE, EVENINGS) == timedelta(0)
    assert working_time(LATE + timedelta(days=9), LATE, EVENINGS) == timedelta(0)


def test_after_no_working_time_it_is_still_the_same_time() -> None:
    night = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert after_working_time(night, timedelta(0), EVENINGS) == night


def test_at_either_end_of_time_it_can_be_counted() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for hours in (EVENINGS, Calendar()):
        assert working_time(first, first + timedelta(days=7), hours) > timedelta(0)
        assert working_time(last - timedelta(days=7), last, hours) > timedelta(0)
