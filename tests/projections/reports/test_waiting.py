"""The report `waiting`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from projections import reports
from projections.reports import WaitingLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    assigned,
    bounced,
    closed,
    learnt,
    merged,
    moment,
    opened,
    reopened,
    replied,
    wrote,
)


def waiting(desk: Desk, as_of: str, **asked: Any) -> dict[str, datetime]:
    found = reports.waiting(desk.store, as_of=moment(as_of), **asked)
    return {each.case_id: each.waiting_since for each in found.rows}


def test_who_waits_longest_comes_first(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened("+1h"), wrote("m1", "+1h"), replied("r1", "+2h"))
        desk.case("c1", assigned("anna", "north", "+2h"), wrote("m2", "+5h"))
        desk.case("c2", opened("+3h", customer_id="k2"), wrote("m1", "+3h"), wrote("m2", "+4h"))
        desk.case("c3", opened("+3h"), wrote("m1", "+3h"), replied("r1", "+4h"))
        desk.case("c4", opened("+3h"))
        told = reports.waiting(desk.store, as_of=moment("+6h"))
        assert told.rows == [
            WaitingLine(
                case_id="c2",
                customer_id="k2",
                status="open",
                agent=None,
                team=None,
                waiting_since=moment("+3h"),
                waiting_s=3 * 3600,
                unanswered=2,
            ),
            WaitingLine(
                case_id="c4",  # it has no message, so its receipt waits
                customer_id="k1",
                status="open",
                agent=None,
                team=None,
                waiting_since=moment("+3h"),
                waiting_s=3 * 3600,
                unanswered=1,
            ),
            WaitingLine(
                case_id="c1",
                customer_id="k1",
                status="open",
                agent="anna",
                team="north",
                waiting_since=moment("+5h"),
                waiting_s=3600,
                unanswered=1,
            ),
        ]
        assert told.summary == {
            "waiting": 3,
            "median_s": 3 * 3600,
            "p90_s": 3 * 3600,
            "longest_s": 3 * 3600,
        }
        assert waiting(desk, "+1h") == {"c1": moment("+1h")}
        assert waiting(desk, "+6h", agent="anna") == {"c1": moment("+5h")}
        assert waiting(desk, "+6h", until=moment("+5h")) == {
            "c2": moment("+3h"),
            "c4": moment("+3h"),
        }
        assert waiting(desk, "+6h", since=moment("+5h")) == {"c1": moment("+5h")}


def test_a_customer_whose_answer_did_not_arrive_waits(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote(), replied("r1", "+1h"), bounced("r1", "+5h"))
        desk.case("c1", replied("r2", "+6h", resend_of="r1"))
        assert waiting(desk, "+4h") == {}
        assert waiting(desk, "+5h") == {"c1": moment("+0h")}
        assert waiting(desk, "+6h") == {}


def test_nobody_waits_in_a_case_that_only_machines_wrote_to(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote("away", automated=True))
        assert waiting(desk, "+1h") == {}
        desk.case("c1", wrote("m1", "+2h"))
        assert waiting(desk, "+3h") == {"c1": moment("+2h")}


def test_in_a_closed_case_only_who_wrote_after_the_closing_waits(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote("thanks", "+1h"), closed("+2h"), wrote("but", "+3h"))
        desk.case("c1", reopened("+4h"))
        assert waiting(desk, "+1h") == {"c1": moment("+1h")}
        assert waiting(desk, "+2h") == {}
        told = reports.waiting(desk.store, as_of=moment("+3h")).rows
        assert [(each.waiting_since, each.unanswered) for each in told] == [(moment("+3h"), 1)]
        # The word of thanks does not wait again after the reopening.
        assert waiting(desk, "+4h") == {"c1": moment("+3h")}


def test_an_answer_in_the_other_case_is_an_answer(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote("m1", "+1h"))
        desk.case("c2", opened(), wrote("m1", "+2h"))
        desk.case("c1", merged("c2", "+3h"), replied("r1", "+4h"))
        desk.case("c1", wrote("m2", "+5h"))
        assert waiting(desk, "+2h") == {"c1": moment("+1h"), "c2": moment("+2h")}
        assert waiting(desk, "+3h") == {"c2": moment("+1h")}
        assert waiting(desk, "+4h") == {}
        assert waiting(desk, "+5h") == {"c2": moment("+5h")}


def test_an_answer_that_is_written_down_late_was_given_when_it_was_given(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote(), learnt("+3d", replied("r1", "+1h")))
        assert waiting(desk, "+2h") == {}
        assert waiting(desk, "+2h", known_at=moment("+2d")) == {"c1": moment("+0h")}
