"""The rule `repeat-goodwill`: how often a customer was given something, over all their cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore.events import Event
from projections import reports
from tests.support.desk import Desk, desk_in
from tests.support.gifts import gift
from tests.support.stories import (
    adopted,
    customer_merged,
    declined,
    learnt,
    merged,
    moment,
    opened,
    reclaimed,
    remedied,
    took_back,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A customer with two cases, c1 and c2."""
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        desk.case("c2", opened())
        yield desk


def rows(desk: Desk, **asked: Any) -> list[Any]:
    asked = {"as_of": moment("+900d"), "outcome": "all", "rule": "repeat-goodwill", **asked}
    return list(reports.lapses(desk.store, **asked).rows)


def violated(desk: Desk, **asked: Any) -> list[str]:
    return [row.subject for row in rows(desk, outcome="violated", **asked)]


def gifts(*days: int, name: str = "g") -> list[Event]:
    return [gift(f"{name}{day}", "1", f"+{day}d") for day in days]


def limit(**goodwill: Any) -> Event:
    return adopted(effective="+0h", policy={"goodwill": goodwill})


def test_four_gestures_a_year_are_enough_where_no_policy_says_otherwise(desk: Desk) -> None:
    desk.case("c1", *gifts(1, 2))
    desk.case("c2", *gifts(3, 4))
    assert {row.subject: row.outcome for row in rows(desk)} == dict.fromkeys(
        ("g1", "g2", "g3", "g4"), "satisfied"
    )
    desk.case("c2", *gifts(5))
    fifth = next(row for row in rows(desk) if row.subject == "g5")
    assert (fifth.outcome, fifth.at, fifth.agent) == ("violated", moment("+5d"), "anna")
    assert len(fifth.evidence) == 5


def test_the_policy_in_force_may_say_another_number(desk: Desk) -> None:
    desk.tell("policy", limit(gestures_per_year=1))
    desk.case("c1", *gifts(1, 2))
    assert violated(desk) == ["g2"]


def test_a_policy_that_gives_no_number_leaves_it_at_four(desk: Desk) -> None:
    desk.tell("policy", limit(per_year={"EUR": "2"}))
    desk.case("c1", *gifts(1, 2, 3))
    assert violated(desk) == ["g3"], "the yearly sum"
    desk.case("c1", *(gift(f"u{day}", "1", f"+{day}d", currency="USD") for day in (4, 5)))
    assert violated(desk) == ["g3", "u5"]


def test_a_year_is_365_days_that_end_with_the_gesture(desk: Desk) -> None:
    desk.case("c1", *gifts(0, 1, 2, 3, 364))
    assert violated(desk) == ["g364"]
    desk.case("c1", *gifts(366))
    assert violated(desk) == ["g364"], "g0 and g1 are over a year ago"
    desk.case("c1", *gifts(367, 368))
    assert violated(desk) == ["g364"]


def test_only_gestures_that_stand_count_and_remedies_never(desk: Desk) -> None:
    desk.case("c1", *gifts(1, 2, 3, 4), remedied(at="+4d"), reclaimed(at="+4d"))
    desk.case("c1", declined("g1", "+4d"), took_back("g2", "+4d"), *gifts(5, 6))
    assert violated(desk) == []
    desk.case("c1", *gifts(7))
    assert violated(desk) == ["g7"]


def test_what_was_recorded_late_counts_when_it_was_given(desk: Desk) -> None:
    desk.case("c1", *gifts(2, 3, 4, 5), learnt("+9d", gifts(1)[0]))
    assert violated(desk) == ["g5"]


def test_merged_customers_are_one_and_a_merged_case_gives_to_its_own_customer(desk: Desk) -> None:
    desk.case("c3", opened(customer_id="k2"), *gifts(1, 2, name="h"))
    desk.case("c1", *gifts(3, 4, 5))
    desk.case("c3", merged("c1", "+6d"))
    assert violated(desk) == [], "two customers"
    assert {row.subject: row.case_id for row in rows(desk)}["c3/h1"] == "c1"
    desk.customer("k2", customer_merged("k1", "+7d"))
    assert violated(desk) == ["g5"]
    assert violated(desk, as_of=moment("+6d")) == []
