"""The lesson conflicting-statements: which statements on a topic disagree."""

from __future__ import annotations

from typing import Any

from casestore.events import Event
from projections.models.statements import rows
from projections.reports.declared.conflicts import compared
from tests.support.stories import given, learnt, opened, retracted, stated


def says(statement_id: str, value: str, at: str = "+1h", **more: Any) -> Event:
    return stated(statement_id, at=at, value=value, **more)


def told(*events: Any) -> dict[str, str | None]:
    """For each statement on the topic except the first, the one that it disagrees with."""
    found = sorted(rows(given(opened(), *events).reading()), key=lambda row: row.stated_at)
    return {
        row.statement_id: against.statement_id if against else None
        for row, against in compared(found)
    }


def test_one_thing_today_and_another_tomorrow() -> None:
    assert told(says("s1", "12"), says("s2", "15")) == {"s2": "s1"}
    assert told(says("s1", "12"), says("s2", "12")) == {"s2": None}
    assert told(says("s1", "12")) == {}


def test_a_statement_may_take_an_earlier_ones_place() -> None:
    for name in ("s1", "c1/s1"):
        corrected = says("s2", "15", supersedes=name)
        assert told(says("s1", "12"), corrected) == {"s2": None}
        assert told(says("s1", "12"), corrected, says("s3", "15"))["s3"] is None
        assert told(says("s1", "12"), corrected, says("s3", "12"))["s3"] == "s2"
    elsewhere = says("s2", "15", supersedes="c9/s1")
    assert told(says("s1", "12"), elsewhere) == {"s2": "s1"}


def test_what_was_taken_back_between_is_no_longer_said() -> None:
    for at, against in {"+2h": None, "+4h": "s1"}.items():
        gone = retracted("s1", at=at)
        assert told(says("s1", "12"), gone, says("s2", "15", at="+3h")) == {"s2": against}


def test_the_later_statement_is_the_one_said_later_whenever_it_came_on_record() -> None:
    late_news = learnt("+9h", says("s2", "12", at="+1h"))
    assert told(says("s1", "15", at="+3h"), late_news) == {"s1": "s2"}


def test_the_latest_of_several_statements_is_shown() -> None:
    assert told(says("s1", "1"), says("s2", "2"), says("s3", "3"))["s3"] == "s2"
