"""The rows of streams that were ever merged are made together: none is stale, and if one stream
cannot be read, all are parked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.events import Event
from projections import PROJECTIONS, reports
from projections.engine.links import StreamLinks
from projections.engine.rebuild import rebuild
from projections.engine.runner import Runner
from tests.support.alter import alter, rewrite
from tests.support.command_line import Casestore
from tests.support.desk import Desk
from tests.support.made_up import contents
from tests.support.stories import (
    assigned,
    corrected,
    customer_merged,
    customer_unmerged,
    gave,
    issue,
    merged,
    moment,
    noted,
    opened,
    prefers,
    promised,
    replied,
    stated,
    unmerged,
    wrote,
)


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    with desk.store:
        yield desk


def tell_some(desk: Desk) -> None:
    for case_id, customer_id in zip("abc", ("k1", "k1", "k2"), strict=True):
        desk.case(case_id, opened(customer_id=customer_id), issue(), wrote(), assigned("anna"))
        desk.case(case_id, promised(due="+1h"), gave(), stated(), replied("r1", "+1h"))


# --- no row is stale --------------------------------------------------------------------------

TURNS: list[tuple[str, Event]] = [
    ("case:a", merged("b", "+2h")),
    ("case:b", noted("+3h")),
    ("case:a", wrote("m2", "+4h")),
    ("case:b", merged("c", "+5h")),
    ("customer:k1", prefers(at="+6h")),
    ("customer:k2", prefers(at="+6h")),
    ("case:b", unmerged("c", "+7h")),
    ("case:c", merged("b", "+8h")),
    ("customer:k1", customer_merged("k2", "+9h")),
    ("case:a", unmerged("b", "+10h")),
    ("case:c", unmerged("b", "+11h")),
    ("customer:k1", customer_unmerged("k2", "+12h")),
]


@pytest.mark.parametrize("at_once", [1, 4])
def test_after_each_merge_the_rows_are_those_of_a_build(desk: Desk, at_once: int) -> None:
    tell_some(desk)
    with Runner(desk.store, PROJECTIONS) as runner:
        runner.catch_up()
        for number, (stream, event) in enumerate(TURNS, 1):
            desk.tell(stream, event)
            if number % at_once == 0:
                runner.catch_up()
                grown = contents(runner)
                rebuild(runner._live)
                assert contents(runner) == grown, event


def test_a_merge_that_is_voided_leaves_nothing(desk: Desk) -> None:
    tell_some(desk)
    with Runner(desk.store, PROJECTIONS) as runner:
        runner.catch_up()
        desk.case("a", merged("b", "+2h"))
        version = len(desk.store.history("case:a"))
        event_id = list(desk.store.history("case:a"))[-1].event_id
        runner.catch_up()
        before = reports.cases(desk.store, as_of=moment("+1d")).rows
        assert [row.status for row in before] == ["merged", "open", "open"]
        desk.case("a", corrected(version, "+3h", kind="voided", event_id=event_id))
        runner.catch_up()
        after = reports.cases(desk.store, as_of=moment("+1d")).rows
        assert [row.status for row in after] == ["open"] * 3
        grown = contents(runner)
        rebuild(runner._live)
        assert contents(runner) == grown


def test_an_older_copy_that_was_put_back_has_merges_of_its_own(tmp_path: Path) -> None:
    links = StreamLinks()

    def related(name: str, *told: tuple[str, Event]) -> list[str]:
        """The streams related to case a, in a store with this history, at the first one's place."""
        with Desk(
            f"sqlite:///{tmp_path}/{name}.db", key_file=tmp_path / f"{name}.key"
        ).store as store:
            for case_id in "abc":
                store.append(f"case:{case_id}", opened())
            for stream, event in told:
                store.append(stream, event)
            until = store._recorder.last_position()
            links.look(store, until)
            return links.related("case:a", until)

    assert related("first", ("case:a", merged("b")), ("case:a", noted())) == ["case:a", "case:b"]
    assert related("older", ("case:a", merged("c"))) == ["case:a", "case:c"]
    assert related("longer", *(("case:b", noted()),) * 9) == ["case:a"]


# --- a stream that cannot be read parks its family ----------------------------------------------


def statuses(desk: Desk) -> dict[str, str]:
    return {row.case_id: row.status for row in reports.cases(desk.store).rows}


@pytest.mark.parametrize("build", [True, False])
def test_a_member_that_cannot_be_read_parks_its_family_until_it_is_mended(
    desk: Desk, build: bool
) -> None:
    tell_some(desk)
    desk.case("a", merged("b", "+2h"))
    with Runner(desk.store, PROJECTIONS) as runner:
        runner.catch_up()
        well = contents(runner)
        rewrite(desk.store, "case:a", '"issue_id"', '"no_issue_id"')
        if build:
            rebuild(runner._live)
        else:
            desk.case("b", noted("+3h"))
            runner.catch_up()
        parked = {each.stream: each.error for each in runner.parked()}
        assert set(parked) == {"case:a", "case:b"}
        assert parked["case:a"].startswith("StoreDamaged: a stored IssueRaised does not fit")
        told = (
            "StoreDamaged: case:a, which was merged with it, cannot be read: a stored IssueRaised"
        )
        assert parked["case:b"].startswith(told)
        assert {each.parked for each in runner.status() if each.projection == "cases"} == {2}
        assert statuses(desk) == {"c": "open"}
        assert reports.cases(desk.store).parked == 2
        assert reports.cases(desk.store, as_of=moment("+1h")).parked == 2
        assert runner.retry() == runner.parked()
        shown = Casestore(desk.store.url)("projections", "status").out
        assert "case:a, which was merged with it" in shown
        rewrite(desk.store, "case:a", '"no_issue_id"', '"issue_id"')
        assert runner.retry() == []
        assert statuses(desk) == {"a": "merged", "b": "open", "c": "open"}
        if build:
            assert contents(runner) == well


def test_a_merge_that_cannot_be_read_parks_its_own_case_alone(desk: Desk) -> None:
    tell_some(desk)
    desk.case("a", merged("b", "+2h"))
    rewrite(desk.store, "case:a", '"into"', '"out"')
    assert statuses(desk) == {"b": "open", "c": "open"}
    assert reports.cases(desk.store).parked == 1
    rewrite(desk.store, "case:a", '"out"', '"into"')
    with Runner(desk.store) as runner:
        assert runner.retry() == []
    assert statuses(desk) == {"a": "merged", "b": "open", "c": "open"}


def test_a_customer_who_cannot_be_read_parks_whom_they_were_merged_with(desk: Desk) -> None:
    tell_some(desk)
    desk.customer("k1", customer_merged("k2", "+2h"), prefers(at="+3h"))
    rewrite(desk.store, "customer:k1", '"preference"', '"reference"')
    with Runner(desk.store, PROJECTIONS) as runner:
        runner.catch_up()
        streams = {each.stream for each in runner.parked() if each.projection == "customers"}
        assert streams == {"customer:k1", "customer:k2"}
        rewrite(desk.store, "customer:k1", '"reference"', '"preference"')
        assert not runner.retry()


# --- finding the merges --------------------------------------------------------------------------


def plans(store: CaseStore) -> list[str]:
    """How the database finds the merges of cases."""
    explain = "EXPLAIN" if store.url.startswith("postgres") else "EXPLAIN QUERY PLAN"
    recorder: Any = store._recorder
    real, found = recorder.fetch, []

    def fetch(sql: str, params: Any = ()) -> list[Any]:
        found.append(str(real(f"{explain} {sql}", params)))
        return list(real(sql, params))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recorder, "fetch", fetch)
        store._recorder.merges("CaseMerged")
        store._recorder.merges("CaseMerged", 5)
    return found


def test_merges_are_found_by_an_index(desk: Desk) -> None:
    tell_some(desk)
    desk.case("a", merged("b", "+2h"), *(noted("+3h") for _ in range(300)))
    if desk.store.url.startswith("postgres"):
        recorder: Any = desk.store._recorder
        with recorder.datastore.transaction(commit=True) as cursor:
            cursor.execute(f"ANALYZE {recorder.table}")
    for plan in plans(desk.store):
        assert "stored_events_case_merges" in plan


def test_a_store_without_that_index_is_read_all_the_same(desk: Desk) -> None:
    tell_some(desk)
    desk.case("a", merged("b", "+2h"))
    schema = desk.store._recorder.table.rpartition(".")[0]
    alter(desk.store, f"DROP INDEX {schema and schema + '.'}stored_events_case_merges")
    assert statuses(desk) == {"a": "merged", "b": "open", "c": "open"}
    desk.case("b", merged("c", "+3h"))
    assert statuses(desk) == {"a": "merged", "b": "merged", "c": "open"}
