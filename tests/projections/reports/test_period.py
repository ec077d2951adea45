"""The report `period`: complaints received, closed and outstanding by day, week and month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from casestore.events import Actor, Money
from projections import reports
from projections.query.measures import period, periods
from projections.reports import PeriodLine
from projections.reports.declared.period import read_ages
from tests.support.desk import Desk, desk_in
from tests.support.gifts import gift
from tests.support.stories import (
    assigned,
    closed,
    declined,
    found,
    learnt,
    merged,
    moment,
    opened,
    rated,
    reclaimed,
    remedied,
    reopened,
    unmerged,
    wrote,
)

BEN = Actor(kind="agent", id="ben", team="south")
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def lines(desk: Desk, by: str = "day", as_of: str = "+3d", **asked: Any) -> dict[str, PeriodLine]:
    found = reports.period(desk.store, by=by, as_of=moment(as_of), **asked)
    return {each.period: each for each in found.rows}


def flow(line: PeriodLine) -> tuple[int, int, int, int, int]:
    return (
        line.outstanding_at_start,
        line.opened,
        line.reopened,
        line.closed,
        line.outstanding_at_end,
    )


def money(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def test_a_whole_month(desk: Desk) -> None:
    desk.case("c1", opened(received_at=moment("-3d")), found(at="+1h"), closed("+2h"))
    desk.case("c1", remedied("e1", "+3h", value=money("20")), gift("g1", "5", "+3h"))
    desk.case("c2", opened(), found(at="+1h", outcome="not_upheld"), gift("g1", "7", "+2h", "USD"))
    desk.case("c2", closed("+1d", reason="no_contact"), rated(4, at="+1d"), rated(1, at="+1d"))
    desk.case("c3", opened("+1d"), closed("+2d", reason="duplicate"))
    told = reports.period(desk.store, as_of=moment("+3d"))
    assert told.rows == [
        PeriodLine(
            period="2026-02",
            received=1,
            opened=0,
            closed=0,
            reopened=0,
            outstanding_at_start=0,
            outstanding_at_end=0,
            closed_within={"3d": 0, "4w": 0, "8w": 0},
            upheld_share=None,
            remedies=[],
            goodwill=[],
            ratings=0,
            satisfaction=None,
            not_complaints=0,
        ),
        PeriodLine(
            period="2026-03",
            received=1,
            opened=2,
            closed=2,
            reopened=0,
            outstanding_at_start=0,
            outstanding_at_end=0,
            closed_within={"3d": 1, "4w": 2, "8w": 2},  # c1 three days and two hours after
            upheld_share=0.5,
            remedies=[money("20")],
            goodwill=[money("5"), money("7", "USD")],
            ratings=2,
            satisfaction=0.375,  # (3/4 + 0) ÷ 2
            not_complaints=1,
        ),
    ]
    assert told.summary == {
        "by": "month",
        "received": 2,
        "opened": 2,
        "closed": 2,
        "reopened": 0,
        "outstanding": 0,
        "not_complaints": 1,
    }


def test_every_day_begins_with_what_was_left_of_the_one_before(desk: Desk) -> None:
    desk.case("c1", opened(), closed("+1h"), reopened("+1d"), closed("+2d"))
    desk.case("c2", opened("+1h"))
    told = lines(desk, as_of="+4d")
    assert {day: flow(line) for day, line in told.items()} == {
        "2026-03-02": (0, 2, 0, 1, 1),
        "2026-03-03": (1, 0, 1, 0, 2),
        "2026-03-04": (2, 0, 0, 1, 1),
        "2026-03-05": (1, 0, 0, 0, 1),  # empty ones too
        "2026-03-06": (1, 0, 0, 0, 1),
    }
    assert lines(desk, as_of="+1d")["2026-03-03"].outstanding_at_end == 2


def test_a_window_shows_periods_that_begin_with_what_is_outstanding(desk: Desk) -> None:
    desk.case("c1", opened())
    desk.case("c2", opened("+1d"), closed("+2d"))
    shown = lines(desk, since=moment("+1d"), until=MONDAY + timedelta(days=3))
    assert list(shown) == ["2026-03-03", "2026-03-04"]
    assert flow(shown["2026-03-03"]) == (1, 1, 0, 0, 2)
    within = reports.period(desk.store, by="day", since=moment("+1d"), as_of=moment("+1d"))
    assert within.summary["opened"] == 1


def test_a_closing_counts_where_it_found_the_case_open_and_a_reopening_where_closed(
    desk: Desk,
) -> None:
    """If clocks differ, a case may be closed twice, or before it was opened."""
    desk.case("c1", opened(), closed("+2d"), reopened("+1d"), closed("+3d"))
    told = {day: flow(line) for day, line in lines(desk).items()}
    # The reopening of the second day found it open.
    assert told["2026-03-03"] == (1, 0, 0, 0, 1)
    assert told["2026-03-04"] == (1, 0, 0, 1, 0)
    assert told["2026-03-05"] == (0, 0, 0, 0, 0)
    assert reports.cases(desk.store).rows[0].reopens == 1
    desk.case("early", opened("+4d"), learnt("+4d", closed("-1d")))
    told = {day: flow(line) for day, line in lines(desk, as_of="+4d").items()}
    assert told["2026-03-01"] == (0, 0, 0, 1, -1)
    assert told["2026-03-06"] == (-1, 1, 0, 0, 0)
    assert reports.cases(desk.store, case="early").rows[0].status == "closed"


def test_a_family_is_opened_and_closed_as_its_root_and_received_with_the_first(desk: Desk) -> None:
    desk.case("c1", opened(), closed("+1h"), reopened("+2h"))
    desk.case("c2", opened("+1d"))
    desk.case("c1", merged("c2", "+2d"))
    apart = {day: flow(line) for day, line in lines(desk, as_of="+1d").items()}
    assert apart == {"2026-03-02": (0, 1, 1, 1, 1), "2026-03-03": (1, 1, 0, 0, 2)}
    together = lines(desk)
    assert [line.received for line in together.values()] == [1, 0, 0, 0]
    assert flow(together["2026-03-02"]) == (0, 0, 0, 0, 0)
    assert flow(together["2026-03-03"]) == (0, 1, 0, 0, 1)
    desk.case("c1", closed("+3d"), unmerged("c2", "+4d"))  # closed while it was merged
    again = lines(desk, as_of="+4d")
    assert flow(again["2026-03-05"]) == (2, 0, 0, 1, 1)
    assert [case.status for case in reports.cases(desk.store).rows] == ["closed", "open"]
    assert reports.cases(desk.store, as_of=moment("+3d")).rows[1].status == "open"


def test_what_was_taken_back_or_declined_is_in_no_sum(desk: Desk) -> None:
    desk.case("c1", opened(), remedied("e1", value=money("20")), remedied("e2", value=money("1")))
    desk.case("c1", gift("g1", "5"), gift("g2", "6"))
    desk.case("c1", declined("g1", "+1h"), reclaimed("e1", "+1h"))
    (line,) = lines(desk, as_of="+2h").values()
    assert (line.remedies, line.goodwill) == ([money("1")], [money("6")])
    (line,) = lines(desk, as_of="+30m").values()
    assert (line.remedies, line.goodwill) == ([money("21")], [money("11")])


def test_what_was_given_before_the_first_receipt_has_a_period_too(desk: Desk) -> None:
    desk.case("c1", opened(customer_id="k1"))
    desk.case("c1", learnt("+1d", gift("g1", "5", "-2d")), learnt("+1d", rated(4, at="-1d")))
    days = lines(desk, as_of="+1d")
    assert list(days) == ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]
    assert days["2026-02-28"].goodwill == [money("5")]
    assert days["2026-03-01"].ratings == 1


def test_who_gives_before_they_have_a_case_of_their_own(desk: Desk) -> None:
    desk.case("c1", opened(), assigned("anna"), gift("g1", "5", "+1h", actor=BEN))
    assert lines(desk, as_of="+1d", agent="ben")["2026-03-02"].goodwill == [money("5")]
    desk.case("c2", opened("+2d"), assigned("ben", at="+2d"))
    days = lines(desk, agent="ben")
    assert list(days) == ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    assert [line.opened for line in days.values()] == [0, 0, 1, 0]
    assert days["2026-03-02"].goodwill == [money("5")]


def test_days_begin_in_the_zone_that_is_asked_for(desk: Desk) -> None:
    desk.case("c1", opened(datetime(2026, 3, 31, 22, 30, tzinfo=UTC)))
    as_of = "+31d"
    assert list(lines(desk, "month", as_of)) == ["2026-03", "2026-04"]
    assert list(lines(desk, "month", as_of, tz=ZoneInfo("Europe/Berlin"))) == ["2026-04"]


def test_periods_of_some_cases(desk: Desk) -> None:
    desk.case("c1", opened(product="phone"), assigned("anna", "north"), gift("g1", "5"))
    desk.case("c2", opened(customer_id="k2"), assigned("ben", "south"), closed("+1h"))
    desk.case("c2", gift("g1", "7", "+1h", actor=BEN), rated(5, at="+1h"))

    def of(**asked: Any) -> tuple[int, int, list[Money], float | None]:
        (line,) = lines(desk, as_of="+2h", **asked).values()
        return line.opened, line.closed, line.goodwill, line.satisfaction

    assert of() == (2, 1, [money("12")], 1.0)
    assert of(product="phone") == of(customer="k1") == of(case="c1") == (1, 0, [money("5")], None)
    assert of(team="south") == of(agent="ben") == (1, 1, [money("7")], 1.0)
    assert of(agent=("anna", "ben")) == of()


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_every_number_of_cases_can_be_listed(desk: Desk, by: str) -> None:
    desk.case("c1", opened(received_at=moment("-40d")), closed("+1h"), reopened("+20d"))
    desk.case("c2", opened("+1d"), closed("+2d"), reopened("+3d"), closed("+33d"))
    desk.case("c3", opened("+1d"), wrote(at="+1d"), merged("c2", "+2d"))
    desk.case("c4", opened("+1d"), closed("+35d", reason="not_a_complaint"))
    as_of, steps = "+40d", {"day": 1, "week": 7}
    for name, line in lines(desk, by, as_of).items():
        begin = MONDAY - timedelta(days=49)  # a Monday as well
        if by == "month":
            begin = datetime.fromisoformat(f"{name}-01T00:00:00Z")
            end = (begin + timedelta(days=32)).replace(day=1)
        else:
            while period(begin, by, UTC) != name:  # type: ignore[arg-type]
                begin += timedelta(days=1)
            end = begin + timedelta(days=steps[by])

        def listed(what: str) -> int:
            window = {f"{what}_from": begin, f"{what}_to": end}  # noqa: B023
            found = reports.cases(desk.store, as_of=moment(as_of), **window)  # type: ignore[arg-type]
            return cast(int, found.summary["cases"])

        assert [listed(what) for what in ("received", "opened", "closed", "reopened")] == [
            line.received,
            line.opened,
            line.closed,
            line.reopened,
        ]


# --- names of periods


def test_a_week_belongs_to_the_year_that_has_its_thursday() -> None:
    assert period(datetime(2024, 12, 30, tzinfo=UTC), "week", UTC) == "2025-W01"
    assert period(datetime(2027, 1, 3, tzinfo=UTC), "week", UTC) == "2026-W53"
    begin, end = datetime(2026, 12, 27, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)
    assert list(periods(begin, end, "week", UTC)) == ["2026-W52", "2026-W53", "2027-W01"]
    assert list(periods(begin, end, "month", UTC)) == ["2026-12", "2027-01"]


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_there_are_periods_to_the_ends_of_the_calendar_in_any_zone(by: Any) -> None:
    tokyo, honolulu = ZoneInfo("Asia/Tokyo"), ZoneInfo("Pacific/Honolulu")
    last = datetime.max.replace(tzinfo=UTC)
    for begin in (last - timedelta(days=n) for n in (0, 3, 9)):
        assert list(periods(begin, last, by, tokyo))[-1] == period(last, by, tokyo)
    first = datetime.min.replace(tzinfo=UTC)
    assert next(iter(periods(first, first, by, honolulu))) == period(first, by, honolulu)


def test_ages_are_told_in_hours_days_and_weeks() -> None:
    assert read_ages("12h, 3d,2w") == {
        "12h": timedelta(hours=12),
        "3d": timedelta(days=3),
        "2w": timedelta(days=14),
    }
    for wrong in ("", "3", "d", "3m", "-3d", "3.5d", "99999d", "٣d"):
        with pytest.raises(ValueError, match="like 3d,4w,8w"):
            read_ages(wrong)


def test_closings_within_ages_of_the_receipt(desk: Desk) -> None:
    desk.case("c1", opened(), closed("+1d"))
    desk.case("c2", opened(), closed("+25h"))
    (line,) = lines(desk, "month", ages=read_ages("24h,2d")).values()
    assert line.closed_within == {"24h": 1, "2d": 2}
