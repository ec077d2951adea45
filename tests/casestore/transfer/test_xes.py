"""The log in XES: a trace for each case, as the published schema wants it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from casestore import CaseStore
from casestore.transfer.xes import write_xes
from tests.support import stories
from tests.support.histories import Histories
from tests.support.hostile import NAMES, cases_named

SCHEMA = Path(__file__).parents[2] / "fixtures" / "schemas" / "xes-ieee-1849-2016.xsd"


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def traces(store: CaseStore, path: Path, **asked: Any) -> list[etree._Element]:
    count = write_xes(store, path, **asked)
    log = etree.parse(path)
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(log)
    found = log.findall("trace")
    assert sum(len(trace.findall("event")) for trace in found) == count
    return found


def told(element: etree._Element) -> dict[str, str]:
    """The attributes of a trace or an event."""
    return {each.get("key"): each.get("value") for each in element if each.tag != "event"}


def test_each_case_is_a_trace_in_the_order_of_happening(store: CaseStore, tmp_path: Path) -> None:
    store.append("case:1", stories.opened(product="kettle"), key="open")
    store.append("case:1", stories.promised("p1", at="+3h", due="+9h"), key="promise")
    store.append("case:1", stories.assigned(agent="ben", team="south", at="+1h"), key="late")
    (trace,) = traces(store, tmp_path / "log.xes")
    assert told(trace) == {
        "concept:name": "1",
        "customer": "k1",
        "status": "open",
        "channel": "email",
        "product": "kettle",
        "agent": "ben",
        "team": "south",
    }
    opened, assigned, promised = map(told, trace.findall("event"))
    cases_named(store)
    found = {told(trace)["concept:name"] for trace in traces(store, tmp_path / "log.xes")}
    assert found == {name.replace("\ufffe", "\ufffd") for name in NAMES}


@pytest.mark.parametrize("seed", range(3))
def test_the_log_of_any_history_is_valid_and_the_same_again(tmp_path: Path, seed: int) -> None:
    made = Histories(f"sqlite:///{tmp_path}/random.db", tmp_path / "key", seed)
    with made.store as store:
        made.go_on(300)
        traces(store, tmp_path / "log.xes")
        write_xes(store, tmp_path / "again.xes")
    assert (tmp_path / "again.xes").read_bytes() == (tmp_path / "log.xes").read_bytes()
