"""`casestore projections run` under a supervisor."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from casestore import CaseStore
from projections import Runner
from tests.support import stories
from tests.support.command_line import Casestore


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_a_supervisor_ends_a_run_in_order(store_url: str, tmp_path: Path) -> None:
    """With 0. And it has a handler: the first process of a container has no other way to end."""
    with CaseStore.create(store_url) as store:
        store.append("case:1", stories.opened())
    command = Casestore(store_url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))
    process = command.process("projections", "run")
    assert process.stdout is not None
    assert process.stdout.readline() == b"up to date with position 2\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


@pytest.fixture
def desk(store_url: str, tmp_path: Path) -> Casestore:
    """Give the command line on a store with two cases, whose tables are up to date."""
    with CaseStore.create(store_url, key_file=tmp_path / "store.key") as store:
        store.append("case:1", stories.opened())
        store.append("case:2", stories.opened())
        with Runner(store) as runner:
            runner.catch_up()
    return Casestore(store_url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))


def take_a_row(store_url: str, tmp_path: Path) -> None:
    with (
        CaseStore.open(store_url, key_file=tmp_path / "store.key") as store,
        Runner(store) as runner,
        runner._live.tables.writing() as cursor,
    ):
        table = runner._live.current(cursor)["cases"].table
        cursor.run(f"DELETE FROM {runner._live.tables.at(table)} WHERE case_id = '2'")


def test_tables_that_nobody_changed(desk: Casestore) -> None:
    found = desk("--format", "json", "projections", "verify").fine().json
    assert {each["result"] for each in found} == {"ok"}
    assert found[0] == {
        "projection": "cases",
        "result": "ok",
        "position": 3,
        "rows": 2,
        "noted": 2,
        "differences": [],
    }
    assert desk("projections", "verify", "--from-events").fine().out.count(" ok ") == 11


def test_a_row_that_somebody_deleted(desk: Casestore, store_url: str, tmp_path: Path) -> None:
    take_a_row(store_url, tmp_path)
    assert " 1 of 2\n" in desk("projections", "status").fine().out
    told = desk("projections", "verify", "--from-events")
    assert told.code == 1
    assert "cases       case:2  lacks 1 row\n" in told.out
    assert "`casestore projections rebuild` makes them anew" in told.out
    (found,) = (
        each
        for each in desk("--format", "json", "projections", "verify").json
        if each["result"] != "ok"
    )
    assert (found["projection"], found["rows"], found["noted"]) == ("cases", 1, 2)
    sick = desk("--format", "json", "doctor")
    assert sick.code == 1
    (finding,) = (each for each in sick.json if each["level"] == "error")
    assert (finding["check"], finding["where"]) == ("tables of reports", "cases")
    assert finding["what"] == "has 1 row, of 2 that were made"
    desk("projections", "rebuild").fine()
    desk("doctor").fine()
    desk("projections", "verify").fine()
