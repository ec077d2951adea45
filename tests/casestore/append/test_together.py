"""Threads that append at the same time, on SQLite: they share commits, and notice nothing of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casestore import (
    Append,
    CaseStore,
    CaseStoreError,
    ConcurrencyConflict,
    CustomerErased,
    EventRefused,
    IdempotencyConflict,
    NoteAdded,
    Receipt,
    StoreDamaged,
    StoreUnavailable,
)
from casestore.append.together import MOST_EVENTS
from casestore.events import Event
from casestore.journal import sqlite_datastore
from tests.support import stories
from tests.support.busy import busy
from tests.support.in_line import PATIENCE, at_once, commits, join, line, until
from tests.support.stories import kept, noted, opened, promised


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/desk.db", key_file=tmp_path / "key") as store:
        store.append("case:there", opened())
        yield store


def appending(store: CaseStore, stream: str, *events: Event, **how: Any) -> Callable[[], Receipt]:
    return lambda: store.append(stream, *events, **how)


NOTE = [("case:there", [noted()])]


def in_order(store: CaseStore, first: Append, *others: Append) -> list[Any]:
    """Write appends in one commit, in this order. Gives receipts, and the classes of refusals."""
    places = join(store, *others)
    with commits(store) as seen:
        answers = [one_by_one(store, first), *(place.answer for place in places)]
    assert seen == ["COMMIT"]
    return [receipt or type(refusal) for refusal, receipt in filter(None, answers)]


def one_by_one(store: CaseStore, append: Append) -> tuple[bool | CaseStoreError, Receipt | None]:
    try:
        return True, store.append_all(
            append.batches, key=append.key, expected_version=append.expected_version
        )
    except CaseStoreError as refusal:
        return refusal, None


def held(store: CaseStore, stream: str) -> list[str]:
    return [each.type for each in store.history(stream).originals]


# --- one commit, and an answer for each -------------------------------------------------------


def test_appends_that_wait_share_a_commit(store: CaseStore) -> None:
    works = [appending(store, f"case:{n}", opened(), noted(text=f"n{n}")) for n in range(8)]
    with commits(store) as seen:
        receipts = [each.result() for each in at_once(store, works)]
    assert len(seen) == 1
    assert [receipt.versions for receipt in receipts] == [(1, 2)] * 8
    by_position = {each.position: each for each in store.read()}
    for n, receipt in enumerate(receipts):
        stored = [by_position[position] for position in receipt.positions]
        assert [each.stream for each in stored] == [f"case:{n}"] * 2
        assert [each.event_id for each in stored] == list(receipt.event_ids)


def test_each_is_checked_against_those_before_it_in_the_commit(store: CaseStore) -> None:
    asked = [Append(batches=NOTE, expected_version=n) for n in (1, 2, 2, 3)]
    found = in_order(store, *asked)
    assert [each if isinstance(each, type) else each.versions for each in found] == [
        (2,),
        (3,),
        ConcurrencyConflict,
        (4,),
    ]


def test_a_refusal_undoes_nothing_of_the_others(store: CaseStore) -> None:
    found = in_order(
        store,
        Append(batches=[("case:there", [noted(text="first")])]),
        Append(batches=[("case:there", [promised("p"), kept("q")])]),
        Append(batches=[("case:new", [noted(text="it is not opened")])]),
        Append(batches=NOTE, expected_version=1),
        Append(batches=[("case:there", [noted(text="last")])]),
    )
    assert found[1:4] == [EventRefused, EventRefused, ConcurrencyConflict]
    assert [each.versions for each in (found[0], found[4])] == [(2,), (3,)]
    assert held(store, "case:there") == ["CaseOpened", "NoteAdded", "NoteAdded"]
    assert store.append("case:there", promised("p")).versions == (4,)


def test_what_is_refused_in_threads_is_refused_there_alone(store: CaseStore) -> None:
    works = [appending(store, "case:there", noted(), expected_version=1) for _ in range(8)]
    errors = [each.exception() for each in at_once(store, works)]
    conflicts = [each for each in errors if isinstance(each, ConcurrencyConflict)]
    assert len(set(map(id, conflicts))) == 7
    assert errors.count(None) == 1
    assert held(store, "case:there") == ["CaseOpened", "NoteAdded"]


def test_a_refusal_holds_nothing_of_what_others_append(store: CaseStore) -> None:
    """Its traceback leads to the frames of its own thread alone."""
    (_, refused) = at_once(
        store,
        [
            appending(store, "case:there", noted(text="nobody's business")),
            appending(store, "case:there", noted(), expected_version=9),
        ],
    )
    error = refused.exception()
    assert error is not None
    trace = error.__traceback__
    while trace is not None:
        assert trace.tb_frame.f_code.co_name not in ("_decided", "decide")
        trace = trace.tb_next


def test_a_retry_in_the_same_commit_gets_the_first_receipt(store: CaseStore) -> None:
    def once(text: str) -> Append:
        return Append(batches=[("case:there", [noted(text=text)])], key="k")

    first, *others = in_order(store, once("a"), once("a"), once("b"), once("a"))
    assert others == [first, IdempotencyConflict, first]
    assert held(store, "case:there") == ["CaseOpened", "NoteAdded"]


def test_an_append_to_several_streams_stays_whole(store: CaseStore) -> None:
    store.append("case:other", opened())
    results = at_once(
        store,
        [
            partial(store.append_all, [("case:there", [noted()]), ("case:other", [noted()])]),
            partial(store.append_all, [("case:there", [noted()]), ("case:none", [noted()])]),
            partial(store.append_all, [("case:other", [noted()]), ("case:there", [noted()])]),
        ],
    )
    assert isinstance(results[1].exception(), EventRefused)
    assert {results[n].result().versions for n in (0, 2)} == {(2, 2), (3, 3)}


def test_words_after_an_erasure_in_the_same_commit_have_a_new_key(store: CaseStore) -> None:
    who = "customer:k"
    store.append("case:k", opened(customer_id="k"), noted(text="gone"))
    store.append(who, stories.asked_to_be_forgotten())
    (before,) = store._recorder.keys_of(["k"]).values()
    found = in_order(
        store,
        Append(batches=[("case:k", [noted(text="gone too")])]),
        Append(batches=[(who, [stories.erased()])]),
        Append(batches=[("case:k", [noted(text="nobody is registered now")])]),
        Append(batches=[("case:k2", [opened(customer_id="k"), noted(text="a new beginning")])]),
    )
    assert found[2] is CustomerErased
    (after,) = store._recorder.keys_of(["k"]).values()
    assert after.key_id != before.key_id
    *_, last = store.history("case:k2", reveal=True)
    assert isinstance(last.event, NoteAdded)
    assert last.event.text == "a new beginning"
    erased = [each.privacy for each in store.history("case:k", reveal=True)]
    assert erased == [None, "erased", "erased"]


def test_times_of_recording_do_not_fall(store: CaseStore) -> None:
    at_once(store, [appending(store, "case:there", noted()) for _ in range(8)])
    store.append("case:there", noted())
    times = [each.recorded_us or 0 for each in store.read()]
    assert times == sorted(times)


def test_tasks_share_commits_through_their_threads(store: CaseStore) -> None:
    async def all_of_them() -> list[Receipt]:
        works = [
            asyncio.to_thread(store.append, f"case:{n}", opened(), key="k") for n in range(200)
        ]
        return await asyncio.gather(*works)

    with commits(store) as seen:
        receipts = asyncio.run(all_of_them())
    assert len({receipt.position for receipt in receipts}) == 200
    assert len(seen) < 200


# --- the law ----------------------------------------------------------------------------------

STREAMS = st.sampled_from(["case:a", "case:b", "customer:c1"])
EVENTS = st.sampled_from(
    [
        opened(),
        noted(text="a word"),
        noted(),
        promised("p"),
        kept("p"),
        stories.merged("b"),
        stories.gave("g"),
        stories.registered(),
        stories.asked_to_be_forgotten(),
        stories.erased(),
    ]
)
ASKED = st.tuples(
    st.lists(st.tuples(STREAMS, st.lists(EVENTS, min_size=1, max_size=3)), min_size=1, max_size=2),
    st.sampled_from([None, "k1", "k2"]),
    st.sampled_from([None, None, 0, 1, 2]),
)


def shown(outcome: bool | CaseStoreError, receipt: Receipt | None) -> object:
    return receipt.versions if receipt is not None else (type(outcome).__name__, str(outcome))


def rows(store: CaseStore) -> list[Any]:
    found = store._recorder.fetch(
        "SELECT position, originator_id, originator_version, topic, state, customer_id, "
        "personal IS NULL FROM stored_events ORDER BY position"
    )
    keys = store._recorder.fetch("SELECT customer_id FROM customer_keys ORDER BY customer_id")
    return [*found, *keys]


@given(st.lists(ASKED, min_size=1, max_size=12), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_shared_commit_gives_what_one_after_the_other_would_give(
    asked: list[Any], size: int
) -> None:
    """Also when the commits are of any size."""
    with TemporaryDirectory() as folder:
        clock = lambda: stories.moment("+9h")  # noqa: E731
        ours, plain = (
            CaseStore.create(
                f"sqlite:///{folder}/{name}.db", key_file=Path(folder, name), clock=clock
            )
            for name in ("ours", "plain")
        )
        with ours, plain:
            for start in range(0, len(asked), size):
                appends = [
                    Append(batches=batches, key=key, expected_version=version)
                    for batches, key, version in asked[start : start + size]
                ]
                first, *others = appends
                expected = [shown(*one_by_one(plain, append)) for append in appends]
                places = join(ours, *others)
                found = [shown(*one_by_one(ours, first))]
                for place in places:
                    assert place.answer is not None
                    found.append(shown(*place.answer))
                assert found == expected
            assert rows(ours) == rows(plain)


# --- what is out of the ordinary --------------------------------------------------------------


def test_streams_that_nobody_remembers_are_read_without_the_lock(store: CaseStore) -> None:
    for n in range(6):
        store.append(f"case:{n}", opened())
    with CaseStore.open(store.url, key_file=store._vault.key_file) as fresh:
        works = [appending(fresh, f"case:{n}", noted()) for n in range(6)]
        results = at_once(fresh, works)
        assert [each.result().versions for each in results] == [(2,)] * 6


def test_a_damaged_stream_is_damaged_for_its_own_append_alone(store: CaseStore) -> None:
    for n in range(3):
        store.append(f"case:{n}", opened())
    store.close()
    with closing(sqlite3.connect(datastore_path(store))) as plain, plain:
        plain.execute("DROP TRIGGER stored_events_no_update")
        plain.execute("UPDATE stored_events SET state = x'00' WHERE originator_id = 'case:1'")
    with CaseStore.open(store.url, key_file=store._vault.key_file) as fresh:
        fresh.append("case:there", noted())
        results = at_once(fresh, [appending(fresh, f"case:{n}", noted()) for n in range(3)])
        assert isinstance(results[1].exception(), StoreDamaged)
        assert [results[n].result().versions for n in (0, 2)] == [(2,), (2,)]


def datastore_path(store: CaseStore) -> str:
    return store.url.removeprefix("sqlite:///")


def test_without_the_key_only_what_has_words_is_refused(store: CaseStore, tmp_path: Path) -> None:
    with CaseStore.open(store.url, key_file=tmp_path / "there is none") as keyless:
        results = at_once(
            keyless,
            [
                appending(keyless, "case:there", noted()),
                appending(keyless, "case:there", noted(text="words")),
                appending(keyless, "case:there", noted()),
            ],
        )
    assert [type(each.exception()).__name__ for each in results] == [
        "NoneType",
        "KeyFileError",
        "NoneType",
    ]


def test_what_waits_too_long_is_refused_and_not_written(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_datastore, "LOCK_TIMEOUT", 0.2)
    with busy(store), ThreadPoolExecutor(3) as pool:
        results = [pool.submit(store.append, "case:there", noted()) for _ in range(3)]
        errors = [each.exception(PATIENCE) for each in results]
    for error in errors:
        assert isinstance(error, StoreUnavailable)
        assert "another writer held the write lock for 0.2 seconds" in str(error)
    assert len(set(map(id, errors))) == 3
    assert held(store, "case:there") == ["CaseOpened"]
    assert len(line(store)) == 0


def test_a_crowd_is_written_in_commits_of_a_bounded_size(store: CaseStore) -> None:
    each = Append(batches=[("case:there", [noted()] * 10)])
    places = join(store, *(Append(batches=each.batches) for _ in range(25)))
    store.append("case:there", noted())
    taken = sum(place.answered for place in places)
    assert taken == MOST_EVENTS // 10
    assert len(line(store)) == 25 - taken


def test_nobody_waits_for_more_than_so_many_bytes_of_others(store: CaseStore) -> None:
    large = [Append(batches=[("case:there", [noted(text="x" * 700_000)])]) for _ in range(5)]
    places = join(store, *large)
    store.append("case:there", noted())
    assert all(place.answered for place in places)
    assert [place.answer is not None for place in places] == [True, True, False, False, False]


def test_large_appends_wait_for_commits_of_their_own(store: CaseStore) -> None:
    many = [noted()] * (MOST_EVENTS + 1)
    with ThreadPoolExecutor(2) as pool:
        with busy(store):
            large = pool.submit(store.append, "case:there", many)
            small = pool.submit(store.append, "case:there", noted())
            until(lambda: len(line(store)) == 1)
        assert len(large.result(PATIENCE).versions) == MOST_EVENTS + 1
        assert small.result(PATIENCE).versions


def test_an_append_gets_its_turn_among_imports(store: CaseStore) -> None:
    """They have the turn nearly all the time, and wait for it where no waker is needed."""
    stop = Signal()

    def import_on(me: int) -> None:
        n = 0
        while not stop.is_set():
            store.write(
                [
                    Append(batches=[(f"case:{me}-{n}-{k}", [opened()])], imported=True)
                    for k in range(20)
                ]
            )
            n += 1

    importers = [Thread(target=import_on, args=[me]) for me in range(3)]
    for each in importers:
        each.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            results: list[Future[Receipt]] = [
                pool.submit(store.append, "case:there", noted()) for _ in range(30)
            ]
            for result in results:
                assert result.result(PATIENCE).versions
    finally:
        stop.set()
        for each in importers:
            each.join()
