"""Whoever brings the events, no row is made of streams that are not whole and in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, StoreDamaged
from casestore.journal.rows import PlainRow
from projections import reports
from projections.engine.fold import Beside, How, Made, fold, read_policies
from projections.engine.maker import Maker
from projections.engine.runner import Runner
from tests.support.alter import alter
from tests.support.made_up import ALL, LOOKING, SOME, contents
from tests.support.stories import START, adopted, noted, opened

HOW = How(ALL)


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Any:
    with CaseStore.create(store_url, key_file=tmp_path / "store.key", clock=lambda: START) as store:
        store.append("policy", adopted("first"))
        for case in "abc":
            store.append(f"case:{case}", opened(), noted(), noted())
        yield store


def rows_of(store: CaseStore) -> list[PlainRow]:
    return store._recorder.rows_of_range("case:", "case;", store._recorder.last_position())


def folded(rows: list[PlainRow], **given: Any) -> Made:
    return fold(rows, HOW, **given)


def test_in_order_the_rows_are_those_of_the_store(store: CaseStore) -> None:
    maker = Maker(store, ALL, until=store._recorder.last_position())
    made = maker.of_range("case:", "case;")
    customers = store._recorder.rows_of_range("customer:", "customer;", maker.until)
    beside = Beside({"customer:k1": customers}, read_policies(policy_of(store), HOW))
    assert folded(rows_of(store), beside=beside).rows == made.rows
    assert made.rows[LOOKING.name]


def policy_of(store: CaseStore) -> list[PlainRow]:
    return store._recorder.rows_of_streams(["policy"], 1000)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda rows: rows[3:] + rows[:3], "case:a comes after case:c"),
        (lambda rows: rows + rows[:3], "case:a comes after case:c"),
        (lambda rows: [*rows[:2], *rows[3:6], rows[2], *rows[6:]], "case:a comes after case:b"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "case:a has version 2 in the place of vers"),
        (lambda rows: [rows[0], *rows[2:]], "case:a has version 3 in the place of version 2"),
        (lambda rows: rows[1:], "case:a has version 2 in the place of version 1"),
        (lambda rows: [rows[0], *rows], "case:a has version 1 in the place of version 2"),
    ],
    ids=["streams", "a stream twice", "torn", "versions", "a gap", "no first", "a version twice"],
)
def test_what_an_engine_sorted_otherwise_is_refused(store: CaseStore, wrong: Any, why: str) -> None:
    with pytest.raises(StoreDamaged, match=why):
        folded(wrong(rows_of(store)))


def test_a_partition_begins_after_the_one_before(store: CaseStore) -> None:
    rows = rows_of(store)
    assert folded(rows[3:], after="case:a").events == 6
    with pytest.raises(StoreDamaged, match="case:a comes after case:a"):
        folded(rows, after="case:a")


def test_so_do_the_policies_and_the_customers_beside(store: CaseStore) -> None:
    rows, policy = rows_of(store), policy_of(store)
    with pytest.raises(StoreDamaged, match="policy has version"):
        read_policies(policy * 2, HOW)
    with pytest.raises(StoreDamaged, match="customer:k1 has version"):
        folded(rows, beside=Beside({"customer:k1": rows[1:]}))


def test_an_event_that_somebody_took_away_parks_its_stream_alone(store: CaseStore) -> None:
    with Runner(store, SOME) as runner:
        runner.catch_up()
        alter(store, "DELETE FROM {t} WHERE originator_id = 'case:b' AND originator_version = 2")
        runner.rebuild()
        parked = {each.stream: each.error for each in runner.parked() if each.projection == "cases"}
        assert list(parked) == ["case:b"]
        assert "case:b has version 3 in the place of version 2" in parked["case:b"]
        assert {row[0] for row in contents(runner)["cases"]} == {"case:a", "case:c"}
    assert {row.case_id for row in reports.cases(store).rows} == {"a", "c"}
