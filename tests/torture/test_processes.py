"""Several real processes on one store: order, races, and what a crash leaves behind."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import chain, count, pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import pytest

from casestore import (
    CaseMerged,
    CaseStore,
    ConcurrencyConflict,
    EventRefused,
    Receipt,
    Recorded,
    Retry,
)
from casestore.journal.recorder import Writing
from casestore.journal.rows import KeyRow, Row
from tests.support.postgres_server import Server
from tests.support.processes import (
    ANA,
    FOUR,
    NOON,
    PATIENCE,
    SPAWN,
    Crew,
    Place,
    _join,
    note,
    opened,
    together,
    wait_until,
)

ROUNDS = 15


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    barrier = SPAWN.Barrier(FOUR)
    with SPAWN.Pool(FOUR, _join, (barrier,)) as pool:  # leaving it terminates who still hangs
        yield Crew(pool, barrier)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Place:
    CaseStore.create(store_url).close()
    return Place(store_url, tmp_path / "store.key")


@pytest.fixture
def store(place: Place) -> Iterator[CaseStore]:
    with place.open() as store:
        store.append("case:1", opened())
        yield store


def assert_whole(store: CaseStore) -> list[Recorded]:
    """Positions rise, recording times never fall, and every stream's versions are dense."""
    events = list(store.read())
    positions = [each.position or 0 for each in events]
    assert positions == sorted(set(positions))
    times = [each.recorded_us or 0 for each in events]
    assert times == sorted(times)
    versions: Counter[str] = Counter()
    for each in events:
        versions[each.stream] += 1
        assert each.version == versions[each.stream]
    return events


# --- races -----------------------------------------------------------------------------------


def write_sixty(store: CaseStore, me: int) -> None:
    store.append(f"case:own-{me}", opened())
    for n in range(60):
        # Large ones beside small ones: who commits first is then not who began first.
        store.append("case:1" if n % 2 else f"case:own-{me}", [note()] * (1, 3, 40)[n % 3])


def test_a_reader_never_sees_a_smaller_position_appear(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    writers = crew.start(place, write_sixty, slow=timedelta(seconds=1))
    seen = list(store.read())
    deadline = time.monotonic() + PATIENCE
    while not all(each.ready() for each in writers) and time.monotonic() < deadline:
        seen += store.read(after=seen[-1].position or 0)
    for each in writers:
        each.get(0)
    seen += store.read(after=seen[-1].position or 0)
    assert [each.position for each in seen] == [each.position for each in assert_whole(store)]
    assert len(seen) == 2 + FOUR * (1 + 20 * (1 + 3 + 40))


def same_key(store: CaseStore, me: int) -> list[Receipt]:
    receipts = []
    for n in range(ROUNDS):
        together()
        receipts.append(store.append("case:1", note(), note(), key=f"crm-{n}"))
    return receipts


def test_of_racing_appends_with_one_key_one_is_made(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    first, *others = crew.race(place, same_key)
    assert all(receipts == first for receipts in others)
    assert len(assert_whole(store)) == 2 + 2 * ROUNDS


def same_version(store: CaseStore, me: int) -> list[bool]:
    won = []
    for n in range(ROUNDS):
        together()
        try:
            store.append("case:1", note(), expected_version=1 + n)
        except ConcurrencyConflict:
            won.append(False)
        else:
            won.append(True)
    return won


def test_of_racing_appends_at_one_version_one_wins(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    rounds = zip(*crew.race(place, same_version), strict=True)
    assert [sum(each) for each in rounds] == [1] * ROUNDS
    assert len(assert_whole(store)) == 2 + ROUNDS


def any_version(store: CaseStore, me: int) -> list[int]:
    versions: list[int] = []
    for _ in range(ROUNDS):
        together()
        versions += store.append("case:1", note()).versions
    return versions


def test_racing_appends_that_expect_no_version_all_succeed(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    versions = chain(*crew.race(place, any_version))
    assert sorted(versions) == list(range(2, 2 + FOUR * ROUNDS))
    assert_whole(store)


def merge_crosswise(store: CaseStore, me: int) -> None:
    for n in range(ROUNDS):
        here, there = (f"{n}-a", f"{n}-b") if me % 2 else (f"{n}-b", f"{n}-a")
        together()
        with suppress(EventRefused):
            store.append(f"case:{here}", CaseMerged(occurred_at=NOON, actor=ANA, into=there))


def test_two_cases_are_never_merged_into_each_other(crew: Crew, place: Place) -> None:
    sides = [f"{n}-{side}" for n in range(ROUNDS) for side in "ab"]
    with place.open() as store:
        store.append_all([(f"case:{each}", [opened()]) for each in sides])
        crew.race(place, merge_crosswise)
        merged = [each for each in sides if store.case(each).merged_into is not None]
    assert [each.partition("-")[0] for each in merged] == [str(n) for n in range(ROUNDS)]


def test_nor_where_transactions_are_isolated_more(
    crew: Crew, postgres_schema_url: str, tmp_path: Path
) -> None:
    # A statement then sees nothing that was committed while it waited for the lock.
    options = quote(r"-c default_transaction_isolation=repeatable\ read")
    place = Place(f"{postgres_schema_url}&options={options}", tmp_path / "key")
    CaseStore.create(place.url, key_file=place.key_file).close()
    test_two_cases_are_never_merged_into_each_other(crew, place)


def open_a_case(store: CaseStore, me: int) -> None:
    for n in range(ROUNDS):
        together()
        store.append(f"case:{n}-{me}", opened(f"new-{n}"))


def test_a_customer_whose_first_cases_come_at_once_is_registered_once(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    crew.race(place, open_a_case)
    counts = Counter((each.customer_id, each.type) for each in assert_whole(store))
    for n in range(ROUNDS):
        assert counts[f"new-{n}", "CustomerRegistered"] == 1
        assert counts[f"new-{n}", "CaseOpened"] == FOUR


def first_words(store: CaseStore, me: int) -> None:
    for n in range(ROUNDS):
        together()
        store.append(f"case:{n}-{me}", note(f"said to {me}"))


def test_first_words_at_once_are_sealed_with_one_key(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    cases = [(f"case:{n}-{me}", [opened(f"c-{n}")]) for n in range(ROUNDS) for me in range(FOUR)]
    store.append_all(cases)
    crew.race(place, first_words)
    for n in range(ROUNDS):
        words = [
            (
                each.event,
                each.customer_id,
                each.sealed[1:33],
            )  # the key's id: see casestore.keys.vault
            for me in range(FOUR)
            for each in store.history(f"case:{n}-{me}", reveal=True)
            if each.sealed is not None
        ]
        assert [event for event, _, _ in words] == [note(f"said to {me}") for me in range(FOUR)]
        assert len({key for _, _, key in words}) == 1


Commit = Callable[[Sequence[Row], Sequence[KeyRow]], list[int]]


def at_commit(
    store: CaseStore, do: Callable[[Sequence[Row], Sequence[KeyRow], Commit], list[int]]
) -> None:
    """Do something where the store commits, between its decision and its return."""
    real = store._recorder.writing

    @contextmanager
    def writing(**how: Any) -> Iterator[Writing]:
        with real(**how) as transaction:
            commit = transaction.commit
            transaction.commit = lambda rows, keys=(): do(rows, keys, commit)  # type: ignore[method-assign]
            yield transaction

    store._recorder.writing = writing  # type: ignore[method-assign]


@pytest.mark.parametrize("count", [1, 1500])
def test_an_append_that_another_overtakes_is_decided_anew(
    place: Place, store: CaseStore, count: int
) -> None:
    overtaking: list[Future[Receipt]] = []

    def let_one_by(rows: Sequence[Row], keys: Sequence[KeyRow], commit: Commit) -> list[int]:
        if not overtaking:
            overtaking.append(threads.submit(other.append, "case:1", note("first")))
            wait(overtaking, 0.3)  # it has to wait where the lock is ours since the decision
        return commit(rows, keys)

    once = Retry(attempts=1)  # which is about answers that do not come
    with (
        place.open() as other,
        place.open(retry=once) as overtaken,
        ThreadPoolExecutor() as threads,
    ):
        at_commit(overtaken, let_one_by)
        receipt = overtaken.append("case:1", [note()] * count)
        assert {*overtaking[0].result().versions, *receipt.versions} == {*range(2, 3 + count)}
    assert len(assert_whole(store)) == 2 + count + 1


def test_who_is_at_it_when_the_store_is_closed_may_finish(place: Place, store: CaseStore) -> None:
    def close_first(rows: Sequence[Row], keys: Sequence[KeyRow], commit: Commit) -> list[int]:
        closing.close()
        return commit(rows, keys)

    closing = place.open()
    at_commit(closing, close_first)
    receipt = closing.append("case:1", note())
    assert [each.position for each in store.history("case:1")][1:] == [*receipt.positions]


# --- following -------------------------------------------------------------------------------


def relay(store: CaseStore, me: int) -> None:
    for recorded in store.follow(after=1):  # position 1 registered the customer
        if recorded.version == FOUR * ROUNDS:
            return
        if recorded.version % FOUR == me:
            store.append("case:1", note(), expected_version=recorded.version)


def test_who_follows_hears_at_once_of_what_another_process_appends(
    crew: Crew, place: Place, store: CaseStore
) -> None:
    crew.race(place, relay)  # each appends when it has heard from the one before it
    times = [each.recorded_us or 0 for each in store.history("case:1")]
    # The first was there before they were.
    hops = [(after - before) / 1e6 for before, after in pairwise(times[1:])]
    assert len(hops) == FOUR * ROUNDS - 2
    assert max(hops) < 2
    # `follow` also looks by itself, twice a second: who waited for that was not told.
    assert median(hops) < 0.2


def test_a_schema_may_have_the_longest_of_names(postgres_schema_url: str, tmp_path: Path) -> None:
    url = postgres_schema_url + "x" * 29  # 63 letters; the channel that is listened on has no more
    with CaseStore.create(url, key_file=tmp_path / "key") as store:
        receipt = store.append("case:1", opened())
        assert next(store.follow(receipt.position - 1)).type == "CaseOpened"


# --- crashes ---------------------------------------------------------------------------------

PAIR = [("case:left", [note()] * 20), ("case:right", [note()] * 20)]


def write_pairs(place: Place, first: int) -> None:
    with place.open() as store:
        for n in count(first):
            store.append_all(PAIR, key=f"pair-{n}")


def pairs(store: CaseStore) -> int:
    """How many there are. None is ever there in part, not even while it is written."""
    versions = Counter(each.stream for each in assert_whole(store))
    assert versions["case:left"] == versions["case:right"]
    assert versions["case:left"] % 20 == 1  # the first opened the case
    return versions["case:left"] // 20


def test_a_writer_that_is_killed_leaves_whole_appends(place: Place, store: CaseStore) -> None:
    store.append_all([(name, [opened()]) for name, _ in PAIR])
    for _ in range(3):
        before = pairs(store)
        writer = SPAWN.Process(target=write_pairs, args=(place, before))
        writer.start()
        try:
            wait_until(lambda: pairs(store) > before + 3)  # noqa: B023  (called before it changes)
        finally:
            writer.kill()
            writer.join()
        left = pairs(store)
        # Acknowledged or not, or even under way still in a server that has not heard of the death:
        # who asks again knows.
        for n in (left - 1, left):
            store.append_all(PAIR, key=f"pair-{n}")
        assert pairs(store) == left + 1


def die_at_commit(place: Place, moment: str) -> None:
    def die(rows: Sequence[Row], keys: Sequence[KeyRow], commit: Commit) -> list[int]:
        if moment == "after":
            commit(rows, keys)
        os.kill(os.getpid(), signal.SIGKILL)
        return []

    with place.open() as store:
        at_commit(store, die)
        store.append_all(PAIR, key="pair")


@pytest.mark.parametrize(("moment", "there"), [("before", 0), ("after", 1)])
def test_a_writer_that_dies_at_its_commit_has_made_all_or_nothing(
    place: Place, store: CaseStore, moment: str, there: int
) -> None:
    store.append_all([(name, [opened()]) for name, _ in PAIR])
    writer = SPAWN.Process(target=die_at_commit, args=(place, moment))
    writer.start()
    writer.join(PATIENCE)
    assert writer.exitcode == -signal.SIGKILL
    assert pairs(store) == there
    store.append_all(PAIR, key="pair")
    assert pairs(store) == 1


def write_a_hundred(store: CaseStore, me: int) -> list[Receipt]:
    return [store.append("case:1", note(), note()) for _ in range(100)]


def test_a_server_that_crashes_under_its_writers_loses_and_doubles_nothing(
    crew: Crew, postgres_server: Server, tmp_path: Path
) -> None:
    place = Place(f"{postgres_server.url}&schema=s", tmp_path / "key")
    with CaseStore.create(place.url, key_file=place.key_file) as store:
        store.append("case:1", opened())
    writers = crew.start(place, write_a_hundred)
    for position in (100, 300):
        with place.open() as store:
            wait_until(lambda: sum(1 for _ in store.read()) > position)  # noqa: B023
        postgres_server.kill()
        assert not all(each.ready() for each in writers)
        postgres_server.start()
    receipts = [receipt for each in writers for receipt in each.get(PATIENCE)]
    with place.open() as store:
        events = assert_whole(store)
    assert len(events) == 2 + FOUR * 100 * 2
    held = {each.event_id: (each.version, each.position) for each in events}
    for receipt in receipts:
        acknowledged = list(zip(receipt.versions, receipt.positions, strict=True))
        assert [held[each] for each in receipt.event_ids] == acknowledged
