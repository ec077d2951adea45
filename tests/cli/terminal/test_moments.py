"""Times as people say them, each with the instant that it means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cli.terminal.moments import EXAMPLES, PERIODS, begin, days_before, end
from tests.support.command_line import NOW

BERLIN = ZoneInfo("Europe/Berlin")
THURSDAY = datetime(2026, 5, 14, 22, 30, tzinfo=UTC)
"""In Berlin it is Friday, half past midnight."""
SAID = [
    # what is said; where it begins in Berlin, said on that Friday; where it ends
    ("today", "2026-05-15T00:00+02:00", "2026-05-16T00:00+02:00"),
    ("yesterday", "2026-05-14T00:00+02:00", "2026-05-15T00:00+02:00"),
    ("Tomorrow", "2026-05-16T00:00+02:00", "2026-05-17T00:00+02:00"),
    ("friday", "2026-05-15T00:00+02:00", "2026-05-16T00:00+02:00"),
    ("monday", "2026-05-11T00:00+02:00", "2026-05-12T00:00+02:00"),
    ("mon", "2026-05-11T00:00+02:00", "2026-05-12T00:00+02:00"),
    ("saturday", "2026-05-09T00:00+02:00", "2026-05-10T00:00+02:00"),
    ("last-friday", "2026-05-08T00:00+02:00", "2026-05-09T00:00+02:00"),
    ("last monday", "2026-05-11T00:00+02:00", "2026-05-12T00:00+02:00"),
    ("next-friday", "2026-05-22T00:00+02:00", "2026-05-23T00:00+02:00"),
    ("next-saturday", "2026-05-16T00:00+02:00", "2026-05-17T00:00+02:00"),
    ("may", "2026-05-01T00:00+02:00", "2026-06-01T00:00+02:00"),
    ("march", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ("Nov", "2025-11-01T00:00+01:00", "2025-12-01T00:00+01:00"),
    ("december", "2025-12-01T00:00+01:00", "2026-01-01T00:00+01:00"),
    ("this-day", "2026-05-15T00:00+02:00", "2026-05-16T00:00+02:00"),
    ("this-week", "2026-05-11T00:00+02:00", "2026-05-18T00:00+02:00"),
    ("last week", "2026-05-04T00:00+02:00", "2026-05-11T00:00+02:00"),
    ("LAST_WEEK", "2026-05-04T00:00+02:00", "2026-05-11T00:00+02:00"),
    ("next-week", "2026-05-18T00:00+02:00", "2026-05-25T00:00+02:00"),
    ("last-month", "2026-04-01T00:00+02:00", "2026-05-01T00:00+02:00"),
    ("this-month", "2026-05-01T00:00+02:00", "2026-06-01T00:00+02:00"),
    ("this-quarter", "2026-04-01T00:00+02:00", "2026-07-01T00:00+02:00"),
    ("last-quarter", "2026-01-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ("next-quarter", "2026-07-01T00:00+02:00", "2026-10-01T00:00+02:00"),
    ("last-year", "2025-01-01T00:00+01:00", "2026-01-01T00:00+01:00"),
    ("next-year", "2027-01-01T00:00+01:00", "2028-01-01T00:00+01:00"),
    ("2026", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
    ("2026-Q2", "2026-04-01T00:00+02:00", "2026-07-01T00:00+02:00"),
    ("2026q4", "2026-10-01T00:00+02:00", "2027-01-01T00:00+01:00"),
    ("2026-03", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ("2026-W10", "2026-03-02T00:00+01:00", "2026-03-09T00:00+01:00"),
    ("2026w53", "2026-12-28T00:00+01:00", "2027-01-04T00:00+01:00"),
    ("2026-W01", "2025-12-29T00:00+01:00", "2026-01-05T00:00+01:00"),
    ("2026-W10-3", "2026-03-04T00:00+01:00", "2026-03-05T00:00+01:00"),
    ("2026-05-04", "2026-05-04T00:00+02:00", "2026-05-05T00:00+02:00"),
    ("20260504", "2026-05-04T00:00+02:00", "2026-05-05T00:00+02:00"),
    (" 2026-05-04 ", "2026-05-04T00:00+02:00", "2026-05-05T00:00+02:00"),
    # the day has 23 hours, or 25
    ("2026-03-29", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
    ("2026-10-25", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
    # instants have no end
    ("now", "2026-05-15T00:30+02:00", None),
    ("7d", "2026-05-08T00:30+02:00", None),
    ("-7d", "2026-05-08T00:30+02:00", None),
    ("2w", "2026-05-01T00:30+02:00", None),
    ("12h", "2026-05-14T12:30+02:00", None),
    ("90m", "2026-05-14T23:00+02:00", None),
    ("3 days ago", "2026-05-12T00:30+02:00", None),
    ("1-week-ago", "2026-05-08T00:30+02:00", None),
    ("in 2 weeks", "2026-05-29T00:30+02:00", None),
    ("8w", "2026-03-19T23:30+01:00", None),  # so many times 24 hours, whatever clocks did
    ("2026-03-05 12:00", "2026-03-05T12:00+01:00", None),
    ("2026-03-05T12:00", "2026-03-05T12:00+01:00", None),
    ("2026-03-05T12:00:30", "2026-03-05T12:00:30+01:00", None),
    ("2026-03-05T12:00:30.5", "2026-03-05T12:00:30.500+01:00", None),
    ("20260305T1200", "2026-03-05T12:00+01:00", None),
    ("yesterday 9:00", "2026-05-14T09:00+02:00", None),
    ("last-friday 17:00", "2026-05-08T17:00+02:00", None),
    ("2026-W10-3 08:15", "2026-03-04T08:15+01:00", None),
    # with a zone of its own; as tables tell times, too
    ("2026-03-05T12:00:00Z", "2026-03-05T12:00+00:00", None),
    ("2026-03-05t12:00z", "2026-03-05T12:00+00:00", None),
    ("20260305T1200Z", "2026-03-05T12:00+00:00", None),
    ("2026-03-05 12:00 UTC", "2026-03-05T12:00+00:00", None),
    ("2026-03-05 12:00 +05:30", "2026-03-05T12:00+05:30", None),
    ("2026-03-05T12:00-08:00", "2026-03-05T12:00-08:00", None),
    # clocks that skip an hour, or tell it twice, where the offset is given
    ("2026-10-25T02:30+01:00", "2026-10-25T02:30+01:00", None),
    ("2026-03-29T02:30+01:00", "2026-03-29T03:30+02:00", None),
]


@pytest.mark.parametrize(("said", "begins", "ends"), SAID)
def test_what_is_said_names_where_it_begins(said: str, begins: str, ends: str | None) -> None:
    assert begin(said, BERLIN, THURSDAY) == datetime.fromisoformat(begins)
    assert begin(said, BERLIN, THURSDAY).tzinfo is UTC
    if ends is not None:
        assert end(said, BERLIN, THURSDAY) == datetime.fromisoformat(ends)
    else:
        with pytest.raises(ValueError, match="has no end; a period is a day"):
            end(said, BERLIN, THURSDAY)


def test_today_is_the_day_in_the_zone() -> None:
    assert begin("today", UTC, THURSDAY) == datetime(2026, 5, 14, tzinfo=UTC)
    assert begin("monday", ZoneInfo("Asia/Tokyo"), datetime(2026, 5, 10, 15, tzinfo=UTC)) == (
        datetime(2026, 5, 10, 15, tzinfo=UTC)  # there Monday begins just then
    )


def test_the_latest_weekday_is_today_or_one_of_the_six_days_before() -> None:
    for day in range(14):
        now = datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(days=day)
        for name in ("monday", "sunday"):
            latest, last, next_ = (
                begin(f"{turn}{name}", UTC, now) for turn in ("", "last-", "next-")
            )
            assert timedelta() <= now - latest < timedelta(days=7)
            assert now - last >= timedelta(hours=24)
            assert next_ > now
            assert next_ - latest == timedelta(days=7)


@pytest.mark.parametrize(
    ("day", "zone", "begins"),
    [
        # clocks skip the hour after midnight: the day begins when they change
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T01:00-02:00"),
        # they skip from 23:30 to 00:30
        ("1919-03-31", "America/Toronto", "1919-03-31T00:30-04:00"),
        # they tell midnight twice: the day begins with the first one
        ("2011-11-06", "America/St_Johns", "2011-11-06T00:00-02:30"),
        # Samoa had no 30 December 2011: it begins, and ends, where the 31st does
        ("2011-12-30", "Pacific/Apia", "2011-12-31T00:00+14:00"),
    ],
)
def test_a_day_begins_with_its_first_instant(day: str, zone: str, begins: str) -> None:
    assert begin(day, ZoneInfo(zone), NOW) == datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            "2026-10-25 02:30",
            "'2026-10-25 02:30' comes twice in Europe/Berlin, where clocks are set back; "
            "write 2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00",
        ),
        (
            "2026-03-29T02:30",
            "'2026-03-29T02:30' does not exist in Europe/Berlin, where clocks are set ahead; "
            "write 2026-03-29T03:30+02:00 or 2026-03-29T01:30+01:00",
        ),
        ("2026-13", "'2026-13' is not in the calendar; write one that is, like 2026-03-02"),
        ("2026-02-30", "'2026-02-30' is not in the calendar"),
        ("2025-W53", "'2025-W53' is not in the calendar"),
        ("2026-W00", "'2026-W00' is not in the calendar"),
        ("0000", "'0000' is not in the calendar"),
        ("today 25:00", "'today 25:00' is no time of day; write one like 17:00"),
        ("2026-W10 12:00", f"'2026-W10 12:00' is not a time; write one like {EXAMPLES}"),
        ("20260504Z", f"'20260504Z' is not a time; write one like {EXAMPLES}"),
        ("5.3.2026", "'5.3.2026' is not a time; write one like 2026-03-02T17:00Z"),
        ("yesteday", "'yesteday' is not a time; did you mean 'yesterday'?; write one like"),
        ("last mnth", "did you mean 'last-month'?"),
        ("", "'' is not a time; write one like"),
        ("in 3 days ago", "is not a time"),
        ("7", "'7' is not a time"),
        ("٢٠٢٦-٠٣", "is not a time"),
        ("0001-01-01", "'0001-01-01' is not in the years 1 to 9999 of UTC"),
        ("9999-12-31T23:59:59-12:00", "is not in the years 1 to 9999 of UTC"),
    ],
)
def test_what_is_no_time_is_told_what_to_write(said: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"; .*write ") as refused:
        begin(said, BERLIN, THURSDAY)
    assert says in str(refused.value)
    with pytest.raises(ValueError, match=r"; .*write |has no end"):
        end(said, BERLIN, THURSDAY)


def test_every_example_may_be_written() -> None:
    for example in EXAMPLES.split(", "):
        begin(example.strip("'"), BERLIN, THURSDAY)
    for example in PERIODS.split(", "):
        assert begin(example, BERLIN, THURSDAY) < end(example, BERLIN, THURSDAY)


def test_a_period_may_not_go_beyond_the_calendar() -> None:
    for said in ("9999", "9999-12", "9999-12-31"):
        begin(said, UTC, THURSDAY)
        with pytest.raises(ValueError, match="is not in the years 1 to 9999"):
            end(said, UTC, THURSDAY)


@pytest.mark.parametrize(
    ("today", "span", "day"),
    [
        ("2026-03-02", "6y", "2020-03-02"),
        ("2028-02-29", "6y", "2022-02-28"),  # a year without that day
        ("2030-02-28", "6y", "2024-02-28"),
        ("2028-02-29", "4 years", "2024-02-29"),
        ("2026-03-31", "1m", "2026-02-28"),
        ("2026-01-31", "2 months", "2025-11-30"),
        ("2026-03-02", "2w", "2026-02-16"),
        ("2026-03-02", "30D", "2026-01-31"),
    ],
)
def test_a_length_of_time_ends_on_a_day_of_the_calendar(today: str, span: str, day: str) -> None:
    for clock in ("00:00", "23:59"):
        now = datetime.fromisoformat(f"{today}T{clock}").replace(tzinfo=BERLIN)
        begun = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
        assert days_before(span, BERLIN, now) == begun


@pytest.mark.parametrize("span", ["6", "y", "-6y", "6 y ago", "6y3m", "last-year", "2026y"])
def test_what_is_no_length_of_time_is_refused(span: str) -> None:
    with pytest.raises(ValueError, match="write"):
        days_before(span, BERLIN, datetime(2026, 3, 2, tzinfo=BERLIN))
