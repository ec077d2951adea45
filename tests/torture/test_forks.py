"""A store that is open while its process forks: nothing is lost, doubled or left waiting.

Each story is a program of its own, because a fork copies whatever else a process has.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from casestore import CaseStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PRELUDE = """
import os, sys, threading, time, traceback
from datetime import UTC, datetime
from casestore import *
from projections import Runner

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ANNA = Actor(kind="agent", id="anna")

def append(store, name, number):
    opened = CaseOpened(occurred_at=AT, actor=ANNA, customer_id="c1", channel="web")
    return store.append(f"case:{name}-{number}", opened, key="k")

def forked(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    return child

def ended(*children):
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

store = CaseStore.open(sys.argv[1])
"""


def run(url: str, story: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + story, url],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def url(store_url: str) -> str:
    CaseStore.create(store_url).close()
    return store_url


def streams(url: str) -> list[str]:
    """The cases that are there, in the order of positions."""
    with CaseStore.open(url) as store:
        return [recorded.stream for recorded in store.read() if recorded.stream.startswith("case")]


def test_what_a_child_appends_outlives_its_parents_close(url: str) -> None:
    run(
        url,
        """
append(store, "parent", 0)
closed, go_on = os.pipe(), os.pipe()

def child():
    for number in range(50):
        append(store, "child", number)
        if number == 10:
            os.write(closed[1], b"x")
            os.read(go_on[0], 1)

one = forked(child)
os.read(closed[0], 1)
append(store, "parent", 1)
store.close()
os.write(go_on[1], b"x")
ended(one)
""",
    )
    assert len(streams(url)) == 52
    assert {f"case:child-{number}" for number in range(50)} < set(streams(url))


def test_a_prefork_server_shares_a_store_with_its_workers(url: str) -> None:
    out = run(
        url,
        """
append(store, "parent", 0)

def worker(name):
    def work():
        for number in range(25):
            receipt = append(store, name, number)
            stored = next(store.read(receipt.position - 1, until=receipt.position))
            assert stored.stream == f"case:{name}-{number}"
        store.close()
    return work

workers = [forked(worker(f"w{number}")) for number in range(4)]
for number in range(25):
    append(store, "parent", number + 1)
ended(*workers)
print(len(list(store.read())))
store.close()
""",
    )
    assert len(streams(url)) == 126
    assert len(set(streams(url))) == 126
    assert int(out) == 127  # and the customer


def test_a_parent_remembers_nothing_that_its_child_has_made_untrue(url: str) -> None:
    run(
        url,
        """
note = lambda number: NoteAdded(occurred_at=AT, actor=ANNA, text=str(number))
append(store, "a", 0)
for number in range(5):
    ended(forked(lambda: store.append("case:a-0", note(number), key=f"child {number}")))
    receipt = store.append("case:a-0", note(number), key=f"parent {number}")
    assert receipt.versions == (2 * number + 3,), receipt
""",
    )


def test_a_follower_of_the_parent_is_not_the_childs(url: str) -> None:
    out = run(
        url,
        """
append(store, "a", 0)
following = store.follow()
print(next(following).stream)

def child():
    own = CaseStore.open(sys.argv[1])
    print(append(own, "child", 0).position, flush=True)

if sys.argv[1].startswith("postgres"):
    ended(forked(child))
else:
    def refused():
        try:
            child()
        except StoreUnavailable as error:
            print(error)
    ended(forked(refused))
following.close()
append(store, "a", 1)
""",
    )
    if "in use when this process was forked" in out:  # the follower was looking just then
        assert url.startswith("sqlite")
        assert "spawn" in out
        assert len(streams(url)) == 2
    else:
        assert len(streams(url)) == 3


def test_what_the_projections_have_open_is_opened_again_in_a_child(url: str) -> None:
    out = run(
        url,
        """
append(store, "a", 0)
runner = Runner(store)
runner.catch_up()

def child():
    try:
        runner.catch_up()
    except StoreUnavailable as error:
        print(error)
    with Runner(store) as own:
        print(own.catch_up(), own.head())

ended(forked(child))
append(store, "a", 1)
assert runner.catch_up() == runner.head()
runner.close()
""",
    )
    assert "open it again here" in out
    assert out.splitlines()[-1] == "2 2"


def test_a_fork_amid_appends_of_other_threads(url: str) -> None:
    out = run(
        url,
        """
append(store, "a", 0)
stop = threading.Event()

def busy(name):
    number = 0
    while not stop.is_set():
        append(store, name, number)
        number += 1

threads = [threading.Thread(target=busy, args=[f"t{n}"]) for n in range(3)]
for thread in threads:
    thread.start()

def child(name):
    def work():
        try:
            for number in range(5):
                append(store, name, number)
            print("appended", flush=True)
        except StoreUnavailable as error:
            assert "in use when this process was forked" in str(error), error
            print("refused", flush=True)
    return work

for number in range(10):
    ended(forked(child(f"c{number}")))
stop.set()
for thread in threads:
    thread.join()
store.close()
""",
    )
    words = out.split()
    assert len(words) == 10
    there = streams(url)
    assert len(there) == len(set(there))
    assert sum(name.startswith("case:c") for name in there) == 5 * words.count("appended")
    with CaseStore.open(url) as store:
        positions = [r.position or 0 for r in store.read()]
        assert positions == sorted(set(positions))
        if url.startswith("sqlite"):
            assert store._recorder.fetch("PRAGMA integrity_check") == [("ok",)]


def test_a_fork_amid_reads_of_other_threads_waits_for_nobody(url: str) -> None:
    """A thread that connects just then, and the fork, once waited for each other."""
    run(
        url,
        """
append(store, "a", 0)
stop = threading.Event()

def busy():
    while not stop.is_set():
        store.history("case:a-0")

threads = [threading.Thread(target=busy, daemon=True) for _ in range(6)]
for thread in threads:
    thread.start()
for _ in range(300):
    ended(forked(lambda: None))
stop.set()
for thread in threads:
    thread.join()
""",
    )


def test_a_child_does_not_wait_for_threads_of_its_parent(url: str) -> None:
    """They hold, for ever there, the places of all who may use the tables or listen."""
    run(
        url,
        """
from threading import Thread
from projections import reports

append(store, "a", 0)
assert reports.cases(store).total == 1
following = store.follow()
next(following)
held, go_on = threading.Barrier(10), threading.Event()

def report():
    with Runner(store) as runner, runner._live.tables.reading():
        held.wait()
        go_on.wait()

def hold_what_followers_hold():
    with store._recorder.listener.reading, store._recorder.listener._changed:
        held.wait()
        go_on.wait()

threads = [Thread(target=report, daemon=True) for _ in range(8)]
threads.append(Thread(target=hold_what_followers_hold, daemon=True))
for thread in threads:
    thread.start()
held.wait()

def child():
    try:
        assert reports.cases(store).total == 1
    except StoreUnavailable as error:
        assert "in use when this process was forked" in str(error)
    try:
        next(following)
        raise AssertionError("it is the parent's")
    except StoreUnavailable as error:
        assert "open it again here" in str(error), error
    following.close()

ended(forked(child))
go_on.set()
for thread in threads:
    thread.join()
""",
    )


def test_a_child_that_only_ends_harms_nothing(url: str) -> None:
    """It runs the interpreter to its end, with whatever it inherited."""
    run(
        url,
        """
append(store, "a", 0)
following = store.follow()
next(following)
if os.fork() == 0:
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
for number in range(20):
    append(store, "b", number)
assert sum(1 for _ in store.read()) == 22
following.close()
store.close()
""",
    )
    assert len(streams(url)) == 21
