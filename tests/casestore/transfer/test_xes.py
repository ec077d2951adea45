"""The log in XES: a trace for each case, as the published schema wants it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree  # type: ignore[import-untyped]

from casestore import Actor, CaseStore, InvalidStream, StreamNotFound
from casestore.transfer.xes import write_xes
from tests.support import stories
from tests.support.canaries import CANARY, plant
from tests.support.histories import Histories
from tests.support.hostile import NAMES, cases_named
from tests.support.samples import changed

SCHEMA = Path(__file__).parents[2] / "fixtures" / "schemas" / "xes-ieee-1849-2016.xsd"


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def traces(store: CaseStore, path: Path, **asked: Any) -> list[etree._Element]:
    count = write_xes(store, path, **asked)
    log = etree.parse(path)
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(log)
    found = list(log.findall("trace"))
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
    names = [each["concept:name"] for each in (opened, assigned, promised)]
    assert names == ["CaseOpened", "CaseAssigned", "PromiseMade"]
    recorded = store.history("case:1").originals[1]
    assert promised == {
        "concept:name": "PromiseMade",
        "time:timestamp": "2026-03-02T12:00:00.000000Z",
        "org:resource": "anna",
        "org:role": "first_line",
        "org:group": "north",
        "lifecycle:transition": "complete",
        "identity:id": recorded.uid,
        "actor_kind": "agent",
        "promise_id": "p1",
        "kind": "callback",
        "due_at": "2026-03-02T18:00:00.000000Z",
    }


def test_an_agent_without_a_team_acts_for_the_one_that_has_the_case(
    store: CaseStore, tmp_path: Path
) -> None:
    ben, mia = Actor(kind="agent", id="ben"), Actor(kind="customer", id="k1")
    store.append(
        "case:1",
        stories.opened(actor=ben),
        stories.assigned(team="south", at="+1h", actor=ben),
        stories.noted(at="+2h", actor=ben),
        stories.wrote("m1", "+3h", actor=mia),
    )
    (trace,) = traces(store, tmp_path / "log.xes")
    groups = [told(event).get("org:group") for event in trace.findall("event")]
    assert groups == [None, "south", "south", None]


def test_corrections_are_applied_and_a_case_of_which_all_was_voided_is_none(
    store: CaseStore, tmp_path: Path
) -> None:
    store.append("case:1", stories.opened(product="toaster"), key="open")
    store.append("case:1", stories.noted(at="+1h"), key="note")
    store.append("case:2", stories.opened(), key="open")
    one, note = (each.event_id for each in store.history("case:1").originals)
    (two,) = (each.event_id for each in store.history("case:2").originals)
    amended = stories.amended(2, at="+5h", product=("toaster", "kettle"))
    store.append("case:1", changed(amended, event_id=one))
    store.append("case:1", changed(stories.voided(2, at="+5h"), event_id=note))
    store.append("case:2", changed(stories.voided(2, at="+5h"), event_id=two))
    (trace,) = traces(store, tmp_path / "log.xes")
    (event,) = map(told, trace.findall("event"))
    assert (event["concept:name"], event["product"]) == ("CaseOpened", "kettle")


def test_a_merged_case_keeps_its_trace_and_says_where_it_counts(
    store: CaseStore, tmp_path: Path
) -> None:
    store.append("case:1", stories.opened())
    store.append("case:2", stories.opened(), stories.merged("1", at="+1h"))
    one, two = map(told, traces(store, tmp_path / "log.xes"))
    assert "merged_into" not in one
    assert two["merged_into"] == "1"
    (only,) = traces(store, tmp_path / "log.xes", stream="case:2")
    assert told(only)["concept:name"] == "2"


def test_only_cases_are_traces(store: CaseStore, tmp_path: Path) -> None:
    store.append("case:1", stories.opened())
    with pytest.raises(InvalidStream, match="is no case"):
        write_xes(store, tmp_path / "log.xes", stream="customer:k1")
    with pytest.raises(StreamNotFound):
        write_xes(store, tmp_path / "log.xes", stream="case:none")


def test_no_word_of_a_person_is_in_it(store: CaseStore, tmp_path: Path) -> None:
    assert plant(store) > 20
    traces(store, tmp_path / "log.xes")
    assert CANARY not in (tmp_path / "log.xes").read_text("utf-8")


def test_what_xml_cannot_hold_is_replaced_and_all_else_stays(
    store: CaseStore, tmp_path: Path
) -> None:
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
