"""The report `causes`: the root causes of upheld complaints, with losses and goodwill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore.events import Money
from projections import reports
from projections.reports import CauseLine
from tests.support.desk import Desk, desk_in
from tests.support.gifts import gift
from tests.support.stories import (
    closed,
    declined,
    found,
    issue,
    merged,
    moment,
    opened,
    reclaimed,
    remedied,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def money(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def causes(desk: Desk, by: str = "product", as_of: str = "+90d", **asked: Any) -> list[CauseLine]:
    return list(reports.causes(desk.store, by=by, as_of=moment(as_of), **asked).rows)


def cases(desk: Desk, by: str = "product", **asked: Any) -> list[tuple[Any, ...]]:
    return [(e.group, e.root_cause, e.cases, e.change) for e in causes(desk, by, **asked)]


def test_a_whole_row(desk: Desk) -> None:
    desk.case("c1", opened(product="phone"), issue("i1", loss=money("30")))
    desk.case("c1", issue("i2", loss=money("5")), issue("i3", loss=money("7", "USD")))
    desk.case("c1", found("f1", "+1h", issue_ids=["i1", "i3"], root_cause="carrier"))
    desk.case("c1", found("f2", "+2h", issue_ids=["i1"], root_cause="carrier"))
    desk.case("c1", found("f3", "+2h", issue_ids=["i2"], outcome="not_upheld"))
    desk.case("c1", remedied("e1", "+3h", value=money("30"), issue_ids=["i1"]))
    desk.case("c1", remedied("e2", "+3h", value=money("9"), issue_ids=["i2"]))
    desk.case("c1", gift("g1", "4", "+3h", issue_ids=["i1", "i2"]))
    told = reports.causes(desk.store, by="product", as_of=moment("+9d"))
    assert told.rows == [
        CauseLine(
            group="phone",
            root_cause="carrier",
            findings=2,
            cases=1,
            change=None,
            loss=[money("30"), money("7", "USD")],  # the loss of an issue with two findings, once
            remedies=[money("30")],
            goodwill=[money("4")],
        )
    ]
    assert told.summary == {"by": "product", "findings": 2, "cases": 1, "not_recorded": 0}


def test_a_cause_that_was_not_recorded_counts_as_such(desk: Desk) -> None:
    desk.case("c1", opened(), found(outcome="partly_upheld"))
    desk.case("c2", opened(), found(root_cause="carrier"))
    assert cases(desk) == [(None, "carrier", 1, None), (None, None, 1, None)]
    told = reports.causes(desk.store, by="region", as_of=moment("+9d")).summary
    assert (told["findings"], told["not_recorded"]) == (2, 1)


def test_only_findings_that_stand_and_uphold(desk: Desk) -> None:
    desk.case("c1", opened(), found("f1", root_cause="carrier"))
    desk.case("c1", found("f2", "+1h", root_cause="fire", supersedes="f1"))
    desk.case("c2", opened(), found("f1", root_cause="fire", outcome="out_of_scope"))
    assert cases(desk) == [(None, "fire", 1, None)]
    assert cases(desk, as_of="+30m") == [(None, "carrier", 1, None)]


def test_what_was_taken_back_is_in_no_sum(desk: Desk) -> None:
    desk.case("c1", opened(), found(root_cause="fire"), remedied("e1", value=money("9")))
    desk.case("c1", gift("g1", "3"), declined("g1", "+1h"), reclaimed("e1", "+1h"))
    (line,) = causes(desk)
    assert (line.remedies, line.goodwill, line.loss) == ([], [], [])
    (line,) = causes(desk, as_of="+30m")
    assert (line.remedies, line.goodwill) == ([money("9")], [money("3")])


def test_more_or_fewer_than_in_the_month_before(desk: Desk) -> None:
    for n, at in enumerate(("+0h", "+1d", "+31d", "+62d")):  # 2 in March, 1 in April, 1 in May
        desk.case(f"c{n}", opened(at), found(at=at, root_cause="fire"))
    told = [("2026-03", "fire", 2, 2), ("2026-04", "fire", 1, -1), ("2026-05", "fire", 1, 0)]
    assert cases(desk, "month") == told
    # The whole month before counts, whether it is asked for or not.
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert cases(desk, "month", since=april) == told[1:]
    auckland = ZoneInfo("Pacific/Auckland")
    assert cases(desk, "month", tz=auckland, until=april)[0] == ("2026-03", "fire", 2, 2)
    begin = moment("+30d")
    window = {"since": begin, "until": begin + timedelta(days=30)}
    assert cases(desk, "product", **window) == [(None, "fire", 1, -1)]
    assert cases(desk, "product", since=begin) == [(None, "fire", 2, 0)]  # to as-of, 60 days


def test_january_follows_december(desk: Desk) -> None:
    desk.case("c1", opened("+300d"), found(at="+300d", root_cause="fire"))
    desk.case("c2", opened("+310d"), found(at="+310d", root_cause="fire"))
    told = [("2026-12", "fire", 1, 1), ("2027-01", "fire", 1, 0)]
    assert cases(desk, "month", as_of="+400d") == told


def test_a_family_is_one_case(desk: Desk) -> None:
    desk.case("c1", opened(product="phone"), issue("i1", loss=money("3")))
    desk.case("c1", found(root_cause="fire", issue_ids=["i1"]), gift("g1", "1", issue_ids=["i1"]))
    desk.case("c2", opened(product="box"), found(root_cause="fire"), closed("+1h"))
    desk.case("c1", merged("c2", "+2h"))
    (line,) = causes(desk)
    assert (line.group, line.findings, line.cases) == ("box", 2, 1)
    assert (line.loss, line.goodwill) == ([money("3")], [money("1")])
    assert [each.cases for each in causes(desk, as_of="+1h")] == [1, 1]


def test_causes_of_a_part(desk: Desk) -> None:
    desk.case("c1", opened(category="late", region="emea"), found(root_cause="fire"))
    desk.case("c2", opened(customer_id="k2"), found(root_cause="flood"))
    assert cases(desk, "category") == [("late", "fire", 1, None), (None, "flood", 1, None)]
    assert cases(desk, "region", customer="k2") == [(None, "flood", 1, None)]
    assert cases(desk, "region", region="emea") == [("emea", "fire", 1, None)]
