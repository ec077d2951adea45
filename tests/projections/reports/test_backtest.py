"""The backtest: which verdicts another policy would have changed in the same history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from casestore import Actor
from casestore.events import Money
from casestore.events.policy_document import read_document
from projections import reports
from projections.query.report import Result
from projections.reports.declared.backtest import BACKTEST, BacktestLine
from tests.support.alter import alter
from tests.support.desk import Desk, desk_in
from tests.support.gifts import CAROL, NOBODY, gift, house
from tests.support.stories import (
    BOSS,
    adopted,
    asked,
    assigned,
    closed,
    content,
    customer_merged,
    declined,
    found,
    moment,
    opened,
    replied,
)

BEN = Actor(kind="agent", id="ben", role="first_line", team="south")
NOTHING: dict[str, Any] = {}
LIMIT_10 = {"roles": {"first_line": {"limits": {"EUR": {"per_gesture": "10"}}}}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        yield desk


def backtest(desk: Desk, policy: dict[str, Any], **asked_for: Any) -> Result[BacktestLine]:
    document = read_document(policy)
    asked_for = {"as_of": moment("+30d"), **asked_for}
    return BACKTEST(desk.store, name="new", document=document, **asked_for)


def changed(desk: Desk, policy: dict[str, Any], **asked_for: Any) -> dict[str, str]:
    """Each verdict that would have been different."""
    told = backtest(desk, policy, **asked_for)
    return {f"{each.rule or 'gesture'} {each.subject}": f"{each.before} > {each.after}"
            for each in told.rows}  # fmt: skip


def euros(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def a_history(desk: Desk) -> None:
    """Append some of everything that a policy judges."""
    desk.case("c1", asked(), replied(at="+1h"), replied("r2", "+2h", actor=BEN), found(at="+3h"))
    desk.case("c1", gift("g1", "20", "+4h"), gift("g2", "20", "+5h", actor=BEN))
    desk.case("c1", content("+6h"), closed("+6h"))


# --- nothing


def test_adopting_nothing_changes_nothing(desk: Desk) -> None:
    a_history(desk)
    told = backtest(desk, NOTHING)
    assert told.rows == []
    assert told.summary == {
        "policy": "new",
        "gestures_refused": 0,
        "gestures_refused_sum": [],
        "gestures_allowed": 0,
        "gestures_allowed_sum": [],
        "lapses_appear": 0,
        "lapses_vanish": 0,
        "rules": {},
        "teams": {},
    }


def test_adopting_what_has_always_been_in_force_changes_nothing(desk: Desk) -> None:
    policy = {**LIMIT_10, "conduct": {"max_agents": 1}, "goodwill": {"gestures_per_year": 1}}
    desk.tell("policy", adopted(effective="+0h", policy=policy))
    a_history(desk)
    assert changed(desk, policy) == {}
    assert changed(desk, NOTHING) != {}


def test_nothing_is_adopted_and_the_tables_stay(desk: Desk) -> None:
    a_history(desk)
    before = reports.lapses(desk.store, outcome="all").rows
    assert backtest(desk, {"conduct": {"max_agents": 0}}).rows
    assert desk.store.policies().adopted == ()
    assert reports.lapses(desk.store, outcome="all").rows == before


# --- gestures


def test_a_whole_gesture_that_would_have_been_refused(desk: Desk) -> None:
    desk.case("c1", gift("small", "10"), gift("large", "10.01", "+1h"))
    told = backtest(desk, LIMIT_10)
    assert told.rows == [
        BacktestLine(
            about="gesture",
            rule=None,
            subject="large",
            case_id="c1",
            customer_id="k1",
            at=moment("+1h"),
            agent="anna",
            team="north",
            before="allowed",
            after="refused",
            value=euros("10.01"),
        )
    ]


def test_gestures_refused_and_allowed_and_the_money_of_each(desk: Desk) -> None:
    roles = {
        "first_line": {"limits": {"EUR": {"per_gesture": "10"}, "USD": {"per_gesture": "10"}}},
        "team_lead": {"limits": {"EUR": {"per_gesture": "5"}, "SEK": {}}},
    }
    desk.tell("policy", adopted(effective="+0h", policy={"roles": roles}))
    desk.case(
        "c1",
        gift("refused", "10"),
        gift("refused-too", "9.50"),
        gift("stays", "4"),
        gift("dollars", "10", currency="USD"),
        gift("allowed", "20", actor=CAROL),
        gift("allowed-too", "20", "+1h", approved_by=CAROL),
        gift("crowns", "7", "+1h", currency="SEK", actor=CAROL),
        gift("gone", "10", "+1h"),
        declined("gone", "+1h"),
        gift("without-role", "999", "+1h", actor=NOBODY),
        gift("thing", None, "+1h"),
    )
    policy = {
        "roles": {
            "first_line": {"limits": {"EUR": {"per_gesture": "5"}, "USD": {"per_gesture": "5"}}},
            "team_lead": {"limits": {"EUR": {"per_gesture": "50"}}},
        }
    }
    told = backtest(desk, policy)
    assert {each.subject: each.after for each in told.rows} == {
        "refused": "refused",
        "refused-too": "refused",
        "dollars": "refused",
        "crowns": "refused",
        "allowed": "allowed",
        "allowed-too": "allowed",
    }
    assert told.summary["gestures_refused"] == 4
    assert told.summary["gestures_refused_sum"] == [
        euros("19.50"),
        euros("7", "SEK"),
        euros("10", "USD"),
    ]
    assert told.summary["gestures_allowed"] == 2
    assert told.summary["gestures_allowed_sum"] == [euros("40")]


def test_limits_of_the_customer_hold_for_everybody(desk: Desk) -> None:
    desk.case("c2", opened(customer_id="k2"))
    desk.case("c1", gift("a", "30", actor=BOSS), gift("b", "30", "+1h", approved_by=BOSS))
    desk.case("c2", gift("c", "30", "+2h", actor=BOSS))
    policy = {
        "goodwill": {"per_year": {"EUR": "60"}},
        "roles": {"manager": {"limits": {"EUR": {}}}},
    }
    assert changed(desk, policy) == {}
    desk.customer("k2", customer_merged("k1", "+1d"))
    assert changed(desk, policy) == {
        "gesture c": "allowed > refused",
        "repeat-goodwill c": "satisfied > violated",
    }


def test_gestures_are_judged_whatever_the_policys_enforcement(desk: Desk) -> None:
    desk.case("c1", gift("a", "11"))
    for enforcement in ("report", "refuse"):
        policy = {**LIMIT_10, "goodwill": {"enforcement": enforcement}}
        assert changed(desk, policy) == {"gesture a": "allowed > refused"}


def test_what_was_given_before_counts_as_it_was(desk: Desk) -> None:
    # The second would have been refused. The third is judged after what was actually given.
    desk.case("c1", *(gift(f"g{n}", "20", f"+{n}h") for n in range(3)))
    policy = {"roles": {"first_line": {"limits": {"EUR": {"per_case": "30"}}}}}
    refused = {f"gesture g{n}": "allowed > refused" for n in (1, 2)}
    assert changed(desk, policy) == refused


# --- lapses


def test_lapses_appear_and_vanish_by_rule_and_team(desk: Desk) -> None:
    desk.tell(
        "policy", adopted(effective="+0h", policy={"conduct": {"reply_within": "30 minutes"}})
    )
    desk.case(
        "c1",
        assigned("anna", "north"),
        asked("slow"),
        replied(at="+1h"),
        replied("r2", "+2h", actor=BEN),
    )
    desk.case("c2", opened(), replied(at="+1h", actor=BEN))
    desk.case("c2", replied("r2", "+2h", actor=BOSS), closed("+3h"))
    told = backtest(desk, {"conduct": {"max_agents": 1}})
    lapses = {(each.rule, each.case_id): (each.before, each.after) for each in told.rows}
    assert lapses == {
        ("ignored-message", "c1"): ("violated", "satisfied"),
        ("too-many-hands", "c1"): ("satisfied", "violated"),
        ("too-many-hands", "c2"): ("satisfied", "violated"),
    }
    assert told.summary["lapses_appear"] == 2
    assert told.summary["lapses_vanish"] == 1
    assert told.summary["rules"] == {
        "ignored-message": {"appear": 0, "vanish": 1},
        "too-many-hands": {"appear": 2, "vanish": 0},
    }
    assert told.summary["teams"] == {
        "none": {"appear": 1, "vanish": 0},
        "north": {"appear": 1, "vanish": 1},
    }
    assert {each.value for each in told.rows} == {None}


def test_what_is_due_later_is_no_lapse_yet(desk: Desk) -> None:
    desk.case("c1", asked())
    policy = {"conduct": {"reply_within": "1 hour", "resolve_within": "2 hours"}}
    assert changed(desk, policy, as_of=moment("+30m")) == {}
    assert changed(desk, policy, as_of=moment("+90m")) == {
        "ignored-message m-a1": "None > violated"
    }
    assert changed(desk, policy, as_of=moment("+3h")) == {
        "ignored-message m-a1": "None > violated",
        "too-slow case": "None > violated",
    }
    assert changed(desk, policy, as_of=moment("+9d")) == {}  # by then it is a lapse either way


def test_a_working_calendar_judges_too(desk: Desk) -> None:
    # START is a Monday at 09:00 UTC.
    desk.case("c1", asked(), replied(at="+26h"))
    eight = {"conduct": {"reply_within": "8 business hours"}}
    assert changed(desk, eight) == {}  # till 17:00; and it was due in 24 hours by the built-in one
    of_hours = {"calendar": {"hours": {"mon": ["09:00-10:00"], "tue": ["09:00-17:00"]}}, **eight}
    assert changed(desk, of_hours) == {"ignored-message m-a1": "violated > satisfied"}


# --- what is asked for


def test_a_part_of_the_time(desk: Desk) -> None:
    desk.case("c1", *(gift(f"g{n}", "11", f"+{n}h") for n in range(4)))
    some = {"since": moment("+1h"), "until": moment("+3h")}
    told = backtest(desk, LIMIT_10, **some)
    assert [each.subject for each in told.rows] == ["g1", "g2"]
    assert told.summary["gestures_refused_sum"] == [euros("22")]
    # The case and the year count whole.
    policy = {"roles": {"first_line": {"limits": {"EUR": {"per_case": "22"}}}}}
    assert list(changed(desk, policy, **some)) == ["gesture g2"]


def test_the_past_is_judged_as_of_then(desk: Desk) -> None:
    desk.case("c1", gift("a", "11"), gift("b", "11", "+1d"))
    assert list(changed(desk, LIMIT_10, as_of=moment("+1h"))) == ["gesture a"]
    told = backtest(desk, LIMIT_10, as_of=moment("+1h"))
    assert told.as_of == moment("+1h")
    now = backtest(desk, LIMIT_10, as_of=None)
    assert len(now.rows) == 2
    assert now.as_of <= datetime.now(UTC)


def test_it_is_judged_as_if_it_had_always_been_in_force(desk: Desk) -> None:
    desk.case("c1", gift("a", "11"))
    desk.tell("policy", house({"first_line": {"limits": {"EUR": {}}}}, "+1h"))
    desk.case("c1", gift("b", "11", "+1h"))
    assert list(changed(desk, LIMIT_10)) == ["gesture a", "gesture b"]


def test_rows_are_in_the_order_of_time(desk: Desk) -> None:
    a_history(desk)
    policy = {**LIMIT_10, "conduct": {"max_agents": 0}, "goodwill": {"gestures_per_year": 0}}
    times = [each.at for each in backtest(desk, policy).rows]
    assert len(times) >= 4
    assert times == sorted(times)
    refused = [each.subject for each in backtest(desk, policy, sort="-subject", limit=2).rows]
    assert refused == sorted(refused, reverse=True)
    assert backtest(desk, policy, limit=2).summary == backtest(desk, policy).summary


def test_a_stream_that_was_damaged_since_is_left_out(desk: Desk) -> None:
    desk.case("c2", opened(), gift("b", "11"))
    desk.case("c1", gift("a", "11"))
    assert list(changed(desk, LIMIT_10)) == ["gesture a", "gesture b"]
    second = "originator_id = 'case:c2' AND originator_version = 2"
    alter(desk.store, f"UPDATE {{t}} SET topic = 'NoSuchType' WHERE {second}")
    assert list(changed(desk, LIMIT_10)) == ["gesture a"]
