"""However a history is cut, and whoever makes the rows: they are those of one build."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Event as Signal

import pytest

from casestore import CaseStore
from projections import PROJECTIONS
from projections.engine.runner import Runner
from tests.generate import fill
from tests.support.histories import Histories
from tests.support.made_up import ALL, LOOKING, contents
from tests.support.stories import START, adopted, moment, noted, opened

NAMES = [each.name for each in ALL]


def some_work(runner: Runner, random: Random) -> None:
    """What may be done with a store's projections, in any order."""
    some = random.sample(NAMES, random.randrange(1, len(NAMES)))
    match random.randrange(6):
        case 0:
            runner.rebuild(some)
        case 1:
            runner.retry()
        case 2:
            after_some, steps = Signal(), random.randrange(3)
            runner.catch_up(stop=after_some, tick=lambda _: after_some.set() if not steps else None)
        case 3:
            runner.catch_up()
        case _:
            runner.catch_up(some)


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


def test_nor_on_how_many_made_them(store_url: str, tmp_path: Path) -> None:
    done: list[int] = []
    with (
        CaseStore.create(store_url, key_file=tmp_path / "store.key") as store,
        Runner(store, ALL, batch=300) as runner,
    ):
        runner.catch_up()  # of nothing
        fill(store, 3_000)
        runner.catch_up()
        grown = contents(runner)
        runner.rebuild()
        assert contents(runner) == grown
        runner.rebuild(workers=2, tick=done.append)
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
        store.append("case:early", opened(), noted(at="+4m"))  # which clocks that differ allow
        now = moment("+7m")
        store.append("case:late", opened(at="+7m"))
        runner.catch_up()
        now = moment("+8m")
        store.append("policy", adopted(at=now, effective=moment("+3m")))
        store.append("policy", adopted(at=now, effective=moment("+1d")))
        runner.catch_up()
        found = {row[1:4] for row in contents(runner)[LOOKING.name]}
        assert found == {("early", 1, "[]"), ("early", 2, '["house"]'), ("late", 1, '["house"]')}
