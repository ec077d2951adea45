"""Small histories that were once read wrongly: late recording, merges, and extreme values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from casestore import EventRefused
from casestore.doctor.examine import examine
from casestore.events import Money
from casestore.transfer.ndjson import import_lines
from projections import reports
from projections.query.report import Report
from tests.support.alter import rewrite
from tests.support.command_line import Casestore
from tests.support.desk import Desk
from tests.support.gifts import gift, house
from tests.support.stories import (
    START,
    asked,
    assigned,
    bounced,
    closed,
    customer_merged,
    escalated,
    issue,
    learnt,
    merged,
    moment,
    opened,
    promised,
    reclassified,
    registered,
    reopened,
    replied,
    wrote,
)

DAY = 24 * 3600


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    with desk.store:
        yield desk


def rows(desk: Desk, report: Report[Any], as_of: str = "+400d", **asked: Any) -> list[Any]:
    return list(report(desk.store, as_of=moment(as_of), **asked).rows)


def row(desk: Desk, report: Report[Any], as_of: str = "+400d", **asked: Any) -> Any:
    (only,) = rows(desk, report, as_of, **asked)
    return only


# --- recorded late


def test_an_earlier_closing_and_reopening_are_told_after_the_last_closing(desk: Desk) -> None:
    desk.case("a", opened(), closed("+16d"))
    desk.case("a", learnt("+17d", reopened("+6d")), learnt("+17d", closed("+1d")))
    case = row(desk, reports.cases)
    assert (case.status, case.closed_at) == ("closed", moment("+16d"))
    assert (case.resolution_s, case.reopens) == (16 * DAY, 1)
    line = row(desk, reports.breakdown, by="channel")
    assert (line.resolution_median_s, line.reopened, line.closed) == (16 * DAY, 1, 1)
    then = row(desk, reports.cases, "+2d")
    assert (then.closed_at, then.resolution_s) == (moment("+1d"), DAY)
    shown = desk.store.case("a")
    assert (shown.status, shown.closed_at) == ("closed", moment("+16d"))


def test_an_earlier_assignment_and_reclassification_are_told_late(desk: Desk) -> None:
    desk.case("a", opened(category="billing"), promised("p1", "+1h", due="+4d"))
    desk.case("a", assigned("bob", "north", "+2d"), reclassified("+2d", category="fraud"))
    desk.case("a", learnt("+3d", assigned("anna", "south", "+1d")))
    desk.case("a", learnt("+3d", reclassified("+1d", category="service")))
    case = row(desk, reports.cases)
    assert (case.agent, case.team, case.category) == ("bob", "north", "fraud")
    assert row(desk, reports.promises, category="fraud").owner_at_due == "bob"
    late = rows(desk, reports.overdue, "+6d")
    assert [(each.kind, each.owner, each.team) for each in late] == [
        ("reply", "bob", "north"),  # nobody has answered what came in
        ("promise", "bob", "north"),
    ]
    assert row(desk, reports.cases, "+1d").team == "south"
    shown = desk.store.case("a")
    assert (shown.agent, shown.team, shown.category) == ("bob", "north", "fraud")


def test_the_newest_case_of_merged_customers_is_imported_before_the_oldest(desk: Desk) -> None:
    desk.tell("customer:C-1", registered())
    desk.case("x", opened("+31d", customer_id="C-1"))
    desk.case("n", opened("+488d", customer_id="C-2"))
    desk.case("o", learnt("+488d", opened("+59d", customer_id="C-2")))
    desk.tell("customer:C-2", learnt("+488d", customer_merged("C-1", "+151d")))
    cases = rows(desk, reports.cases, "+334d", customer="C-1")
    assert [each.case_id for each in cases] == ["x", "o"]
    repeat = row(desk, reports.repeats, "+334d")
    assert (repeat.customer_id, repeat.case_ids) == ("C-1", ("x", "o"))


def test_a_real_registration_comes_after_that_by_the_store(desk: Desk) -> None:
    desk.case("x", opened("+31d", customer_id="C-1"))
    desk.tell("customer:C-1", learnt("+32d", registered()))
    with pytest.raises(EventRefused):
        desk.tell("customer:C-1", learnt("+33d", registered("+1d")))


# --- merged


def test_a_promise_in_a_case_that_was_merged_is_never_kept(desk: Desk) -> None:
    desk.case("a", opened())
    desk.case("b", opened(), promised("cb", "+1h", due="+2d"), merged("a", "+1d"))
    lapse = row(desk, reports.lapses, "+8d", rule="promise-broken")
    assert (lapse.case_id, lapse.subject, lapse.outcome) == ("a", "b/cb", "violated")


def test_a_message_is_answered_from_the_case_that_its_own_is_merged_into(desk: Desk) -> None:
    desk.case("a", opened())
    desk.case("b", opened(), asked("q1"))
    desk.case("a", replied("r1", "+2h"))
    desk.case("b", merged("a", "+2d"))
    lapse = row(desk, reports.lapses, rule="ignored-message", outcome="all")
    assert (lapse.case_id, lapse.subject, lapse.outcome) == ("a", "b/m-q1", "satisfied")
    answer = row(desk, reports.responses)
    assert (answer.message_id, answer.seconds) == ("b/m-q1", 2 * 3600)


def test_merged_cases_are_resolved_from_the_earliest_receipt_on(desk: Desk) -> None:
    desk.case("b", opened())
    desk.case("a", opened("+3d"))
    desk.case("b", merged("a", "+73h"))
    desk.case("a", closed("+7d"))
    lapse = row(desk, reports.lapses, rule="too-slow", outcome="all")
    assert (lapse.case_id, lapse.outcome, lapse.at) == ("a", "violated", moment("+5d"))
    merged_row, case = rows(desk, reports.cases)
    assert (case.received_at, case.resolution_s) == (moment("+0h"), 7 * DAY)
    assert (merged_row.status, merged_row.resolution_s) == ("merged", None)


def test_a_case_was_reopened_and_then_merged(desk: Desk) -> None:
    desk.case("a", opened())
    desk.case("b", opened(), closed("+1d"), reopened("+2d"), merged("a", "+49h"))
    case, merged_row = rows(desk, reports.cases)
    assert (case.reopens, merged_row.reopens) == (1, 0)
    assert row(desk, reports.breakdown, by="channel").reopened == 1
    (of_anna,) = [e for e in rows(desk, reports.breakdown, by="agent") if e.group == "anna"]
    assert of_anna.reopened == 1  # she had closed it


# --- extreme values


def line(stream: str, type_: str, at: datetime = START, **data: Any) -> bytes:
    actor = {"kind": "agent", "id": "anna"}
    told = {"occurred_at": at.isoformat(), "actor": actor, **data}
    return json.dumps({"stream": stream, "type": type_, "data": told}).encode()


def refusals(desk: Desk, lines: Iterable[bytes]) -> list[str]:
    return [str(each) for each in import_lines(desk.store, list(lines)).refused]


def command(desk: Desk) -> Casestore:
    return Casestore(desk.store.url)


NO_DATE = "9999-12-31T23:59:59Z"


def test_a_due_time_that_means_no_date_is_refused(desk: Desk) -> None:
    desk.case("a", opened())
    (refused,) = refusals(
        desk, [line("case:a", "PromiseMade", promise_id="p", kind="refund", due_at=NO_DATE)]
    )
    assert "due_at" in refused
    assert "leave due_at out" in refused


def test_a_due_time_that_means_no_date_is_shown_where_it_is_stored(desk: Desk) -> None:
    desk.case("a", opened(), promised("p", due=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)))
    rewrite(desk.store, "case:a", "2030-01-02T03:04:05Z", NO_DATE)
    casestore = command(desk)
    shown = casestore("promises", "--tz", "Asia/Tokyo").fine().out
    assert "9999-12-31 23:59:59 UTC" in shown
    told = casestore("case", "timeline", "a", "--tz", "Europe/Berlin").fine().out
    assert "9999-12-31 23:59:59" in told
    assert row(desk, reports.promises).state == "open"
    for report in reports.REPORTS:
        needed: dict[str, Any] = {
            o.name: o.kind[0] if isinstance(o.kind, tuple) else "agent"
            for o in report.options
            if o.required
        }
        if report.argument is not None:
            needed[report.argument] = "k1"
        assert report(desk.store, **needed).parked == 0
    for command_ in ("show", "replay"):
        casestore("case", command_, "a", "--tz", "Pacific/Kiritimati").fine()


def test_amounts_add_up_to_more_digits_than_an_amount_may_have(desk: Desk) -> None:
    amount = "9999999999999999.99999999"
    desk.case("a", opened(customer_id="C-1"), gift("g1", amount, currency="USD"))
    desk.case("a", gift("g2", amount, currency="USD"))
    whole = Money.exact(Decimal("19999999999999999.99999998"), "USD")
    assert row(desk, reports.goodwill_spend, by="kind").sum == whole
    told = reports.goodwill_history(desk.store, customer="C-1", as_of=moment("+1d"))
    assert told.summary["gestures_sum"] == [whole]
    assert [each.year_value for each in told.rows][-1] == whole
    asked = ("goodwill", "spend", "--by", "kind", "--format", "json")
    (spent,) = command(desk)(*asked).fine().json["rows"]
    assert spent["sum"] == {"amount": "19999999999999999.99999998", "currency": "USD"}
    assert row(desk, reports.period, as_of="+1d").goodwill == [whole]


def test_a_receipt_after_the_opening_is_refused(desk: Desk) -> None:
    (refused,) = refusals(
        desk,
        [
            line(
                "case:a",
                "CaseOpened",
                customer_id="C-1",
                channel="email",
                received_at=moment("+365d").isoformat(),
            )
        ],
    )
    assert "received_at is after occurred_at" in refused


def test_a_stored_receipt_after_the_opening_measures_nothing_and_the_doctor_tells(
    desk: Desk,
) -> None:
    desk.case("a", opened(received_at=datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)))
    desk.case("a", replied("r1", "+1h"), closed("+2h"))
    rewrite(desk.store, "case:a", "2020-01-02T03:04:05Z", "2027-01-02T03:04:05Z")
    case = row(desk, reports.cases)
    assert (case.first_response_at, case.first_response_s) == (moment("+1h"), None)
    assert (case.resolution_s, case.resolution_working_s, case.resolution_net_s) == (None,) * 3
    assert (case.status, case.resolve_due_at) == ("closed", None)
    line = row(desk, reports.breakdown, by="channel")
    assert (line.closed, line.first_response_median_s, line.resolution_median_s) == (1, None, None)
    month = row(desk, reports.period, "+1d")
    assert (month.received, month.opened, month.closed) == (1, 1, 1)
    assert month.closed_within == {"3d": 0, "4w": 0, "8w": 0}
    (finding,) = [each for each in examine(desk.store) if each.level != "ok"]
    assert (finding.level, finding.where) == ("warning", "case:a version 1, position 2")
    assert "received_at is after occurred_at" in finding.what
    assert "EventCorrected" in finding.do


# --- definitions of the reports


def test_an_assignment_that_names_only_an_agent_leaves_the_team(desk: Desk) -> None:
    desk.case("a", opened(), assigned("anna", "north"), assigned("bob", None, "+1h"))
    case = row(desk, reports.cases, team="north")
    assert (case.case_id, case.agent) == ("a", "bob")


def test_the_only_answer_bounced_after_the_closing(desk: Desk) -> None:
    desk.case("a", opened(), wrote(), replied("r1", "+1h"), closed("+61m"), bounced("r1", "+65m"))
    assert row(desk, reports.waiting).waiting_since == moment("+0h")
    assert row(desk, reports.cases).waiting_since == moment("+0h")
    assert rows(desk, reports.waiting, "+61m") == []


def test_neither_of_two_escalations_to_an_executive_was_returned(desk: Desk) -> None:
    desk.case("c1", opened(), replied("r1"))
    desk.case("c1", escalated("e1", "+1d", kind="executive"))
    desk.case("c1", escalated("e2", "+4d", kind="executive"))
    assert [each.id for each in rows(desk, reports.overdue, "+18d")] == ["e1", "e2"]


def test_a_limit_for_a_case_counts_what_was_given_a_year_before(desk: Desk) -> None:
    roles = {"first_line": {"limits": {"EUR": {"per_case": "25"}}}}
    desk.tell("policy", house(roles, enforcement="report"))
    desk.case("c1", opened(customer_id="K1"), gift("g1", "20"), gift("g2", "20", "+366d"))
    told = rows(desk, reports.goodwill_history, customer="K1")
    assert [(each.id, each.within_authority) for each in told] == [("g1", "yes"), ("g2", "no")]
    allowed = rows(
        desk, reports.goodwill_allowance, "+365d", customer="K1", role="first_line", case="c1"
    )
    used = {each.limit: each.used for each in allowed if each.currency == "EUR"}
    assert used == {"role per case": Money(amount=Decimal(20), currency="EUR")}


def test_a_reply_about_nothing_makes_an_undelivered_one_not_good(desk: Desk) -> None:
    desk.case("c1", opened(), issue("i1"), replied("r1", "+1h", addresses=["i1"]))
    desk.case("c1", bounced("r1", "+2h"), replied("r2", "+3h", addresses=[]))
    assert ("resend", "r1") in [(e.kind, e.id) for e in rows(desk, reports.overdue, "+18d")]
    told = reports.undelivered(desk.store, as_of=moment("+18d"))
    assert [each.reply_id for each in told.rows] == ["r1"]
    assert told.summary["not_made_good"] == 1


def test_of_gestures_of_one_moment_the_first_on_record_comes_first(desk: Desk) -> None:
    roles = {"first_line": {"limits": {"EUR": {"per_gesture": "50", "per_year": "50"}}}}
    desk.tell("policy", house(roles, enforcement="report"))
    desk.case("c1", opened(customer_id="K1"), gift("g9", "10", "+1h"), gift("g10", "45", "+1h"))
    told = rows(desk, reports.goodwill_history, customer="K1")
    assert [(each.id, each.year_count, each.within_authority) for each in told] == [
        ("g9", 1, "yes"),
        ("g10", 2, "no"),
    ]
