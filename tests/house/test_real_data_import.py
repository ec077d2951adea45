"""Real logs in a real store: all of them go in, once, and their counters can be read back."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from casestore import CaseAssigned, CaseClosed, CaseReopened, CaseStore
from casestore.transfer.ndjson import export_lines, import_lines
from tests.support.real_data import (
    incident_answers,
    incidents,
    tickets,
    tickets_resolved_more_than_once,
)

RECORDED_AT = re.compile(rb'"recorded_at":"[^"]*"')


@cache
def lines(data_dir: Path) -> tuple[bytes, ...]:
    return tuple(
        json.dumps(line, ensure_ascii=False).encode()
        for log in (incidents, tickets)
        for line in log(data_dir)
    )


def count(store: CaseStore, case: str, kind: type[object]) -> int:
    return sum(isinstance(recorded.event, kind) for recorded in store.history(f"case:{case}"))


def handovers(store: CaseStore, case: str) -> int:
    events = [recorded.event for recorded in store.history(f"case:{case}")]
    teams = [event.team for event in events if isinstance(event, CaseAssigned)]
    return sum(before != after for before, after in pairwise(teams))


def unstamped(store: CaseStore) -> list[bytes]:
    return [RECORDED_AT.sub(b"", line) for line in export_lines(store, reveal=True)]


def answers_are_right(store: CaseStore, data_dir: Path) -> None:
    exact = 0
    for case, (reopened, handed_over) in incident_answers(data_dir).items():
        assert count(store, case, CaseReopened) == reopened
        exact += handovers(store, case) == handed_over
    assert exact == 1_983  # of 2,000; the other 17 are told of in test_real_data
    for case in tickets_resolved_more_than_once(data_dir):
        assert count(store, case, CaseClosed) > 1


def test_incidents_and_tickets_go_in_once_and_move_to_the_other_database(
    data_dir: Path,
    postgres_schema_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "store.key"))
    given = lines(data_dir)
    with CaseStore.create(f"sqlite:///{tmp_path}/a.db") as here:
        assert import_lines(here, given)[:4] == (len(given), len(given), 0, ())
        before = here._recorder.max_notification_id()
        assert import_lines(here, given)[:4] == (len(given), 0, len(given), ())
        assert here._recorder.max_notification_id() == before
        answers_are_right(here, data_dir)
        with CaseStore.create(postgres_schema_url) as there:
            assert import_lines(there, export_lines(here, reveal=True)).refused == ()
            assert unstamped(there) == unstamped(here)
            answers_are_right(there, data_dir)
            assert import_lines(there, given)[:4] == (len(given), 0, len(given), ())
