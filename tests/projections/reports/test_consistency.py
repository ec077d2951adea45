"""The report `consistency`: similar complaints that got different gestures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from casestore import Actor
from casestore.events import Money
from projections import reports
from projections.reports.declared.consistency import ConsistencyLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    adopted,
    declined,
    found,
    gave,
    moment,
    opened,
    remedied,
)

_numbers = count()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def euros(amount: str, currency: str = "EUR") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def complain(
    desk: Desk,
    region: str | None,
    amounts: Sequence[str],
    *,
    outcome: str | None = "upheld",
    currency: str = "EUR",
    team: str | None = "north",
    **about: Any,
) -> None:
    """Append one case for each gesture of a region."""
    actor = Actor(kind="agent", id="anna", team=team)
    for amount in amounts:
        about = {"category": "delay", "product": "parcel", **about}
        case_id = f"c{next(_numbers)}"
        desk.case(case_id, opened(region=region, **about))
        if outcome is not None:
            desk.case(case_id, found(outcome=outcome))
        desk.case(case_id, gave(value=euros(amount, currency), actor=actor))


def told(desk: Desk, **asked: Any) -> reports.Result[ConsistencyLine]:
    return reports.consistency(
        desk.store, **{"as_of": moment("+30d"), "by": "region", **asked}
    )  # fmt: skip


def medians(desk: Desk, **asked: Any) -> list[tuple[str, int, str]]:
    return [
        (each.group, each.gestures, f"{each.median.amount}") for each in told(desk, **asked).rows
    ]


FIVE = ["8", "9", "10", "11", "12"]
MORE = ["10", "12", "13", "14", "15"]


def test_regions_that_give_more_than_a_quarter_more(desk: Desk) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", MORE)
    about: dict[str, Any] = {"category": "delay", "product": "parcel", "outcome": "upheld"}
    result = told(desk)
    assert result.rows == [
        ConsistencyLine(
            **about,
            currency="EUR",
            group="east",
            gestures=5,
            median=Money(amount=Decimal(10), currency="EUR"),
            over_lowest=0.0,
        ),
        ConsistencyLine(
            **about,
            currency="EUR",
            group="west",
            gestures=5,
            median=Money(amount=Decimal(13), currency="EUR"),
            over_lowest=0.3,
        ),
    ]
    assert result.summary == {
        "by": "region",
        "policy": "built-in",
        "min_group": 5,
        "band": 0.25,
        "kinds": 1,
        "unlike": 1,
    }


def test_a_quarter_more_is_within_the_band(desk: Desk) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", ["12.50"] * 5)
    assert medians(desk) == []
    assert told(desk).summary["kinds"] == 1
    complain(desk, "south", ["12.51"] * 5)
    assert medians(desk) == [("east", 5, "10"), ("south", 5, "12.51"), ("west", 5, "12.50")]


def test_small_groups_are_not_compared(desk: Desk) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", MORE[:4])
    assert medians(desk) == []
    complain(desk, "west", MORE[4:])
    assert [group for group, _, _ in medians(desk)] == ["east", "west"]
    complain(desk, "south", ["500"] * 4)
    assert [group for group, _, _ in medians(desk)] == ["east", "west"]


@pytest.mark.parametrize(
    "unlike",
    [
        {"category": "damage"},
        {"product": "letter"},
        {"outcome": "not_upheld"},
        {"outcome": None},
        {"currency": "SEK"},
        {"category": None},
    ],
)
def test_only_like_complaints_are_compared(desk: Desk, unlike: dict[str, Any]) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", MORE, **unlike)
    assert medians(desk) == []
    assert told(desk).summary["kinds"] == 2
    complain(desk, "south", FIVE, **unlike)
    (row, _) = told(desk).rows
    assert (row.group, row.over_lowest) == ("south", 0.0)


def test_upheld_in_part_is_upheld(desk: Desk) -> None:
    complain(desk, "east", FIVE, outcome="partly_upheld")
    complain(desk, "west", MORE)
    assert len(medians(desk)) == 2


def test_what_has_no_value_no_region_or_does_not_stand_is_left_out(desk: Desk) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", MORE[1:])
    desk.case("x", opened(category="delay", product="parcel", region="west"), found())
    desk.case("x", gave("thing"), gave("no", value=euros("15")), declined("no"))
    desk.case("x", remedied(value=euros("15")))
    complain(desk, None, ["500"] * 5)
    assert medians(desk) == []
    desk.case("x", gave("yes", value=euros("15")))
    assert [group for group, _, _ in medians(desk)] == ["east", "west"]


def test_nothing_is_not_a_lowest_that_others_are_a_part_above(desk: Desk) -> None:
    complain(desk, "east", ["0"] * 5)
    complain(desk, "west", ["1"] * 5)
    assert [each.over_lowest for each in told(desk).rows] == [None, None]
    assert told(desk).summary["unlike"] == 1


def test_by_team(desk: Desk) -> None:
    complain(desk, "east", FIVE, team="blue")
    complain(desk, "east", MORE, team="red")
    complain(desk, "west", MORE, team=None)
    assert medians(desk, by="team") == [("blue", 5, "10"), ("red", 5, "13")]
    assert told(desk, by="team").summary["by"] == "team"
    # By region, all of the east are one group.
    assert medians(desk) == []


def test_the_numbers_are_those_of_the_policy_in_force(desk: Desk) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", MORE)
    conduct = {"conduct": {"band": 0.31, "min_group": 2}}
    desk.tell("policy", adopted(effective="+1d", policy=conduct))
    assert medians(desk) == []
    assert medians(desk, as_of=moment("+23h")) == [("east", 5, "10"), ("west", 5, "13")]
    complain(desk, "south", ["14", "15"])
    assert medians(desk) == [("east", 5, "10"), ("south", 2, "14"), ("west", 5, "13")]
    summary = told(desk).summary
    assert (summary["policy"], summary["band"], summary["min_group"]) == ("house", 0.31, 2)


def test_a_part_of_the_gestures(desk: Desk) -> None:
    complain(desk, "east", FIVE)
    complain(desk, "west", MORE)
    complain(desk, "south", MORE, category="damage")
    complain(desk, "north", FIVE, category="damage")
    assert len(medians(desk)) == 4
    assert [group for group, _, _ in medians(desk, category="delay")] == ["east", "west"]
    assert medians(desk, region="east") == []
    assert medians(desk, since=moment("+1s")) == []
    assert medians(desk, team="elsewhere") == []


def test_the_order_in_which_it_happened_changes_nothing(desk: Desk) -> None:
    for one, other in zip(reversed(FIVE), MORE, strict=True):
        complain(desk, "west", [other])
        complain(desk, "east", [one])
    assert medians(desk) == [("east", 5, "10"), ("west", 5, "13")]
