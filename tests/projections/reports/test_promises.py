"""The state of a promise at a time, and the report `promises`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.events import Actor, Event
from casestore.transfer.ndjson import import_lines
from projections import reports
from projections.models.promises import rows
from projections.reports import PromiseLine
from projections.reports.declared.promises import line_of
from tests.support.desk import Desk, desk_in
from tests.support.permits import permit_answers
from tests.support.real_data import permits
from tests.support.stories import (
    BOSS,
    START,
    Learnt,
    Moment,
    amended,
    assigned,
    bounced,
    closed,
    customer_merged,
    delivered,
    given,
    kept,
    kept_by_reply,
    learnt,
    merged,
    moment,
    moved,
    opened,
    promised,
    ref,
    released,
    remedied,
    reopened,
    replied,
    unmerged,
    voided,
    withdrew,
    wrote,
)

MICROSECOND = timedelta(microseconds=1)


class Told:
    """A case with one promise, whose state is asked for."""

    def __init__(self, *told: Event | Learnt) -> None:
        self.story = given(opened(), *told)

    def line(self, as_of: Moment, known_at: Moment | None = None) -> PromiseLine:
        (row,) = rows(self.story.reading(as_of, known_at))
        return line_of(row, row.customer_id, moment(as_of))

    def states(self, *moments: Moment) -> list[str]:
        return [self.line(each).state for each in moments]


def state(*told: Event | Learnt, as_of: Moment = "+30d") -> str:
    return Told(*told).line(as_of).state


# --- time passes


def test_a_whole_row_of_a_promise_that_stands_and_of_one_that_is_kept() -> None:
    about = {"category": "late", "product": "fibre", "region": "north"}
    told = given(opened(**about), assigned("ben", at="+1h"), promised(at="+2h", due="+5h"))
    (stands,) = rows(told.reading("+9h"))
    assert (stands.due_at, stands.pending_due_at) == (moment("+5h"), moment("+5h"))
    assert (stands.owner_at_due, stands.status_at_due) == ("ben", "open")
    assert (stands.product, stands.region, stands.category) == ("fibre", "north", "late")
    for end in (kept(at="+6h"), released(at="+6h"), withdrew(at="+6h")):
        (ended,) = rows(told.plus(end).reading("+9h"))
        assert (ended.due_at, ended.pending_due_at) == (moment("+5h"), None)


def test_what_was_kept_by_a_reply_that_came_late_was_kept_by_what_came_before() -> None:
    told = given(opened(), promised(), replied("r1", "+1h"), bounced("r1", "+2h"))
    for step in (kept_by_reply("r1", at="+1h"), kept(at="+3h"), resent("+5h")):
        told = told.plus(step)
    (row,) = rows(told.reading("+9h"))
    assert row.kept_at == moment("+3h")


def resent(at: str) -> Event:
    return replied("r2", at, resend_of="r1")


def test_a_promise_is_open_until_it_is_due_and_broken_a_microsecond_later() -> None:
    callback = Told(promised(due="+2h"))
    due = moment("+2h")
    assert callback.states("+0h", due, due + MICROSECOND) == ["open", "open", "broken"]
    assert callback.line(due).broken_at is None
    assert callback.line("+5h").broken_at == due
    assert callback.line("+5h").late_by_s == 3 * 3600
    assert callback.line("+6h").late_by_s == 4 * 3600


def test_a_promise_kept_by_its_time_is_kept_and_a_microsecond_later_late() -> None:
    due = moment("+2h")
    assert state(promised(due="+2h"), kept(at="+1h")) == "kept"
    assert state(promised(due="+2h"), kept(at=due)) == "kept"
    late = Told(promised(due="+2h"), kept(at=due + MICROSECOND))
    assert late.states(due, due + MICROSECOND) == ["open", "late"]
    assert late.line("+30d").late_by_s == 0


def test_what_is_kept_late_was_broken_until_then_and_stays_late() -> None:
    late = Told(promised(due="+2h"), kept(at="+5h"))
    assert late.states("+1h", "+3h", "+5h", "+30d") == ["open", "broken", "late", "late"]
    line = late.line("+30d")
    assert (line.broken_at, line.kept_at) == (moment("+2h"), moment("+5h"))
    assert line.late_by_s == 3 * 3600


def test_a_promise_without_a_time_is_never_late() -> None:
    assert Told(promised(), kept(at="+9d")).states("+8d", "+9d") == ["undated", "kept"]
    line = Told(promised()).line("+300d")
    assert (line.broken_at, line.late_by_s, line.owner_at_due) == (None, None, None)


def test_a_time_is_a_moment_wherever_the_clock_was_read() -> None:
    # In Berlin, clocks go from 02:00 to 03:00 on 29 March, so it is due in two hours, not in three.
    made = datetime.fromisoformat("2026-03-29T01:30:00+01:00")
    due = datetime.fromisoformat("2026-03-29T04:30:00+02:00")
    callback = promised(at=made, due=due)
    assert due - made == timedelta(hours=2)
    in_time = kept(at=datetime.fromisoformat("2026-03-29T03:30:00+01:00"))
    assert state(callback, in_time) == "kept"
    assert state(callback, kept(at=datetime.fromisoformat("2026-03-29T04:30:00+01:00"))) == "late"
    line = Told(callback).line("+300d")
    assert line.due_at == line.broken_at == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


# --- a new time


def test_a_new_time_counts_if_the_customer_agreed_by_the_old_one() -> None:
    due = moment("+2h")
    for at, agreed, then in (
        ("+1h", True, "open"),
        (due, True, "open"),
        (due + MICROSECOND, True, "broken"),
        ("+1h", False, "broken"),
    ):
        new_time = moved(at=at, due="+5h", agreed_by_customer=agreed)
        line = Told(promised(due=due), new_time).line("+3h")
        assert (line.state, line.renegotiations) == (then, 1)
        assert line.first_due_at == due
        assert line.due_at == (moment("+5h") if then == "open" else due)


def test_each_new_time_is_held_to_the_one_in_force() -> None:
    first = promised(due="+2h"), moved(at="+1h", due="+5h")
    in_time = Told(*first, moved(at="+4h", due="+9h"), kept(at="+8h")).line("+30d")
    assert (in_time.state, in_time.due_at, in_time.renegotiations) == ("kept", moment("+9h"), 2)
    too_late = Told(*first, moved(at="+6h", due="+9h"), kept(at="+8h")).line("+30d")
    assert (too_late.state, too_late.due_at, too_late.renegotiations) == ("late", moment("+5h"), 2)


def test_a_new_time_may_be_an_earlier_one() -> None:
    sooner = Told(promised(due="+5h"), moved(at="+1h", due="+2h"))
    assert sooner.states("+2h", "+3h") == ["open", "broken"]


def test_new_times_are_taken_in_the_order_in_which_they_were_agreed() -> None:
    second, first = moved(at="+4h", due="+9h"), moved(at="+1h", due="+5h")
    story = Told(promised(due="+2h"), second, learnt("+6h", first))
    assert story.line("+3h").due_at == moment("+5h")
    assert story.line("+30d").due_at == moment("+9h")
    assert story.line("+30d", known_at="+5h").due_at == moment("+2h")  # agreed to too late


def test_before_a_new_time_was_agreed_the_old_one_held() -> None:
    story = Told(promised(due="+2h"), moved(at="+1h", due="+5h"))
    assert story.line("+30m").due_at == moment("+2h")


def test_a_promise_without_a_time_may_be_given_one() -> None:
    dated = Told(promised(), moved(at="+1h", due="+5h"))
    assert dated.states("+30m", "+2h", "+6h") == ["undated", "open", "broken"]
    assert dated.line("+6h").first_due_at is None
    assert state(promised(), moved(at="+1h", due="+5h", agreed_by_customer=False)) == "undated"


# --- released or withdrawn


def test_the_customer_can_let_us_off_until_the_promise_is_broken() -> None:
    due = moment("+2h")
    assert state(promised(due=due), released(at="+1h")) == "released"
    assert state(promised(due=due), released(at=due)) == "released"
    assert state(promised(), released(at="+9d")) == "released"
    let_off = Told(promised(due=due), released(at="+5h"))
    assert let_off.states("+1h", "+3h", "+5h") == ["open", "broken", "broken"]


def test_a_broken_promise_grows_no_later_once_the_customer_has_let_us_off() -> None:
    let_off = Told(promised(due="+2h"), released(at="+5h"))
    assert [let_off.line(each).late_by_s for each in ("+4h", "+30d")] == [2 * 3600, 3 * 3600]


def test_a_promise_gone_back_on_is_broken_by_the_earlier_of_that_and_its_time() -> None:
    for told, broken_at in (
        ([promised(due="+2h"), withdrew(at="+1h")], "+1h"),
        ([promised(due="+2h"), withdrew(at="+5h")], "+2h"),
        ([promised(), withdrew(at="+5h")], "+5h"),
        ([promised(due="+2h"), moved(at="+1h", due="+9h"), withdrew(at="+5h")], "+5h"),
    ):
        line = Told(*told).line("+30d")
        assert (line.state, line.broken_at) == ("withdrawn", moment(broken_at))
        assert line.late_by_s is None
    assert Told(promised(due="+9h"), withdrew(at="+5h")).states("+4h", "+5h") == [
        "open",
        "withdrawn",
    ]


# --- kept by a reply, which has to arrive

BY_REPLY = (promised(due="+2d"), replied("r1", "+1d"), kept_by_reply("r1", at="+1d"))


def test_a_promise_kept_by_a_reply_is_not_once_the_reply_bounced() -> None:
    story = Told(*BY_REPLY, bounced("r1", "+8d"))
    assert story.states("+1d", "+7d", "+8d") == ["kept", "kept", "broken"]
    assert story.line("+8d").broken_at == moment("+2d")
    assert state(*BY_REPLY, wrote(at="+8d", says_not_received=["r1"])) == "broken"
    assert state(*BY_REPLY, bounced("r1", "+8d", kind="temporary")) == "kept"


def test_a_bounce_while_there_is_time_leaves_it_open() -> None:
    assert Told(*BY_REPLY, bounced("r1", "+30h")).states("+40h", "+3d") == ["open", "broken"]


def test_it_is_kept_after_all_if_the_reply_did_arrive() -> None:
    story = Told(*BY_REPLY, bounced("r1", "+8d"), delivered("r1", "+9d"))
    assert story.states("+7d", "+8d", "+9d") == ["kept", "broken", "kept"]
    assert story.line("+9d").kept_at == moment("+1d")


def test_a_resend_that_arrives_keeps_it_at_its_own_time() -> None:
    lost = *BY_REPLY, bounced("r1", "+25h")
    in_time = Told(*lost, replied("r2", "+26h", resend_of="r1")).line("+30d")
    assert (in_time.state, in_time.kept_at) == ("kept", moment("+26h"))
    late = Told(*lost, replied("r2", "+3d", resend_of="r1")).line("+30d")
    assert (late.state, late.kept_at, late.late_by_s) == ("late", moment("+3d"), 24 * 3600)
    lost_again = *lost, replied("r2", "+26h", resend_of="r1"), bounced("r2", "+27h")
    assert state(*lost_again) == "broken"
    again = Told(*lost_again, replied("r3", "+28h", resend_of="r2")).line("+30d")
    assert (again.state, again.kept_at) == ("kept", moment("+28h"))


def test_another_reply_does_not_keep_it() -> None:
    assert state(*BY_REPLY, bounced("r1", "+25h"), replied("r2", "+26h")) == "broken"


def test_it_can_be_kept_again_and_the_first_keeping_that_holds_counts() -> None:
    twice = *BY_REPLY, bounced("r1", "+25h"), kept(at="+3d")
    assert Told(*twice).line("+30d").kept_at == moment("+3d")
    assert state(*twice) == "late"
    after_all = Told(*twice, delivered("r1", "+4d")).line("+30d")
    assert (after_all.state, after_all.kept_at) == ("kept", moment("+1d"))


def test_a_remedy_of_the_same_id_has_nothing_to_do_with_a_reply_that_bounced() -> None:
    by_remedy = replied("1"), bounced("1"), remedied("1"), kept(by=ref("remedy", "1"))
    assert state(promised(due="+2h"), *by_remedy) == "kept"


# --- corrections and late recording


def test_another_time_on_the_record_judges_as_if_it_had_always_been_there() -> None:
    story = Told(
        promised(due="+2h"),
        kept(at="+3h"),
        amended(2, at="+4h", due_at=("2026-03-02T11:00:00Z", "2026-03-02T13:00:00Z")),
    )
    assert story.line("+30d").state == "kept"
    assert story.line("+30d", known_at="+3h").state == "late"


def test_a_keeping_that_was_voided_keeps_nothing() -> None:
    story = Told(promised(due="+2h"), kept(at="+1h"), voided(3, at="+4h"))
    assert story.line("+30d").state == "broken"
    assert story.line("+30d", known_at="+3h").state == "kept"


def test_a_voided_promise_is_gone_and_is_there_for_who_asks_what_was_known() -> None:
    story = given(opened(), promised(due="+2h"), voided(2, at="+4h"))
    assert list(rows(story.reading("+30d"))) == []
    assert list(rows(story.reading("+1h"))) == []
    (before,) = rows(story.reading("+30d", known_at="+3h"))
    assert before.promise_id == "p1"


def test_a_call_that_was_written_down_days_later_kept_it_all_the_same() -> None:
    story = Told(promised(due="+2h"), learnt("+4d", kept(at="+1h")))
    assert story.states("+30m", "+1h") == ["open", "kept"]
    assert story.line("+30d", known_at="+3d").state == "broken"


def test_a_promise_is_not_there_before_it_is_made() -> None:
    story = given(opened(), promised(at="+1h", due="+2h"), kept(at="+90m"))
    assert list(rows(story.reading("+30m"))) == []


# --- the case around it


def test_closing_the_case_discharges_nothing() -> None:
    story = Told(promised(due="+2h"), closed("+1h"))
    assert story.states("+1h", "+3h") == ["open", "broken"]
    assert story.line("+1h").case_status_at_due is None  # not due yet
    assert story.line("+3h").case_status_at_due == "closed"
    again = Told(promised(due="+2h"), closed("+1h"), reopened("+2h"), closed("+3h"))
    assert again.line("+9h").case_status_at_due == "open"
    assert Told(promised(due="+2h")).line("+2h").case_status_at_due == "open"


def test_who_had_the_case_when_it_was_due() -> None:
    story = Told(
        assigned("anna"), promised(due="+2h"), assigned("ben", at="+1h"), assigned("cleo", at="+3h")
    )
    assert story.line("+1h").owner_at_due is None
    assert story.line("+9h").owner_at_due == "ben"
    assert story.line("+9h").made_by == "anna"


def test_the_team_is_that_of_who_made_it_or_else_the_case_had_then() -> None:
    moved_on = assigned(None, "south"), assigned(None, "east", at="+2h")
    assert Told(*moved_on, promised(at="+1h")).line("+9h").team == "north"
    assert Told(*moved_on, promised(at="+1h", actor=BOSS)).line("+9h").team == "south"


# --- the report


def test_the_report_of_promises(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised("a", due="+1d"), promised("b", due="+2d"))
        desk.case("c1", promised("c", "+1h", due="+9d", actor=BOSS), promised("d", "+2h"))
        desk.case("c1", kept("a", at="+1d"), kept("b", at="+3d"))
        desk.case("c2", opened("+3d", customer_id="k2"), promised("a", "+3d", due="+4d"))
        desk.case("c2", promised("b", "+3d", due="+9d"), withdrew("b", at="+5d"))
        desk.case("c2", promised("c", "+5d"), released("c", at="+5d"))
        store = desk.store

        told = reports.promises(store, as_of=moment("+6d"))
        assert [(row.case_id, row.promise_id, row.state) for row in told.rows] == [
            ("c1", "a", "kept"),
            ("c1", "b", "late"),
            ("c1", "c", "open"),
            ("c1", "d", "undated"),
            ("c2", "a", "broken"),
            ("c2", "b", "withdrawn"),
            ("c2", "c", "released"),
        ]
        assert told.summary == {
            "promises": 7,
            "kept": 1,
            "late": 1,
            "broken": 1,
            "withdrawn": 1,
            "open": 1,
            "undated": 1,
            "released": 1,
            "kept_rate": 0.25,
        }
        broken = reports.promises(store, as_of=moment("+6d"), broken=True)
        assert [row.state for row in broken.rows] == ["late", "broken", "withdrawn"]
        assert broken.summary == told.summary  # a share of all, not of the broken

        teams = reports.promise_rates(store, as_of=moment("+6d")).rows
        assert [(each.team, each.kept, each.kept_rate) for each in teams] == [
            ("north", 1, 0.25),
            (None, 0, None),  # the manager's, which is still open
        ]
        agents = reports.promise_rates_by_agent(store, as_of=moment("+6d"))
        assert agents.summary == told.summary
        for each in agents.rows:
            own = reports.promises(store, as_of=moment("+6d"), agent=each.agent).summary
            states = ("kept", "late", "broken", "withdrawn", "kept_rate")
            assert [getattr(each, name) for name in states] == [own[name] for name in states]
        assert agents.rows[0].broken == 1  # whoever breaks the most stands first
        assert reports.promises(store, as_of=moment("+3h")).summary["kept_rate"] is None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def test_promises_of_some_kinds_and_in_some_states(desk: Desk) -> None:
    desk.case("c1", opened(), promised("p1", due="+1h"), promised("p2", due="+9d", kind="refund"))
    desk.case("c1", promised("p3"), promised("p4", due="+2h", kind="refund"), kept("p4", at="+1h"))

    def of(**asked: Any) -> list[str]:
        found = reports.promises(desk.store, as_of=moment("+1d"), **asked)
        return [each.promise_id for each in found.rows]

    assert of() == ["p1", "p2", "p3", "p4"]
    assert of(kind=("refund",)) == ["p2", "p4"]
    assert of(state=("open", "undated")) == ["p2", "p3"]
    assert of(state=("broken",), kind=("callback", "refund")) == of(broken=True) == ["p1"]
    assert of(kind=("visit",)) == []
    told = reports.promises(desk.store, as_of=moment("+1d"), kind=("refund",), state=("open",))
    assert (told.summary["promises"], told.summary["kept_rate"]) == (2, 1.0)


def test_who_had_a_promise_when_it_was_due_is_asked_of_the_case_that_it_led_to_then(
    desk: Desk,
) -> None:
    desk.case("c2", opened(), assigned("ben"))
    desk.case("c1", opened(), assigned("anna"), promised("p0", due="+30m"))
    desk.case("c1", promised("p1", due="+2h"), promised("p2", due="+9h"))
    desk.case("c1", merged("c2", "+1h"))
    desk.case("c2", closed("+90m"))
    desk.case("c1", unmerged("c2", "+8h"))

    def told_of(as_of: str) -> dict[str, PromiseLine]:
        found = reports.promises(desk.store, as_of=moment(as_of)).rows
        return {each.promise_id: each for each in found}

    told = told_of("+1d")
    assert (told["p1"].owner_at_due, told["p1"].case_status_at_due) == ("ben", "closed")
    assert (told["p2"].owner_at_due, told["p2"].case_status_at_due) == ("anna", "open")
    together = told_of("+7h")
    assert (together["c1/p0"].owner_at_due, together["c1/p1"].owner_at_due) == ("anna", "ben")
    assert {each.case_id for each in together.values()} == {"c2"}


def test_what_is_due_soon_begins_with_what_is_due_this_moment(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), *(promised(f"p{n}", due=f"+{n}d") for n in (9, 3, 8, 2, 1, 4)))
        desk.case("c1", kept("p3", at="+1d"))
        as_of = moment("+1d")
        week = reports.promises(desk.store, as_of=as_of, due=timedelta(days=7))
        assert [row.promise_id for row in week.rows] == ["p1", "p2", "p4", "p8"]
        later = reports.promises(desk.store, as_of=as_of + MICROSECOND, due=timedelta(days=7))
        assert [row.promise_id for row in later.rows] == ["p2", "p4", "p8"]


def test_promises_of_one_customer_agent_or_time(tmp_path: Path) -> None:
    ben = Actor(kind="agent", id="ben", team="south")
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), promised("a", "+1h"), promised("b", "+2h", actor=ben))
        desk.case("c2", opened(customer_id="k2"), promised("a", "+3h"))
        desk.case("c3", opened(customer_id="k3"), promised("a", "+4h"))
        desk.customer("k2", customer_merged("k1", "+5h"))

        def of(**asked: Any) -> list[tuple[str, str]]:
            found = reports.promises(desk.store, as_of=moment("+1d"), **asked).rows
            return [(row.case_id, row.promise_id) for row in found]

        assert of(customer="k1") == of(customer="k2") == [("c1", "a"), ("c1", "b"), ("c2", "a")]
        assert of(customer="k3") == [("c3", "a")]
        assert of(agent="ben") == of(team="south") == [("c1", "b")]
        assert of(case="c2") == [("c2", "a")]
        assert of(since=moment("+2h"), until=moment("+4h")) == [("c1", "b"), ("c2", "a")]
        assert of(sort="-made_at", limit=2) == [("c3", "a"), ("c2", "a")]
        customers = reports.promises(desk.store, as_of=moment("+1d")).rows
        assert [row.customer_id for row in customers] == ["k1", "k1", "k1", "k3"]


# --- real permits


@pytest.fixture(scope="module")
def permit_store(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    folder = tmp_path_factory.mktemp("permits")
    with CaseStore.create(f"sqlite:///{folder}/a.db", key_file=folder / "a.key") as store:
        import_lines(store, [json.dumps(told).encode() for told in permits(data_dir)])
        yield store


DUE = datetime.fromisoformat("2011-12-22T01:06:40+01:00")


@pytest.mark.parametrize(
    "as_of",
    [
        datetime(2011, 1, 1, tzinfo=UTC),
        DUE,
        DUE + MICROSECOND,
        datetime(2013, 1, 1, tzinfo=UTC),
    ],
    ids=str,
)
def test_the_states_of_real_deadlines(
    as_of: datetime, permit_store: CaseStore, data_dir: Path
) -> None:
    told = reports.promises(permit_store, as_of=as_of)
    assert {row.case_id: row.state for row in told.rows} == permit_answers(data_dir, as_of)


def test_as_of_the_beginning_of_time_nothing_was_promised(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        assert reports.promises(desk.store, as_of=START).rows == []
        desk.case("c1", opened("+1h"), promised(at="+1h"))
        assert reports.promises(desk.store, as_of=START).rows == []
