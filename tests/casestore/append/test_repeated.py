"""A key over several streams: the same append in any order of its streams, or else a conflict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count as count_from
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casestore import Append, CaseStore, Event, IdempotencyConflict, NoteAdded
from casestore.append.request import event_id
from casestore.transfer.ndjson import export_lines, import_lines
from tests.support.laws import law
from tests.support.notes import note, opened

Batches = Sequence[tuple[str, Sequence[Event]]]

A, B, C, D = "case:a", "case:b", "case:c", "case:d"
THREE: Batches = [
    (A, [note("1"), note("2")]),
    (B, [note("3")]),
    (C, [note("4"), note("5"), note("6")]),
]


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        for stream in (A, B, C, D):
            made.append(stream, opened(subject=None))
        yield made


def count(store: CaseStore) -> int:
    return sum(1 for _ in store.read())


def as_before(store: CaseStore, batches: Batches, key: str) -> list[str]:
    """Append as an earlier version did, with ids that are numbered through all streams."""
    names = [stream for stream, events in batches for _ in events]
    ids = [event_id(stream, key, n) for n, stream in enumerate(names)]
    assert store.write([Append(batches=batches, key=key, event_ids=ids)]) == [True]
    return ids


def test_the_same_events_in_another_order_of_streams_are_the_same_append(store: CaseStore) -> None:
    first = store.append_all(THREE, key="k")
    there = count(store)
    for order in permutations(THREE):
        again = store.append_all(order, key="k")
        assert sorted(again.positions) == sorted(first.positions)
        assert set(again.uids) == set(first.uids)
    assert store.append_all(THREE, key="k") == first
    assert count(store) == there


def test_events_with_ids_of_an_earlier_version_are_found_in_any_order(store: CaseStore) -> None:
    as_before(store, THREE, "k")
    as_before(store, THREE[:2], "x" * 200)
    there = count(store)
    for order in permutations(THREE):
        receipt = store.append_all(order, key="k")
        streams = [stream for stream, events in order for _ in events]
        assert list(map(store.stream_of, receipt.uids)) == streams
    store.append_all(THREE[:2][::-1], key="x" * 200)
    assert count(store) == there


def test_earlier_ids_are_found_if_a_stream_came_twice_or_the_key_was_used_alone(
    store: CaseStore,
) -> None:
    as_before(store, [(A, [note("1")]), (B, [note("2")]), (A, [note("3")])], "twice")
    as_before(store, [(B, [note("1")]), (A, [note("2")])], "alone")
    store.append(
        A, note("one"), key="alone"
    )  # the earlier version gave it another id, so it is an append of its own
    there = count(store)
    store.append_all([(B, [note("2")]), (A, [note("1"), note("3")])], key="twice")
    store.append_all([(A, [note("2")]), (B, [note("1")])], key="alone")
    assert count(store) == there


def test_of_very_many_events_only_ids_in_the_order_given_are_looked_for(store: CaseStore) -> None:
    many: Batches = [(A, [note(str(n)) for n in range(400)]), (B, [note("b")]), (C, [note("c")])]
    as_before(store, many, "k")
    there = count(store)
    store.append_all(many, key="k")
    assert count(store) == there
    with pytest.raises(IdempotencyConflict):
        store.append_all(many[::-1], key="k")


OTHERWISE: dict[str, Batches] = {
    "alone on the first": [(A, THREE[0][1])],
    "alone on the second": [(B, THREE[1][1])],
    "alone on the last": [(C, THREE[2][1])],
    "on fewer": THREE[:2],
    "on others": [(B, THREE[1][1]), (D, [note("1"), note("2")])],
    "on more": [*THREE, (D, [note("7")])],
    "with other events": [*THREE[:2], (C, [note("4"), note("5"), note("7")])],
    "with events in another order": [*THREE[:2], (C, [note("4"), note("6"), note("5")])],
    "with another number of events": [*THREE[:2], (C, [note("4"), note("5")])],
}


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_a_key_that_is_used_for_another_append_is_a_conflict(
    store: CaseStore, otherwise: Batches
) -> None:
    store.append_all(THREE, key="k")
    there = count(store)
    with pytest.raises(IdempotencyConflict, match="key 'k' was used before"):
        store.append_all(otherwise, key="k")
    assert count(store) == there


@pytest.mark.parametrize("alone", THREE, ids=["a", "b", "c"])
def test_a_key_of_one_stream_is_a_conflict_over_several_streams(
    store: CaseStore, alone: tuple[str, Sequence[Event]]
) -> None:
    store.append(*alone, key="k")
    with pytest.raises(IdempotencyConflict, match="key 'k' was used before"):
        store.append_all(THREE, key="k")


def test_an_append_and_its_repetition_may_share_a_commit(store: CaseStore) -> None:
    appends = [Append(batches=THREE, key="k"), Append(batches=THREE[::-1], key="k")]
    assert store.write(appends) == [True, False]


def test_a_service_retries_in_another_order_where_its_events_were_moved_to(
    store: CaseStore, tmp_path: Path
) -> None:
    store.append_all(THREE, key="k")
    as_before(store, THREE, "old")
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert import_lines(copy, export_lines(store, reveal=True)).refused == ()
        there = count(copy)
        copy.append_all(THREE[::-1], key="k")
        copy.append_all(THREE[::-1], key="old")
        assert count(copy) == there


names = st.sampled_from([A, B, C])
texts = st.lists(st.sampled_from("xy"), min_size=1, max_size=3)
told = st.lists(st.tuples(names, texts), min_size=1, max_size=4)


runs = count_from(1)


@given(told, told, st.booleans(), st.randoms(use_true_random=False))
@settings(law, suppress_health_check=list(HealthCheck))
def test_a_key_is_one_append_for_good(
    store: CaseStore,
    told: list[tuple[str, list[str]]],
    other: list[tuple[str, list[str]]],
    before: bool,
    random: Random,
) -> None:
    """In any order of its streams it is on record already. On some of them it is a conflict."""
    key = f"k{next(runs)}"
    batches = [(stream, [note(text) for text in texts]) for stream, texts in told]
    if before:
        as_before(store, batches, key)
    else:
        store.append_all(batches, key=key)
    there = count(store)
    again, elsewhere = by_stream(told), by_stream(other)
    order = list(again)
    random.shuffle(order)
    receipt = store.append_all([(stream, again[stream]) for stream in order], key=key)
    history = {r.uid: r for r in store.read()}
    assert [history[uid].event for uid in receipt.uids] == [
        replace(event, text=None) for stream in order for event in again[stream]
    ]
    # By the earlier ids, a key that is used alone is recognised only on its first stream.
    known = {told[0][0]} if before else again.keys()
    if elsewhere != again and known & elsewhere.keys():
        with pytest.raises(IdempotencyConflict):
            store.append_all(list(elsewhere.items()), key=key)
    assert count(store) == there


def by_stream(told: list[tuple[str, list[str]]]) -> dict[str, list[NoteAdded]]:
    found: dict[str, list[NoteAdded]] = {}
    for stream, texts in told:
        found.setdefault(stream, []).extend(note(text) for text in texts)
    return found
