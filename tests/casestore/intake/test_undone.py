"""Importing anew what was undone: the readers ask the store, and what was voided is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.intake.ids import message_pseudonym
from casestore.transfer.known import StoreKnows
from casestore.transfer.undo import undo
from casestore.transfer.undo_plan import plan_undo
from projections import reports
from tests.support.mails import folder, into, mail, reply
from tests.support.notes import ANNA, note
from tests.support.notes import opened as opening


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def undone(store: CaseStore, source: str) -> int:
    plan = plan_undo(store, source)
    return undo(store, plan, reason="misreported", actor=ANNA, authorised_by=ANNA).events


def counted(store: CaseStore) -> list[tuple[int, int]]:
    """Messages and replies of each case."""
    return sorted((row.messages, row.replies) for row in reports.cases(store).rows)


def test_mails_are_imported_anew_under_another_instance(tmp_path: Path, store: CaseStore) -> None:
    place = folder(tmp_path / "in", mail(1), mail(2), reply(3))
    first = into(store, place, instance="wrong").imported
    assert counted(store) == [(1, 0), (1, 1)]
    assert undone(store, "mail:wrong") == first.appended + first.registered
    assert counted(store) == []
    again = into(store, place, instance="right").imported
    assert (again.appended, again.registered) == (first.appended, first.registered)
    assert counted(store) == [(1, 0), (1, 1)]
    assert into(store, place, instance="right").imported.appended == 0


def test_under_the_same_instance_nothing_is_appended(tmp_path: Path, store: CaseStore) -> None:
    place = folder(tmp_path / "in", mail(1), reply(2))
    into(store, place)
    undone(store, "mail")
    assert into(store, place).imported.appended == 0
    assert counted(store) == []


def test_a_mail_that_was_voided_and_imported_anew_is_known_again(
    tmp_path: Path, store: CaseStore
) -> None:
    place = folder(tmp_path / "in", mail(1), reply(2))
    into(store, place, instance="wrong")
    knows, message_id = StoreKnows(store), "m2@desk.example"
    sought = {message_id: message_pseudonym(message_id)}
    assert knows.mails(sought).keys() == {message_id}
    undone(store, "mail:wrong")
    assert knows.mails(sought) == {}
    into(store, place, instance="right")
    (found,) = knows.mails(sought).values()
    assert found.key is not None
    assert found.key.startswith("mail:right:")


def test_a_case_of_which_all_was_voided_is_not_there(store: CaseStore) -> None:
    store.append("case:1", opening(), note("x"), source="zendesk:acme")
    knows = StoreKnows(store)
    assert (knows.has("case:1"), knows.has("customer:c1"), knows.has("case:2")) == (
        True,
        True,
        False,
    )
    assert knows.course("1") is not None
    undone(store, "zendesk:acme")
    assert not knows.has("case:1")
    assert not knows.has("customer:c1")
    assert knows.course("1") is None
