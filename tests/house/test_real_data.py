"""What the real logs counted themselves can be counted from the events they were turned into."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from casestore.events import EVENTS
from casestore.intake.csv import Mapping, load
from tests.support.real_data import (
    INCIDENTS,
    PERMITS,
    TICKETS,
    Line,
    incident_answers,
    incidents,
    mapping,
    permits,
    rows_told_of,
    tickets,
    tickets_resolved_more_than_once,
)

Log = Callable[[Path], Iterator[Line]]

all_logs = pytest.mark.parametrize("log", [incidents, tickets, permits])


@cache
def read(log: Log, data_dir: Path) -> list[Line]:
    return list(log(data_dir))


def cases(log: Log, data_dir: Path) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in read(log, data_dir):
        found[line["stream"].removeprefix("case:")].append(line)
    return found


def count(history: list[Line], kind: str) -> int:
    return sum(line["type"] == kind for line in history)


def handovers(history: list[Line]) -> int:
    teams = [line["data"]["team"] for line in history if line["type"] == "CaseAssigned"]
    return sum(before != after for before, after in pairwise(teams))


@all_logs
def test_every_line_is_a_valid_event(log: Log, data_dir: Path) -> None:
    validate = {cls.__name__: TypeAdapter(cls).validate_json for cls in EVENTS["case"]}
    for line in read(log, data_dir):
        validate[line["type"]](json.dumps(line["data"]), strict=True)


@all_logs
def test_every_line_may_follow_the_one_before_it(log: Log, data_dir: Path) -> None:
    for case_id, history in cases(log, data_dir).items():
        kinds = [line["type"] for line in history]
        assert kinds[0] == "CaseOpened", case_id
        assert kinds.count("CaseOpened") == 1, case_id
        turns = [kind for kind in kinds if kind in ("CaseClosed", "CaseReopened")]
        assert turns[::2] == ["CaseClosed"] * len(turns[::2]), case_id
        assert turns[1::2] == ["CaseReopened"] * len(turns[1::2]), case_id


@all_logs
def test_a_key_names_one_event(log: Log, data_dir: Path) -> None:
    lines = read(log, data_dir)
    assert len({line["key"] for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("file", "by", "rows"),
    [
        (INCIDENTS, load("servicenow-incidents"), 14_041),
        (TICKETS, mapping("helpdesk_tickets"), 21_348),
        (PERMITS, mapping("permits"), 4_424),
    ],
    ids=["incidents", "tickets", "permits"],
)
def test_every_row_becomes_an_event_or_is_told_of(
    file: str, by: Mapping, rows: int, data_dir: Path
) -> None:
    assert rows_told_of(data_dir / file, by) == rows


def test_incidents_in_numbers(data_dir: Path) -> None:
    assert Counter(line["type"] for line in read(incidents, data_dir)) == {
        "CaseOpened": 2_000,
        "CaseAssigned": 4_339,
        "CaseReclassified": 275,
        "NoteAdded": 4_766,
        "CaseClosed": 2_033,
        "CaseReopened": 33,
    }


def test_tickets_in_numbers(data_dir: Path) -> None:
    assert Counter(line["type"] for line in read(tickets, data_dir)) == {
        "CaseOpened": 4_580,
        "CaseAssigned": 5_060,
        "CaseReclassified": 13,
        "NoteAdded": 11_427,
        "CaseClosed": 4_983,
        "CaseReopened": 415,
    }


def test_permits_in_numbers(data_dir: Path) -> None:
    assert Counter(line["type"] for line in read(permits, data_dir)) == {
        "CaseOpened": 726,
        "PromiseMade": 726,
        "NoteAdded": 3_756,
        "ReplySent": 668,
        "PromiseKept": 677,
    }


def test_incidents_were_reopened_as_often_as_the_log_counted(data_dir: Path) -> None:
    counted = {case_id: reopened for case_id, (reopened, _) in incident_answers(data_dir).items()}
    found = cases(incidents, data_dir).items()
    assert {case_id: count(history, "CaseReopened") for case_id, history in found} == counted


def test_incidents_were_handed_over_as_often_as_the_log_counted(data_dir: Path) -> None:
    # 99.15 %. In the other 17 the counter goes up once while the row shows the same group (or
    # still "?"), so no assignment can be told.
    found = cases(incidents, data_dir)
    missed = Counter(
        counted - handovers(found[case_id])
        for case_id, (_, counted) in incident_answers(data_dir).items()
    )
    assert missed == {0: 1_983, 1: 17}


def test_tickets_closed_more_than_once_are_those_resolved_more_than_once(data_dir: Path) -> None:
    closed_again = {
        case_id
        for case_id, history in cases(tickets, data_dir).items()
        if count(history, "CaseClosed") > 1
    }
    assert len(closed_again) == 386
    assert closed_again == tickets_resolved_more_than_once(data_dir)
