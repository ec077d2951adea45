"""The report `conflicts`: statements to one customer that disagree, within and across cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projections import reports
from projections.reports.declared.conflicts import ConflictLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    BOSS,
    assigned,
    corrected,
    customer_merged,
    customer_unmerged,
    learnt,
    merged,
    moment,
    opened,
    retracted,
    stated,
    unmerged,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A customer with two cases, c1 and c2."""
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        desk.case("c2", opened())
        yield desk


def said(statement_id: str, value: str, at: str = "+1h", **more: Any) -> Any:
    return stated(statement_id, at, value=value, **more)


def conflicts(desk: Desk, **asked: Any) -> list[tuple[str, str]]:
    """Each statement that disagrees, with the one that it disagrees with."""
    told = reports.conflicts(desk.store, **{"as_of": moment("+30d"), **asked})
    assert told.summary["conflicts"] == len(told.rows)
    return [
        (
            f"{each.case_id}/{each.statement_id}",
            f"{each.earlier_case_id}/{each.earlier_statement_id}",
        )
        for each in told.rows
    ]


def outcomes(desk: Desk, **asked: Any) -> dict[str, str]:
    """What the rule conflicting-statements finds."""
    asked = {"as_of": moment("+30d"), "outcome": "all", "rule": "conflicting-statements", **asked}
    rows = reports.lapses(desk.store, **asked).rows
    return {f"{each.case_id}/{each.subject}": each.outcome for each in rows}


def test_a_whole_conflict(desk: Desk) -> None:
    desk.case("c1", assigned("anna", "north"), said("first", "12"))
    desk.case("c2", said("second", "14", "+2h", actor=BOSS))
    told = reports.conflicts(desk.store, as_of=moment("+1d"))
    assert told.rows == [
        ConflictLine(
            customer_id="k1",
            topic="fee",
            case_id="c2",
            statement_id="second",
            value="14",
            stated_at=moment("+2h"),
            stated_by="boss",
            team=None,
            earlier_case_id="c1",
            earlier_statement_id="first",
            earlier_value="12",
            earlier_at=moment("+1h"),
            earlier_by="anna",
        )
    ]
    assert told.summary == {"conflicts": 1, "customers": 1}
    lapses = reports.lapses(desk.store, as_of=moment("+1d"), rule="conflicting-statements")
    (lapse,) = lapses.rows
    assert (lapse.subject, lapse.case_id, lapse.agent, lapse.team) == ("second", "c2", "boss", None)
    uids = {
        each.event.statement_id: each.uid  # type: ignore[attr-defined]
        for case_id in ("c1", "c2")
        for each in desk.store.history(f"case:{case_id}")
        if each.type == "StatementMade"
    }
    assert lapse.evidence == (uids["second"], uids["first"])
    assert lapse.at == moment("+2h")


def test_what_agrees_or_is_about_something_else_is_no_conflict(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), said("b", "12", "+2h"), said("c", "14", "+3h", topic="date"))
    desk.case("c2", said("a", "12", "+4h"))
    desk.case("c3", opened(customer_id="k2"), said("a", "14", "+5h"))
    assert conflicts(desk) == []
    assert outcomes(desk) == {"c1/b": "satisfied", "c2/a": "satisfied"}  # what comes first is not


def test_each_statement_disagrees_with_the_latest_that_says_otherwise(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), said("b", "14", "+2h"), said("c", "14", "+3h"))
    desk.case("c2", said("a", "12", "+4h"))
    assert conflicts(desk) == [("c1/b", "c1/a"), ("c1/c", "c1/a"), ("c2/a", "c1/c")]


def test_what_is_learnt_late_stands_where_it_was_said(desk: Desk) -> None:
    desk.case("c1", said("a", "12", "+2h"), learnt("+3h", said("b", "14", "+1h")))
    assert conflicts(desk) == [("c1/a", "c1/b")]
    assert conflicts(desk, known_at=moment("+2h")) == []


def test_who_corrects_it_says_so(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), said("b", "14", "+2h", supersedes="a"))
    desk.case("c2", said("a", "15", "+3h", supersedes="c1/b"), said("b", "16", "+4h"))
    # "c2/b" supersedes nothing; "c1/a" and "c1/b" do not stand any more.
    assert conflicts(desk) == [("c2/b", "c2/a")]
    assert outcomes(desk) == {"c1/b": "satisfied", "c2/a": "satisfied", "c2/b": "violated"}


def test_a_plain_id_is_of_the_same_case(desk: Desk) -> None:
    desk.case("c1", said("a", "12"))
    desk.case("c2", said("a", "12", "+2h"), said("b", "14", "+3h", supersedes="a"))
    assert conflicts(desk) == [("c2/b", "c1/a")]


def test_an_id_with_a_slash_may_be_of_the_same_case(desk: Desk) -> None:
    desk.case("c1", said("a/b", "12"), said("c", "14", "+2h", supersedes="a/b"))
    assert conflicts(desk) == []


def test_of_two_at_one_moment_the_one_that_supersedes_is_the_later(desk: Desk) -> None:
    # In the order of ids, the other one would come first.
    desk.case("c1", said("s9", "12"), said("s10", "14", supersedes="s9"))
    desk.case("c2", said("a", "14", topic="date"), said("b", "12", topic="date"))
    assert conflicts(desk) == [("c2/b", "c2/a")]
    desk.case("c2", said("c", "14", "+2h"))  # "c1/s9" does not stand beside it
    assert conflicts(desk) == [("c2/b", "c2/a")]


def test_what_was_retracted_before_does_not_stand(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), retracted("a", "+2h"), said("b", "14", "+3h"))
    assert conflicts(desk) == []
    desk.case("c2", said("a", "15", "+4h"), retracted("a", "+5h"))
    assert conflicts(desk) == [("c2/a", "c1/b")]  # said first, and taken back too late
    desk.case("c2", said("b", "14", "+6h"))
    assert conflicts(desk) == [("c2/a", "c1/b")]


def test_at_the_moment_of_retracting_it_may_be_said_anew(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), retracted("a", "+2h"), said("b", "14", "+2h"))
    assert conflicts(desk) == []


def test_corrections_count(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), said("b", "14", "+2h"))
    made = list(desk.store.history("case:c1"))[-1]
    changes = {"value": {"from": "14", "to": "12"}}
    desk.case("c1", corrected(3, "+3h", kind="amended", changes=changes, event_id=made.event_id))
    assert conflicts(desk) == []
    assert conflicts(desk, known_at=moment("+2h")) == [("c1/b", "c1/a")]


def test_merged_customers_are_one_and_unmerged_ones_two_again(desk: Desk) -> None:
    desk.case("c3", opened(customer_id="k2"), said("a", "14", "+2h"))
    desk.case("c1", said("a", "12"))
    assert conflicts(desk) == []
    desk.customer("k2", customer_merged("k1", "+1d"))
    desk.customer("k2", customer_unmerged("k1", "+9d"))
    during: dict[str, Any] = {"as_of": moment("+5d")}
    assert conflicts(desk, **during) == [("c3/a", "c1/a")]
    for customer in ("k1", "k2"):
        assert conflicts(desk, customer=customer, **during) == [("c3/a", "c1/a")]
    (line,) = reports.conflicts(desk.store, **during).rows
    assert line.customer_id == "k1"
    assert outcomes(desk, **during) == {"c3/a": "violated"}
    assert conflicts(desk) == []


def test_a_part_of_the_conflicts(desk: Desk) -> None:
    desk.case("c1", said("a", "12"), said("b", "14", "+2h", actor=BOSS))
    desk.case("c2", said("a", "15", "+3h", topic="date"), said("b", "16", "+4h", topic="date"))
    desk.case("c3", opened(customer_id="k2"), said("a", "12"), said("b", "14", "+5h"))
    one, two, three = ("c1/b", "c1/a"), ("c2/b", "c2/a"), ("c3/b", "c3/a")
    assert conflicts(desk) == [one, two, three]
    assert conflicts(desk, customer="k1") == [one, two]
    assert conflicts(desk, case="c2") == [two]
    assert conflicts(desk, agent="boss") == [one]
    assert conflicts(desk, team="north") == [two, three]
    assert conflicts(desk, since=moment("+2h"), until=moment("+5h")) == [one, two]
    assert conflicts(desk, as_of=moment("+3h")) == [one]
    desk.case("c1", merged("c2", "+1d"))
    assert conflicts(desk, case="c2") == [("c2/c1/b", "c2/c1/a"), two]
    desk.case("c1", unmerged("c2", "+2d"))
    assert conflicts(desk, case="c2") == [two]
    told = reports.conflicts(desk.store, as_of=moment("+3d"))
    assert told.summary == {"conflicts": 3, "customers": 2}


def test_a_case_has_part_in_a_conflict_on_either_side(desk: Desk) -> None:
    desk.case("c1", said("a", "12"))
    desk.case("c2", said("a", "14", "+2h"))
    for case_id in ("c1", "c2"):
        assert conflicts(desk, case=case_id) == [("c2/a", "c1/a")]
