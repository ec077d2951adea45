"""The permits' promises: all lines go in, and the answers are those that SQL gives as well."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from casestore import CaseStore, PromiseKept, PromiseMade
from casestore.transfer.ndjson import import_lines
from tests.support.permits import permit_answers
from tests.support.real_data import permits

MICROSECOND = timedelta(microseconds=1)
NEW_YEAR = datetime.fromisoformat("2011-01-01T00:00:00+00:00")
DUE = datetime.fromisoformat("2011-12-22T01:06:40+01:00")
"""When eight promises are due, two of which are not kept by then."""
AFTER_ALL = datetime.fromisoformat("2013-01-01T00:00:00+00:00")

# Found a second time by SQLite's own reading of dates and offsets, over the three columns.
ANSWERS = {
    NEW_YEAR: {"kept": 52, "late": 10, "open": 104, "broken": 8},
    DUE: {"kept": 444, "late": 202, "open": 47, "broken": 24},
    DUE + MICROSECOND: {"kept": 444, "late": 202, "open": 45, "broken": 26},
    AFTER_ALL: {"kept": 464, "late": 213, "broken": 49},
}


@pytest.mark.parametrize("as_of", ANSWERS, ids=str)
def test_answers_in_numbers(as_of: datetime, data_dir: Path) -> None:
    assert Counter(permit_answers(data_dir, as_of).values()) == ANSWERS[as_of]


def test_a_promise_has_no_answer_before_it_is_made(data_dir: Path) -> None:
    first = datetime.fromisoformat("2010-10-01T00:00:00.020000+02:00")
    assert permit_answers(data_dir, first - MICROSECOND) == {}
    assert set(permit_answers(data_dir, first).values()) == {"open"}


def test_a_promise_that_was_late_was_broken_before(data_dir: Path) -> None:
    # Due at 00:00, kept 20 ms later.
    due = datetime.fromisoformat("2011-03-30T00:00:00+02:00")
    kept = due + timedelta(milliseconds=20)
    moments = (due, due + MICROSECOND, kept - MICROSECOND, kept)
    states = [permit_answers(data_dir, moment)["case-5877"] for moment in moments]
    assert states == ["open", "broken", "broken", "late"]


def test_a_case_that_ended_before_it_started_is_kept_from_the_start(data_dir: Path) -> None:
    ended = datetime.fromisoformat("2011-12-12T00:00:00.010000+01:00")
    started = datetime.fromisoformat("2011-12-12T01:06:40.010000+01:00")
    assert "case-10862" not in permit_answers(data_dir, ended)
    assert permit_answers(data_dir, started)["case-10862"] == "kept"


def test_permits_go_in_once_and_tell_when_a_promise_was_kept(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "store.key"))
    given = [json.dumps(told).encode() for told in permits(data_dir)]
    with CaseStore.create(f"sqlite:///{tmp_path}/a.db") as store:
        assert import_lines(store, given)[:4] == (len(given), len(given), 0, ())
        assert import_lines(store, given)[:4] == (len(given), 0, len(given), ())
        cases = list(store.streams("case"))
        assert len(cases) == 726
        for as_of in (NEW_YEAR, DUE, AFTER_ALL):
            kept = {}
            for case in cases:
                kinds = {type(each.event) for each in store.history(case, as_of=as_of)}
                if PromiseMade in kinds:
                    kept[case.removeprefix("case:")] = PromiseKept in kinds
            answers = permit_answers(data_dir, as_of).items()
            assert kept == {case: state in ("kept", "late") for case, state in answers}
