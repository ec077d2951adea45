"""A follower meets an event that it cannot read: it ends there, or goes past it if asked to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

import pytest

from casestore import CaseStore, StoreDamaged
from casestore.journal.sqlite import SQLiteJournal
from tests.support import stories
from tests.support.alter import alter

POISON = {
    "an event of a later release": "topic = 'CaseAnswered'",
    "a state that is none": "state = '{'",
    "metadata that are none": "metadata = '?'",
    "a topic that is no text": "topic = CAST(x'ff' AS TEXT)",
    "a stream that is no text": "originator_id = CAST(x'ff' AS TEXT)",
    "a time that is none": "recorded_at = 'soon'",
}
ON_SQLITE_ALONE = ("a topic that", "a stream that", "a time that")
"""PostgreSQL takes no such text."""


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as store:
        store.append("case:1", stories.opened())
        for number in range(3):
            store.append("case:1", stories.noted(), key=f"{number}")
        yield store


@pytest.mark.parametrize("poison", POISON)
def test_a_follower_can_go_past_an_event_that_cannot_be_read(
    store: CaseStore, poison: str, caplog: pytest.LogCaptureFixture
) -> None:
    if poison.startswith(ON_SQLITE_ALONE) and not isinstance(store._recorder, SQLiteJournal):
        pytest.skip("PostgreSQL stores no such value")
    alter(store, f"UPDATE {{t}} SET {POISON[poison]} WHERE position = 4")
    following = store.follow(reveal=True)
    with pytest.raises(StoreDamaged):
        list(islice(following, 5))
    caplog.set_level(logging.WARNING, "casestore")
    following = store.follow(reveal=True, on_poison="skip")
    seen = [next(following) for _ in range(4)]
    assert [recorded.position for recorded in seen] == [1, 2, 3, 5]
    assert ["position 4 is left out" in record.message for record in caplog.records] == [True]
    store.append("case:2", stories.opened())
    assert next(following).stream == "case:2"
    again = store.follow(on_poison="skip")
    assert [next(again).position for _ in range(4)] == [1, 2, 3, 5]
    # Where it stands may be kept, also right behind what it left out.
    again = store.follow(seen[2].cursor, on_poison="skip")
    assert next(again).position == 5
    assert next(store.follow(seen[3].cursor)).stream == "case:2"
