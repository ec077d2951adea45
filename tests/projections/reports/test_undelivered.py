"""The report `undelivered`: which replies did not arrive, and which replies count as an answer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from casestore.events import Actor, Event
from casestore.streams.history import History, Recorded
from projections import PROJECTIONS, reports
from projections.engine.live import LiveTables
from projections.history.case_history import CaseHistory
from projections.models.cases import CaseRow
from projections.models.cases import rows as case_rows
from projections.models.deliveries import DeliveryRow, rows
from projections.reports import UndeliveredLine
from tests.support.desk import desk_in
from tests.support.stories import (
    Learnt,
    bounced,
    customer_merged,
    delivered,
    given,
    issue,
    kept_by_reply,
    learnt,
    moment,
    opened,
    promised,
    replied,
    uid,
    wrote,
)

MACHINE = Actor(kind="system", id="autoresponder")


def failures(*told: Event | Learnt, as_of: str = "+30d") -> list[DeliveryRow]:
    return list(rows(given(opened(), *told).reading(as_of)))


def failed(*told: Event | Learnt, as_of: str = "+30d") -> list[str]:
    return [row.reply_id for row in failures(*told, as_of=as_of)]


def case_of(*told: Event | Learnt, as_of: str = "+30d") -> CaseRow:
    (row,) = case_rows(given(opened(), *told).reading(as_of))
    return row


# --- what did not arrive


def test_news_that_a_reply_did_not_arrive() -> None:
    sent = replied("r1")
    for kind in ("permanent", "no_answer", "reported_missing"):
        (row,) = failures(sent, bounced("r1", "+1h", kind=kind, code="5.1.1"))
        assert (row.kind, row.code, row.failed_at) == (kind, "5.1.1", moment("+1h"))
    (row,) = failures(sent, wrote(at="+2h", says_not_received=["r1"]))
    assert (row.kind, row.code, row.failed_at) == ("reported_missing", None, moment("+2h"))


def test_a_temporary_failure_says_nothing() -> None:
    sent, delayed = replied("r1"), bounced("r1", "+1h", kind="temporary")
    assert failed(sent) == failed(sent, delayed) == []
    assert failed(sent, bounced("r1", "+1h"), bounced("r1", "+2h", kind="temporary")) == ["r1"]


def test_a_confirmation_clears_it_until_the_next_bad_news() -> None:
    lost = replied("r1"), bounced("r1", "+1h")
    assert failed(*lost, delivered("r1", "+2h")) == []
    again = *lost, delivered("r1", "+2h"), wrote(at="+3h", says_not_received=["r1"])
    assert [row.failed_at for row in failures(*again)] == [moment("+3h")]
    assert failed(*again, as_of="+2h") == []
    assert failed(*again, as_of="+1h") == ["r1"]


def test_the_first_news_of_a_failure_is_when_it_failed() -> None:
    (row,) = failures(
        replied("r1"), bounced("r1", "+1h"), wrote(at="+9h", says_not_received=["r1"])
    )
    assert (row.kind, row.failed_at) == ("permanent", moment("+1h"))


def test_the_latest_news_counts_whenever_it_was_recorded() -> None:
    late_bounce = delivered("r1", "+2h"), learnt("+3h", bounced("r1", "+1h"))
    assert failed(replied("r1"), *late_bounce) == []
    late_proof = bounced("r1", "+2h"), learnt("+3h", delivered("r1", "+1h"))
    assert failed(replied("r1"), *late_proof) == ["r1"]


# --- sent again


def test_a_failed_reply_names_the_resend_that_arrived_or_else_the_latest() -> None:
    lost = replied("r1"), bounced("r1", "+1h")
    assert failures(*lost)[0].resent_by is None
    again = *lost, replied("r2", "+2h", resend_of="r1")
    assert failures(*again)[0].resent_by == "r2"
    twice = *again, bounced("r2", "+3h"), replied("r3", "+4h", resend_of="r1")
    assert [row.resent_by for row in failures(*twice)] == ["r3", None]
    assert failures(*twice, bounced("r3", "+5h"))[0].resent_by == "r3"
    assert failures(*twice, bounced("r3", "+5h"), delivered("r2", "+6h"))[0].resent_by == "r2"


def test_a_resend_of_a_resend_stands_for_the_first_as_well() -> None:
    lost_twice = (
        *(replied("r1"), bounced("r1", "+1h")),
        *(replied("r2", "+2h", resend_of="r1"), bounced("r2", "+3h")),
    )
    one, two = failures(*lost_twice, replied("r3", "+4h", resend_of="r2"))
    assert (one.resent_by, two.resent_by) == ("r3", "r3")
    assert one.made_good_at == two.made_good_at == moment("+4h")


def test_it_may_have_been_resent_a_thousand_times() -> None:
    events: list[Event] = [opened(), wrote(), promised(), replied("r0"), kept_by_reply("r0")]
    events.append(bounced("r0"))
    for n in range(1, 1100):
        events += [replied(f"r{n}", resend_of=f"r{n - 1}"), bounced(f"r{n}")]
    recorded = [Recorded(e, "case:c1", n, n, str(uid(n)), None, n) for n, e in enumerate(events, 1)]
    reading = CaseHistory(History("case:c1", recorded))
    assert reading.arrived("r0") is None
    assert len(list(rows(reading))) == 1100
    assert next(case_rows(reading)).waiting == (moment("+0h"),)


# --- made good


def test_a_later_human_reply_on_the_same_issues_makes_it_good() -> None:
    def made_good_at(lost: list[str] | None, then: Event) -> datetime | None:
        told = issue("i1"), issue("i2"), replied("r1", addresses=lost), bounced("r1", "+1h")
        return failures(*told, then)[0].made_good_at

    answer = replied("r2", "+2h", addresses=["i1"])
    assert made_good_at(["i1", "i2"], answer) == moment("+2h")
    assert made_good_at(["i2"], answer) is None
    assert made_good_at(None, answer) == moment("+2h")  # which issues is not recorded
    assert made_good_at(["i2"], replied("r2", "+2h")) == moment("+2h")
    assert made_good_at(["i1"], replied("r2", "+2h", automated=True)) is None


def test_only_what_arrived_makes_it_good() -> None:
    lost = replied("r1", "+1h"), bounced("r1", "+2h")
    assert failures(*lost, replied("r2", "+3h"), bounced("r2", "+4h"))[0].made_good_at is None
    assert failures(*lost, replied("r0", "+30m"))[0].made_good_at is None
    machine = *lost, replied("r2", "+3h", resend_of="r1", automated=True)
    assert failures(*machine)[0].made_good_at == moment("+3h")  # the same words, on their way again
    before_we_knew = *lost, learnt("+3h", replied("r2", "+90m"))
    assert failures(*before_we_knew)[0].made_good_at == moment("+90m")


# --- what counts as an answer


def test_the_first_response_is_the_first_human_reply_that_arrived() -> None:
    asked_and_told = wrote(), replied("r0", "+1m", automated=True), replied("r1", "+1h")
    assert case_of(*asked_and_told).first_response_at == moment("+1h")
    lost = *asked_and_told, bounced("r1", "+2h")
    assert case_of(*lost).first_response_at is None
    assert case_of(*lost, as_of="+1h").first_response_at == moment("+1h")
    assert case_of(*lost, replied("r2", "+3h")).first_response_at == moment("+3h")


def test_a_resend_answers_from_its_own_time() -> None:
    lost = wrote(), replied("r1", "+1h"), bounced("r1", "+2h")
    again = *lost, replied("r2", "+3h", resend_of="r1")
    assert case_of(*again).first_response_at == moment("+3h")
    # A resend by a machine of a person's reply is an answer. An automated reply is not.
    machine = *lost, replied("r2", "+3h", resend_of="r1", automated=True)
    assert case_of(*machine).first_response_at == moment("+3h")
    assert case_of(*lost, replied("r2", "+3h", automated=True)).first_response_at is None


def test_a_customer_waits_since_the_earliest_message_that_no_answer_came_after() -> None:
    def waiting(*told: Event | Learnt, as_of: str = "+30d") -> list[datetime]:
        return list(case_of(*told, as_of=as_of).waiting)

    asked = wrote("m1", "+1h"), wrote("m2", "+2h")
    both = [moment("+1h"), moment("+2h")]
    assert waiting(*asked) == both
    assert waiting(*asked, replied("r1", "+3h", automated=True)) == both
    answered = *asked, replied("r1", "+3h")
    assert waiting(*answered) == []
    assert waiting(*answered, wrote("m3", "+4h")) == [moment("+4h")]
    assert waiting(*answered, bounced("r1", "+5h")) == both
    assert waiting(*answered, bounced("r1", "+5h"), as_of="+4h") == []
    resent = *answered, bounced("r1", "+5h"), replied("r2", "+6h", resend_of="r1")
    assert waiting(*resent, wrote("m3", "+4h")) == []
    assert waiting(*asked, learnt("+9d", replied("r1", "+90m"))) == [moment("+2h")]


def test_at_one_moment_what_was_recorded_later_came_after() -> None:
    assert case_of(wrote(), replied()).waiting == ()
    assert case_of(replied(), wrote()).waiting == (moment("+0h"),)


# --- the report


def test_the_report_of_what_did_not_arrive(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), replied("r1"), replied("r2", actor=MACHINE, automated=True))
        desk.case("c1", bounced("r1", "+1h", code="5.1.1"), bounced("r2", "+1d", kind="temporary"))
        desk.case("c1", replied("r3", "+1d", resend_of="r1"))
        desk.case("c2", opened("+2d", customer_id="k2", product="phone", channel="phone"))
        desk.case("c2", replied("r1", "+2d", channel="phone"))
        desk.case("c2", bounced("r1", "+2d", kind="no_answer"))
        desk.customer("k2", customer_merged("k1", "+2d"))
        store, as_of = desk.store, moment("+3d")

        told = reports.undelivered(store, as_of=as_of)
        assert told.rows == [
            UndeliveredLine(
                reply_id="r1",
                case_id="c1",
                customer_id="k1",
                channel="email",
                kind="permanent",
                code="5.1.1",
                failed_at=moment("+1h"),
                resent_by="r3",
                made_good_at=moment("+1d"),
                age_s=71 * 3600,
            ),
            UndeliveredLine(
                reply_id="r1",
                case_id="c2",
                customer_id="k1",
                channel="phone",
                kind="no_answer",
                code=None,
                failed_at=moment("+2d"),
                resent_by=None,
                made_good_at=None,
                age_s=24 * 3600,
            ),
        ]
        assert told.summary == {
            "undelivered": 2,
            "permanent": 1,
            "no_answer": 1,
            "reported_missing": 0,
            "not_resent": 1,
            "not_made_good": 1,
        }

        def cases(**asked: Any) -> list[str]:
            return [row.case_id for row in reports.undelivered(store, as_of=as_of, **asked).rows]

        assert cases(product="phone") == cases(case="c2") == ["c2"]
        assert cases(customer="k2") == cases(agent="anna", team="north") == ["c1", "c2"]
        assert cases(until=moment("+2d")) == ["c1"]
        assert cases(since=moment("+2d")) == ["c2"]


def test_a_case_whose_own_row_could_not_be_made(tmp_path: Path) -> None:
    """The report counts it as parked; the rows of its replies are still listed."""
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), replied("r1"), bounced("r1", "+1h"))
        assert reports.undelivered(desk.store).summary["not_made_good"] == 1
        with LiveTables(desk.store, PROJECTIONS) as live, live.tables.writing() as cursor:
            cursor.run(f"DELETE FROM {live.tables.at(live.current()['cases'].table)}")
        assert reports.undelivered(desk.store).summary["not_made_good"] == 1
