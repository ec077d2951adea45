"""However events are divided, and whoever makes their rows, the rows are those of one build."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casestore import CaseStore
from projections import PROJECTIONS, reports
from projections.engine import filling
from projections.engine.maker import Maker
from projections.engine.rebuild import rebuild
from projections.engine.runner import Runner
from tests.generate import fill
from tests.support.histories import Histories
from tests.support.made_up import ALL, LOOKING, contents, some_work
from tests.support.stories import START, adopted, moment, noted, opened

NAMES = [each.name for each in ALL]


@pytest.mark.parametrize("seed", range(3))
def test_rows_do_not_depend_on_how_they_came_to_be(
    store_url: str, tmp_path: Path, seed: int
) -> None:
    random, parked = Random(seed), 0
    histories = Histories(store_url, tmp_path / "store.key", seed)
    with histories.store as store:
        for _ in range(8):
            histories.go_on(random.randrange(50))
            with Runner(store, ALL, batch=random.choice((1, 2, 7, 2000))) as runner:
                some_work(runner, random)
                parked += sum(each.parked for each in runner.status())
        with Runner(store, ALL, batch=5) as runner:
            runner.catch_up()
            grown = contents(runner)
            runner.rebuild()
            assert contents(runner) == grown
            assert runner.catch_up() == max(each.position or 0 for each in store.read())
        assert parked, "nothing failed on the way"
        assert all(grown[name] for name in ("cases", "customers", LOOKING.name))


def test_rows_do_not_depend_on_whether_their_time_is_past(store_url: str, tmp_path: Path) -> None:
    histories = Histories(store_url, tmp_path / "store.key", 7)
    said: list[tuple[datetime, Any]] = []
    with histories.store as store:
        for _ in range(3):
            histories.go_on(120)
            said.append((histories.now, all_said(store, histories.now)))
            histories.now += timedelta(hours=1)
        for now, then in said:
            assert all_said(store, now, known_at=now) == then
        assert len({repr(each) for _, each in said}) == 3
        with Runner(store, ALL) as runner:
            runner.catch_up()
            live = contents(runner)
            made = Maker(store, ALL, until=runner.head(), as_of=datetime.max.replace(tzinfo=UTC))
            whole = [made.of_range(*names) for names in (("case:", "case;"), ("customer:", "d"))]
            some = list(made.of_streams([*store.streams("case"), *store.streams("customer")]))
            for parts in (whole, some):
                for name in NAMES:
                    rows = [tuple(row) for part in parts for row in part.rows[name]]
                    assert sorted(rows, key=repr) == live[name]


def all_said(store: CaseStore, as_of: datetime, **asked: Any) -> list[Any]:
    """The results of all reports."""
    found = []
    for report in (*reports.REPORTS, reports.lapse_counts, reports.response_counts):
        needed: dict[str, Any] = {
            option.name: option.kind[0] if isinstance(option.kind, tuple) else "first_line"
            for option in report.options
            if option.required
        }
        if report.argument is not None:
            needed[report.argument] = "x"
        told = report(store, as_of=as_of, **needed, **asked)
        found.append((report.name, told.rows, told.summary))
    return found


def test_rows_of_families_do_not_depend_on_the_number_of_workers(
    store_url: str, tmp_path: Path
) -> None:
    histories = Histories(store_url, tmp_path / "store.key", 6)
    with histories.store as store, Runner(store, ALL, batch=9) as runner:
        histories.go_on(200)
        runner.catch_up()
        histories.go_on(100)
        runner.catch_up()
        grown = contents(runner)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(filling, "EVENTS", 10)
            rebuild(runner._live, processes=2)
        assert contents(runner) == grown
        merged = [row for row in grown["cases"] if row[3] == "merged"]
        assert merged, "nothing is merged at the end"


def test_rows_do_not_depend_on_the_number_of_workers(store_url: str, tmp_path: Path) -> None:
    done: list[int] = []
    with (
        CaseStore.create(store_url, key_file=tmp_path / "store.key") as store,
        Runner(store, ALL, batch=300) as runner,
    ):
        runner.catch_up()  # there are no events yet
        fill(store, 3_000)
        runner.catch_up()
        grown = contents(runner)
        runner.rebuild()
        assert contents(runner) == grown
        runner.rebuild(processes=2, tick=done.append)
        assert contents(runner) == grown
    assert len(done) > 1
    assert done[-1] == 3_000
    assert {each.name for each in PROJECTIONS if not grown[each.name]} <= {"statements"}


def test_a_policy_may_judge_what_is_on_record_already(store_url: str) -> None:
    now = START
    with (
        CaseStore.create(store_url, clock=lambda: now) as store,
        Runner(store, [LOOKING], batch=1) as runner,
    ):
        store.append("case:early", opened(), noted(at="+4m"))  # clocks may differ by so much
        now = moment("+7m")
        store.append("case:late", opened(at="+7m"))
        runner.catch_up()
        now = moment("+8m")
        store.append("policy", adopted(at=now, effective=moment("+3m")))
        store.append("policy", adopted(at=now, effective=moment("+1d")))
        runner.catch_up()
        found = {row[1:4] for row in contents(runner)[LOOKING.name]}
        assert found == {("early", 1, "[]"), ("early", 2, '["house"]'), ("late", 1, '["house"]')}
