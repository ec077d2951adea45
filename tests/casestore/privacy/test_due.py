"""Whose last case was closed long ago: who is due to be erased, who is not, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from casestore import (
    CaseClosed,
    CaseMerged,
    CaseReopened,
    CaseStore,
    CustomerMerged,
    CustomerRegistered,
)
from casestore.privacy.due import Due, due, erase_due
from casestore.privacy.erasure import erase
from tests.support.holds import held, let_go
from tests.support.notes import ANNA, T, opened

LONG_AGO = T + timedelta(days=10)


def closed(days: int) -> CaseClosed:
    at = T + timedelta(days=days)
    return CaseClosed(occurred_at=at, actor=ANNA, reason="resolved")


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    """A case of c1 that was closed after 2 days, and one after 5."""
    with CaseStore.create(store_url) as made:
        made.append("case:1", opened(), closed(2))
        made.append("case:2", opened(), closed(5))
        yield made


def ids(store: CaseStore) -> list[str]:
    return [each for person in due(store, LONG_AGO) for each in person.customer_ids]


def test_who_has_only_cases_that_were_closed_long_ago_is_due(store: CaseStore) -> None:
    assert list(due(store, LONG_AGO)) == [Due(("c1",), (), 2, T + timedelta(days=5))]
    assert list(due(store, T + timedelta(days=5))) == []  # not before that
    assert ids(store) == ["c1"]


def test_who_has_an_open_case_or_a_hold_is_not(store: CaseStore) -> None:
    store.append("case:3", opened("c1"))
    assert ids(store) == []
    store.append("case:3", closed(6))
    assert ids(store) == ["c1"]
    store.append("customer:c1", held("h"))
    assert ids(store) == []
    store.append("customer:c1", let_go("h"))
    store.append("case:1", CaseReopened(occurred_at=T + timedelta(days=9), actor=ANNA))
    assert ids(store) == []


def test_who_never_had_a_case_is_not(store: CaseStore) -> None:
    store.append("customer:c9", CustomerRegistered(occurred_at=T, actor=ANNA))
    assert ids(store) == ["c1"]


def test_the_ids_of_one_person_count_as_one(store: CaseStore) -> None:
    store.append("case:4", opened("c2"))
    store.append("customer:c2", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    assert ids(store) == []
    store.append("case:4", closed(7))
    (person,) = due(store, LONG_AGO)
    assert (person.customer_ids, person.cases) == (("c1", "c2"), 3)
    store.append("customer:c2", held("h"))
    assert ids(store) == []
    store.append("customer:c2", let_go("h"))
    erase(store, "c1", basis="x", actor=ANNA)
    (person,) = due(store, LONG_AGO)
    assert (person.customer_ids, person.erased_ids) == (("c2",), ("c1",))


def test_a_merged_case_stands_as_the_one_it_is_merged_into(store: CaseStore) -> None:
    store.append("case:5", opened("c1"))
    assert ids(store) == []
    store.append("case:5", CaseMerged(occurred_at=T, actor=ANNA, into="1"))
    assert ids(store) == ["c1"]


def test_erasing_who_is_due_can_be_stopped_and_run_again(store: CaseStore) -> None:
    store.append("case:4", opened("c2"), closed(1))
    store.append("case:6", opened("c3"), closed(1))
    assert ids(store) == ["c1", "c2", "c3"]

    def done(customer_id: str) -> tuple[str, str]:
        made = erase_due(store, customer_id, LONG_AGO, basis="gdpr-5", actor=ANNA)
        assert (made.event_id is None) == (made.outcome == "refused")
        return made.outcome, made.why

    assert done("c1") == ("erased", "")
    assert done("c1") == ("erased already", "")
    assert ids(store) == ["c2", "c3"]
    store.append("customer:c2", held("h"))
    assert done("c2") == ("refused", "is not due any more: a legal hold stands: h on c2")
    store.append("case:7", opened("c3"))
    assert done("c3") == ("refused", "is not due any more: case 7 is open")
    assert ids(store) == []
    assert done("nobody")[0] == "refused"
