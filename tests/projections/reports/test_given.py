"""The report `goodwill given`: what all customers were given."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from casestore.events import Money
from projections import reports
from projections.reports import GivenLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    assigned,
    customer_merged,
    declined,
    found,
    gave,
    moment,
    opened,
    reclassified,
    remedied,
)

TEN = Money(amount=Decimal(10), currency="EUR")


def given(desk: Desk, **asked: Any) -> list[GivenLine]:
    return list(reports.goodwill_given(desk.store, as_of=moment("+9d"), **asked).rows)


def test_everything_that_was_given_in_the_order_of_giving(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(product="box"), assigned("anna", "north"))
        desk.case("c1", gave(at="+2h", value=TEN), found(at="+3h"))
        desk.case("c2", opened(customer_id="k2"), remedied(at="+1h"), reclassified("+2h"))
        desk.case("c2", gave("g2", at="+4h"), declined("g2", at="+5h"))
        rows = given(desk)
        assert [(row.id, row.ledger, row.status) for row in rows] == [
            ("e1", "remedy", "given"),
            ("g1", "goodwill", "given"),
            ("g2", "goodwill", "declined"),
        ]
        gift = rows[1]
        assert (gift.value, gift.currency, gift.product) == (TEN, "EUR", "box")
        assert (gift.customer_id, gift.outcome) == ("k1", "upheld")
        assert [row.id for row in given(desk, ledger=("remedy",))] == ["e1"]
        assert [row.id for row in given(desk, status=("declined",))] == ["g2"]
        assert [row.id for row in given(desk, since=moment("+2h"), until=moment("+4h"))] == ["g1"]
        told = reports.goodwill_given(desk.store, as_of=moment("+9d")).summary
        assert (told["gestures"], told["remedies"], told["beyond_authority"]) == (1, 1, 0)
        assert told["gestures_sum"] == [TEN]


def test_its_sums_are_those_of_what_was_spent(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave(at="+2h", value=TEN), remedied(at="+3h"))
        desk.case("c2", opened(customer_id="k2"), gave(at="+4h", value=TEN))
        desk.customer("k2", customer_merged("k1", "+5h"))
        listed = reports.goodwill_given(desk.store, as_of=moment("+9d"))
        spent = reports.goodwill_spend(desk.store, by="month", as_of=moment("+9d")).summary
        for name in ("gestures", "gestures_sum", "remedies", "remedies_sum"):
            assert listed.summary[name] == spent[name]
        assert {row.customer_id for row in listed.rows} == {"k1"}
