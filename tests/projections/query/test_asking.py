"""Many reports about one moment, while others change the store and rebuild its tables."""

from __future__ import annotations

from typing import Any

import pytest

from casestore import CaseStore
from projections import reports
from projections.engine.live import LiveTables
from projections.engine.runner import Runner
from projections.query.asking import asking
from projections.query.selection import Selection
from tests.support.stories import gave, moment, opened, promised

ASKED = (reports.cases, reports.promises, reports.goodwill_given, reports.waiting, reports.lapses)


@pytest.fixture
def store(store_url: str) -> Any:
    with CaseStore.create(store_url) as store:
        store.append("case:1", opened())
        store.append("case:1", promised("p1", "+3h"))
        store.append("case:1", gave("g1", "+1h"))
        yield store


def rebuild(store: CaseStore) -> None:
    with CaseStore.open(store.url) as other, Runner(other) as runner:
        runner.rebuild()


def test_a_rebuild_and_new_events_change_nothing_of_what_is_asked(store: CaseStore) -> None:
    selection = Selection(as_of=moment("+400d"))
    wanted = [report(store, selection=selection) for report in ASKED]
    with asking(store, selection) as ask:
        store.append("case:2", opened())
        rebuild(store)
        assert [ask(report) for report in ASKED] == wanted
    assert len(reports.cases(store).rows) == 2


@pytest.mark.parametrize("way", ["asking", "a report"])
def test_a_table_that_is_dropped_while_it_is_opened_is_opened_anew(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    reports.cases(store)
    current, asked = LiveTables.current, []

    def dropping(live: LiveTables, cursor: Any = None) -> Any:
        found = current(live, cursor)
        asked.append(cursor)
        if cursor is not None and sum(each is not None for each in asked) == 1:
            monkeypatch.setattr(LiveTables, "current", current)
            rebuild(store)
            monkeypatch.setattr(LiveTables, "current", dropping)
        return found

    monkeypatch.setattr(LiveTables, "current", dropping)
    if way == "a report":
        assert len(reports.promises(store).rows) == 1
    else:
        with asking(store, Selection()) as ask:
            assert [len(ask(report).rows) for report in ASKED[:3]] == [1, 1, 1]
