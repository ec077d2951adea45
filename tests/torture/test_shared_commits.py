"""Commits that threads share on SQLite, when the disk is full or somebody dies: nothing is lost,
nobody waits for ever, and what was acknowledged is there once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from casestore import CaseStore, Receipt
from tests.support.busy import busy
from tests.support.imports import ROOT
from tests.support.in_line import PATIENCE, datastore, line, until
from tests.support.interrupted import Signalled, each_line, in_another_thread, nobody_waits
from tests.support.processes import note, opened

PRELUDE = """
import os, resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
from casestore import CaseStore, CaseStoreError, Retry
from tests.support.in_line import at_once
from tests.support.processes import note, opened

store = CaseStore.open(sys.argv[1], retry=Retry(attempts=2, wait=0.01))
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaseStore]:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(f"sqlite:///{tmp_path}/desk.db") as store:
        store.append("case:there", opened())
        yield store


def counted(store: CaseStore) -> Counter[str]:
    """How many events there are with each key; every stream's versions are dense."""
    versions: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    for each in store.read():
        versions[each.stream] += 1
        assert each.version == versions[each.stream]
        keys[each.metadata.key or ""] += 1
    return keys


# --- the disk ---------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
def test_a_commit_that_fails_fails_for_each_in_it(store: CaseStore) -> None:
    """A file may not grow, so that the flush fails. Then it may again."""
    story = """
def works(count):
    return [lambda n=n: append("x" * 9000, f"k{n}") for n in range(count)]

def append(text, key):
    return store.append("case:there", note(text), key=key)

store.append("case:there", note())
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
log = os.path.getsize(sys.argv[1].removeprefix("sqlite:///") + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (log, hard))
errors = [each.exception() for each in at_once(store, works(6))]
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert len(set(map(id, errors))) == 6
for error in errors:
    assert type(error).__name__ == "StoreUnavailable", error
    assert "nothing is lost by trying again, with the same key" in str(error), error
assert sum(1 for each in store.read() if each.stream == "case:there") == 2
receipts = [each.result() for each in at_once(store, works(6))]
assert sorted(each.versions for each in receipts) == [(n,) for n in range(3, 9)]
"""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + story, store.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- the process ------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [20, 60, 150])
def test_what_a_killed_process_acknowledged_is_there_once(store: CaseStore, after: int) -> None:
    story = """
def work(me):
    for n in range(100_000):
        store.append("case:there", note(), key=f"{me} {n}")
        os.write(1, f"{me} {n}\\n".encode())

with ThreadPoolExecutor(8) as pool:
    list(pool.map(work, range(8)))
"""
    command = [sys.executable, "-c", PRELUDE + story, store.url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as acknowledged:
        keys = [next(acknowledged) for _ in range(after)]
        process.kill()
        keys += list(acknowledged)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    told = [key.decode().rstrip("\n") for key in keys if key.endswith(b"\n")]
    there = counted(store)
    assert [there[key] for key in told] == [1] * len(told)
    for me in range(8):  # each thread asks again for what it was not told of
        last = max((int(key.split()[1]) for key in told if key.startswith(f"{me} ")), default=-1)
        for n in range(last, last + 3):
            if n >= 0:
                store.append("case:there", note(), key=f"{me} {n}")
    assert set(counted(store).values()) <= {1, there[""]}


# --- the thread -------------------------------------------------------------------------------


def release(store: CaseStore) -> None:
    """Give back whatever this thread has of the turn."""
    with suppress(RuntimeError):
        while True:
            datastore(store)._turn.release()
    line(store).ring()


@contextmanager
def turn_of_another(
    store: CaseStore, pool: ThreadPoolExecutor, at_last: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Another thread has the turn, until somebody stands in line or the context ends.

    Args:
        store: whose turn it is.
        pool: has that thread.
        at_last: what that thread does before it lets go.
    """
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with busy(store):
            held.set()
            until(lambda: len(line(store)) == 1 or over.is_set())
            at_last()

    holder = pool.submit(hold)
    assert held.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        holder.result(PATIENCE)


def test_an_exception_in_who_took_them_along_strands_nobody(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised at every line in turn, in the thread that has the turn. Two others wait."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    results: dict[str, Future[Receipt]] = {}
    with ThreadPoolExecutor(2) as pool:

        def work(number: int) -> None:
            trace = sys.gettrace()
            sys.settrace(None)
            datastore(store)._turn.acquire()  # reentrant: the append has the turn at once
            for each in ("a", "b"):
                key = f"{number} {each}"
                results[key] = pool.submit(store.append, "case:there", note(), key=key)
            until(lambda: len(line(store)) == 2)
            sys.settrace(trace)
            try:
                store.append("case:there", note(), key=f"{number} mine")
            finally:
                sys.settrace(None)
                release(store)

        def check(number: int) -> None:
            for each in ("a", "b"):
                assert results[f"{number} {each}"].result(PATIENCE).versions
            with nobody_waits(store.url):
                in_another_thread(lambda: store.append("case:there", note()))
            assert len(line(store)) == 0

        assert each_line(work, check) > 150
    there = counted(store)
    assert [there[key] for key in results] == [1] * len(results)
    mine = [count for key, count in there.items() if key.endswith("mine")]
    assert set(mine) == {1}


def test_an_exception_in_who_waits_leaves_the_others_alone(store: CaseStore) -> None:
    """What was not taken along is not written."""

    def handler(*_: object) -> None:
        raise Signalled

    def hold(held: threading.Event, let_go: threading.Event) -> None:
        with busy(store):
            held.set()
            let_go.wait(PATIENCE)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with ThreadPoolExecutor(3) as pool:
            for n in range(5):
                held, let_go = threading.Event(), threading.Event()
                holder = pool.submit(hold, held, let_go)
                assert held.wait(PATIENCE)
                other = pool.submit(store.append, "case:there", note(), key=f"other {n}")
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                with pytest.raises(Signalled):
                    store.append("case:there", note(), key=f"mine {n}")
                until(lambda: len(line(store)) == 1)
                let_go.set()
                holder.result(PATIENCE)
                assert other.result(PATIENCE).versions
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    there = counted(store)
    assert [there[f"other {n}"] for n in range(5)] == [1] * 5
    assert [there[f"mine {n}"] for n in range(5)] == [0] * 5


def test_an_exception_in_who_waits_leaves_nothing_in_the_line(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised at every line in turn. What is not on record then is not written later."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    with ThreadPoolExecutor(1) as pool:

        def work(number: int) -> None:
            with turn_of_another(store, pool):
                store.append("case:there", note(), key=f"{number}")

        def check(number: int) -> None:
            assert len(line(store)) == 0
            before = counted(store)[str(number)]
            with nobody_waits(store.url):
                in_another_thread(lambda: store.append("case:there", note()))
            assert counted(store)[str(number)] == before

        assert each_line(work, check) > 150
    assert set(counted(store).values()) <= {1, counted(store)[""]}


def test_an_exception_in_who_is_answered_and_has_the_turn_leaves_it_free(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised at every line in turn, in a thread that is told to decide again."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    with ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            if (place := line(store).next()) is not None:
                place.answered = True  # and it is not woken: it finds the turn free

        def work(number: int) -> None:
            with turn_of_another(store, pool, answer):
                store.append("case:there", note(), key=f"{number}")

        def check(number: int) -> None:
            in_another_thread(lambda: store.append("case:there", note(), key=f"{number}"))
            assert len(line(store)) == 0

        assert each_line(work, check) > 150
    assert set(counted(store).values()) == {1}


def test_interrupts_amid_a_crowd_lose_nothing(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come to the main thread, which appends as others do, again and again."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    armed, stop = threading.Event(), threading.Event()

    def handler(*_: object) -> None:
        if armed.is_set():
            armed.clear()
            raise Signalled

    def work(me: int) -> None:
        for n in range(150):
            store.append("case:there", note(), key=f"{me} {n}")

    def interrupt() -> None:
        while not stop.wait(0.003):
            os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with ThreadPoolExecutor(5) as pool:
            interrupter = pool.submit(interrupt)
            crowd = [pool.submit(work, me) for me in range(4)]
            n = interrupted = 0
            while not all(each.done() for each in crowd) or not interrupted:
                try:
                    armed.set()
                    store.append("case:there", note(), key=f"main {n}")
                    n += 1
                    armed.clear()
                except Signalled:
                    interrupted += 1
            stop.set()
            interrupter.result(PATIENCE)
            for each in crowd:
                each.result(PATIENCE)
    finally:
        stop.set()
        signal.signal(signal.SIGALRM, before)
    there = counted(store)
    assert [there[f"{me} {k}"] for me in range(4) for k in range(150)] == [1] * 600
    assert [there[f"main {k}"] for k in range(n)] == [1] * n
