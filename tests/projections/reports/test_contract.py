"""All reports on each database: the same story gives the same results, live and as of that time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from casestore.events import Actor, Money
from projections import reports
from tests.support.desk import Desk
from tests.support.stories import (
    BOSS,
    assigned,
    bounced,
    closed,
    customer_merged,
    customer_unmerged,
    escalated,
    found,
    gave,
    issue,
    kept,
    kept_by_reply,
    learnt,
    merged,
    moment,
    noted,
    opened,
    promised,
    remedied,
    reopened,
    replied,
    unmerged,
    withdrew,
    wrote,
)

BEN = Actor(kind="agent", id="ben", team="south")
EUROS = Money(amount=Decimal("25.00"), currency="EUR")
DOLLARS = Money(amount=Decimal("9.5"), currency="USD")


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    with desk.store:
        yield desk


def tell_all(desk: Desk) -> None:
    """Append three days of events, with something for every report."""
    desk.case("c1", opened(received_at=moment("-1h"), product="phone", category="billing"))
    desk.case("c1", wrote(), issue(), assigned("anna", "north"), promised("p1", due="+2h"))
    desk.case("c1", promised("p2", due="+5d"), promised("p3"), replied("r1", "+1h"))
    desk.case("c1", kept_by_reply("r1", "p1", at="+1h"), gave(at="+3h", value=EUROS))
    desk.case("c2", opened("+3h", customer_id="k2"), wrote(at="+3h"), gave(at="+3h", value=DOLLARS))
    desk.case("c3", opened("+4h", customer_id="k2", product="phone"), wrote(at="+4h"))
    desk.case("c3", escalated(at="+4h", kind="executive"), remedied(at="+4h", value=EUROS))
    desk.customer("k2", customer_merged("k1", "+5h"))
    desk.case("c2", merged("c1", "+5h"))
    desk.case("c1", bounced("r1", "+6h"), withdrew("p3", "+6h"), found(at="+7h"))
    desk.case("c1", replied("r2", "+8h", actor=BEN), closed("+9h"), wrote("m2", "+10h"))
    desk.case("c2", unmerged("c1", "+1d"))
    desk.customer("k2", customer_unmerged("k1", "+1d"))
    desk.case("c1", reopened("+1d"), kept("p2", "+2d"), learnt("+3d", kept("p1", at="+90m")))


def every_report(desk: Desk, **times: Any) -> dict[str, Any]:
    """The results of each report, with all its options."""
    ways: dict[str, list[dict[str, Any]]] = {
        "goodwill history": [{"customer": "k1"}, {"customer": "k2"}],
        "goodwill allowance": [{"customer": "k1", "role": "agent"}],
        "lapses": [{}, {"outcome": "all"}, {"rule": "promise-broken", "customer": "k1"}],
        "goodwill spend": [{"by": by} for by in ("agent", "month", "product")],
        "breakdown": [{"by": by} for by in ("team", "channel")],
        "causes": [{"by": by} for by in ("month", "category")],
        "period": [{}, {"by": "day", "team": "north"}],
        "promises": [{}, {"broken": True}, {"customer": "k1", "team": "north"}, {"sort": "due_at"}],
        "cases": [{}, {"case": "c1"}, {"since": moment("+3h"), "until": moment("+4h")}],
    }
    said: dict[str, Any] = {}
    for report in reports.REPORTS:
        for way in ways.get(report.name, [{}]):
            told = report(desk.store, **way, **times)
            said[f"{report.name} {way}"] = (told.rows, told.summary)
    rates = (reports.promise_rates, reports.promise_rates_by_agent)
    for counts in (*rates, reports.lapse_counts, reports.response_counts):
        way = {} if counts in rates else {"by": "month"}
        counted = counts(desk.store, **way, **times)
        said[f"{counts.name} {way} counted"] = (counted.rows, counted.summary)
    return said


def test_what_a_report_said_then_it_says_when_asked_later_as_of_then(desk: Desk) -> None:
    tell_all(desk)
    as_of, known_at = moment("+3d"), moment("+3d")
    live = every_report(desk, as_of=as_of)
    silent = {name.partition(" {")[0] for name, (rows, _) in live.items() if not rows}
    assert silent <= {"conflicts", "consistency", "goodwill allowance"}, "it would show nothing"
    desk.case("c1", noted("+4d"), promised("p9", "+4d"), closed("+4d"))
    desk.customer("k1", customer_merged("k2", "+4d"))
    assert every_report(desk, as_of=as_of) == live
    assert every_report(desk, as_of=as_of, known_at=known_at) == live
    assert every_report(desk, as_of=moment("+5d"), known_at=known_at) != live


def test_promises_as_of_a_time_and_as_was_known_then(desk: Desk) -> None:
    tell_all(desk)

    def states(as_of: str, known_at: str | None = None) -> dict[str, str]:
        known = None if known_at is None else moment(known_at)
        told = reports.promises(desk.store, as_of=moment(as_of), known_at=known)
        return {each.promise_id: each.state for each in told.rows}

    assert states("-1h") == {}
    assert states("+30m") == {"p1": "open", "p2": "open", "p3": "undated"}
    assert states("+3h") == {"p1": "kept", "p2": "open", "p3": "undated"}
    # The reply that kept p1 bounced. Three days later somebody recorded that there had been a call.
    assert states("+7h", "+7h") == {"p1": "broken", "p2": "open", "p3": "withdrawn"}
    assert states("+7h") == {"p1": "kept", "p2": "open", "p3": "withdrawn"}
    assert states("+9d") == {"p1": "kept", "p2": "kept", "p3": "withdrawn"}
    assert states("+9d", "+2d") == {"p1": "broken", "p2": "kept", "p3": "withdrawn"}


def test_cases_and_customers_merged_and_taken_apart(desk: Desk) -> None:
    tell_all(desk)

    def told(as_of: str) -> list[tuple[str, str, str]]:
        rows = reports.cases(desk.store, as_of=moment(as_of)).rows
        return [(each.case_id, each.customer_id, each.status) for each in rows]

    assert told("+4h") == [("c1", "k1", "open"), ("c2", "k2", "open"), ("c3", "k2", "open")]
    assert told("+5h") == [("c1", "k1", "open"), ("c2", "k1", "merged"), ("c3", "k1", "open")]
    assert told("+9h") == [("c1", "k1", "closed"), ("c2", "k1", "merged"), ("c3", "k1", "open")]
    assert told("+2d") == told("+4h")


def test_a_customers_year_over_all_their_cases(desk: Desk) -> None:
    tell_all(desk)

    def year(customer: str, as_of: str) -> list[tuple[str, int | None, Money | None]]:
        told = reports.goodwill_history(desk.store, customer=customer, as_of=moment(as_of))
        return [(each.case_id, each.year_count, each.year_value) for each in told.rows]

    # At that time, the case c2 is merged into c1.
    together = [("c1", 1, EUROS), ("c1", 2, DOLLARS), ("c3", None, None)]
    assert year("k1", "+5h") == year("k2", "+5h") == together
    assert year("k1", "+2d") == [("c1", 1, EUROS)]
    assert year("k2", "+2d") == [("c2", 1, DOLLARS), ("c3", None, None)]


def test_rows_are_ordered_as_asked_and_what_is_left_out_still_counts(desk: Desk) -> None:
    tell_all(desk)
    desk.case("Ä", opened("+3d", actor=BOSS))
    desk.case("Z", opened("+3d", customer_id="é"))
    as_of = moment("+3d")
    told = reports.cases(desk.store, as_of=as_of, sort="-case_id", limit=3)
    assert [each.case_id for each in told.rows] == ["Ä", "c3", "c2"]
    assert told.summary["cases"] == 5
    by_customer = reports.cases(desk.store, as_of=as_of, sort="customer_id").rows
    assert [each.customer_id for each in by_customer] == ["k1", "k1", "k2", "k2", "é"]


WRONG: dict[str, dict[str, Any]] = {
    "a limit that is text": {"limit": "3"},
    "a limit that is a part": {"limit": 1.5},
    "a time that is text": {"as_of": "2026-03-02"},
    "a date for a time": {"known_at": date(2026, 3, 2)},
    "a time that is a number": {"since": 5},
    "a field to sort by that is a number": {"sort": 5},
    "a customer that is a number": {"customer": 5},
    "customers that are numbers": {"customer": [5]},
    "a lone surrogate": {"customer": "\ud800"},
    "a lone surrogate among others": {"team": ["north", "\ud800"]},
    "NUL": {"case": "\0"},
}


@pytest.mark.parametrize("asked", WRONG.values(), ids=WRONG)
def test_what_cannot_be_asked_is_a_value_error(desk: Desk, asked: dict[str, Any]) -> None:
    desk.case("c1", opened())
    with pytest.raises(ValueError, match=r"whole number|not a time|not a field|is text or several"):
        reports.cases(desk.store, **asked)
    with pytest.raises(ValueError, match="not a field") as refused:
        reports.cases(desk.store, sort="x" * 5_000_000)
    assert len(str(refused.value)) < 2000
