"""Names by how they begin, for completion: read as things stand, on either database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from casestore import CaseStore
from casestore.append.request import Append
from casestore.events import Actor
from projections import reports
from projections.engine.open_tables import tables_that_are_there
from projections.query import seen_names
from tests.support.stories import assigned, noted, opened


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def _actor(agent: str) -> Actor:
    return Actor(kind="agent", id=agent, role="lead", team="quay")


def test_without_tables_the_last_events_are_asked(store: CaseStore) -> None:
    store.append("case:1", opened(product="boat"), noted(actor=_actor("anna")))
    assert seen_names.seen(store, "product", "b") == ["boat"]
    assert seen_names.seen(store, "agent", "an") == ["anna"]
    assert seen_names.seen(store, "role", "l") == ["lead"]
    assert seen_names.seen(store, "team", "q") == ["quay"]
    assert seen_names.seen(store, "region", "") == []
    assert "agent:anna:lead:quay" in seen_names.actors(store)
    assert tables_that_are_there(store) is None, "nothing is made for it"


def test_the_tables_know_what_was_long_ago(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("case:1", opened(product="boat", category="Zoë"), assigned("anna", team="quay"))
    reports.cases(store)
    monkeypatch.setattr(seen_names, "_LAST_EVENTS", 1)
    store.append("case:1", noted())
    assert seen_names.seen(store, "product", "b") == ["boat"]
    assert seen_names.seen(store, "product", "c") == []
    assert seen_names.seen(store, "category", "Zo") == ["Zoë"]
    assert seen_names.seen(store, "agent", "anna") == ["anna"]
    assert seen_names.seen(store, "team", "q") == ["quay"]


def test_streams_and_the_last_of_too_many(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_names, "MOST", 3)
    ids = ("a1", "a2", "a3", "a4", "a9", "b1")
    store.write([Append(batches=[(f"case:{each}", [opened()])]) for each in ids])
    assert seen_names.streams(store, "case:a") == ["case:a1", "case:a2", "case:a3", "case:a9"]
    assert seen_names.streams(store, "case:b") == ["case:b1"]
    assert seen_names.streams(store, "customer:") == ["customer:k1"]
    assert seen_names.streams(store, "case:c") == []
