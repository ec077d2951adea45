"""An exception out of a signal handler, at any line: no lock, turn or transaction is left behind.

Python runs a signal handler between two instructions of the main thread. If it raises, the
exception comes out of whatever stands there. Here one is raised at every line of ours in turn.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import pytest

import casestore
from casestore import CaseStore, Receipt
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.journal.url import PostgresUrl, SQLiteUrl, parse_url
from casestore.privacy.erasure import erase
from tests.support import stories
from tests.support.sealed import audit_folder

OURS = str(Path(casestore.__file__).parent)


class Signalled(BaseException):
    """What the handler raises."""


Where = tuple[str, int]
"""A file and a line."""


class Lines:
    """Notes every line of ours that is reached, and raises at one of them, once."""

    def __init__(self, target: Where | None = None) -> None:
        self.target = target
        self.reached: dict[Where, None] = {}

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        where = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and where not in self.reached:
            self.reached[where] = None
            if where == self.target:
                raise Signalled
        return self


def traced(work: Callable[[], object], target: Where | None = None) -> dict[Where, None]:
    """Do some work, with an exception at a line. Gives the lines that it reached."""
    lines = Lines(target)
    sys.settrace(lines)
    try:
        work()
    except Signalled:
        pass
    finally:
        sys.settrace(None)
    return lines.reached


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception out of __del__ cannot be raised, and is printed."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)


@contextmanager
def nobody_waits(url: str) -> Iterator[None]:
    """Check that the write lock is free when the context ends."""
    yield
    where = parse_url(url)
    if isinstance(where, SQLiteUrl):
        with closing(sqlite3.connect(where.path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        return
    assert isinstance(where, PostgresUrl)
    with psycopg.connect(where.conninfo, autocommit=True) as other:
        key = f"hashtextextended('casestore:{where.schema}', 4711)"
        # A server ends the transaction of a connection that was closed a moment later.
        for _ in range(3000):
            (free,) = other.execute(f"SELECT pg_try_advisory_lock({key})").fetchone() or (None,)
            if free:
                break
            time.sleep(0.01)
        assert free


def in_another_thread(work: Callable[[], object]) -> None:
    """Do some work in a thread, which must not have to wait for a lock."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), "it waits for a lock"
    assert failed == []


def each_line(work: Callable[[int], object], check: Callable[[int], object]) -> int:
    """Interrupt some work at every line in turn, and check after each. Gives how many lines.

    Args:
        work: is given a number, another one each time.
        check: is given the number of the work that was interrupted.
    """
    lines = traced(partial(work, 0))
    for number, target in enumerate(lines, 1):
        traced(partial(work, number), target)
        try:
            check(number)
        except Exception as error:
            raise AssertionError(f"after an exception at {target}") from error
    return len(lines)


@pytest.fixture
def store(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaseStore]:
    audit_folder(tmp_path, monkeypatch)
    with CaseStore.create(store_url) as store:
        store.append("case:there", stories.opened())
        yield store


def held(store: CaseStore, stream: str) -> int:
    return len(store.history(stream).originals)


def test_an_append(store: CaseStore) -> None:
    """A first append to a stream, whose customer has a key already, and one more."""

    def append(number: int) -> Receipt:
        store.append(f"case:{number}", stories.opened(), key="first")
        return store.append("case:there", stories.noted(), key=f"more {number}")

    def check(number: int) -> None:
        with nobody_waits(store.url):
            in_another_thread(lambda: store.append("case:there", stories.noted()))
        assert append(number) == append(number)
        assert held(store, f"case:{number}") == 1

    assert each_line(append, check) > 100
    versions = [r.version for r in store.read() if r.stream == "case:there"]
    assert versions == list(range(1, len(versions) + 1))


def test_an_append_that_is_decided_under_the_lock(store: CaseStore) -> None:
    """A gift rests on the customer's whole history."""

    def append(number: int) -> Receipt:
        return store.append("case:there", stories.gave(f"g{number}"), key=f"gift {number}")

    def check(number: int) -> None:
        with nobody_waits(store.url):
            in_another_thread(lambda: store.append("case:there", stories.noted()))
        assert append(number) == append(number)

    assert each_line(append, check) > 100
    gifts = [r for r in store.read() if r.type == "GestureGiven"]
    assert len(gifts) == len({r.event_id for r in gifts}) > 100


def test_an_import(store: CaseStore) -> None:
    def lines(number: int) -> list[Any]:
        batch = (stories.noted(), stories.noted())
        return [
            casestore.Append(batches=(("case:there", batch),), key=f"{number} {n}")
            for n in range(3)
        ]

    def work(number: int) -> list[Any]:
        return store.write(lines(number))

    def check(number: int) -> None:
        with nobody_waits(store.url):
            in_another_thread(lambda: store.append("case:there", stories.noted()))
        outcomes = work(number)
        assert outcomes in ([True] * 3, [False] * 3)
        assert work(number) == [False] * 3

    assert each_line(work, check) > 100


def test_a_seal(store: CaseStore, tmp_path: Path) -> None:
    folder = Folder.of(store.url)
    folder.make_key(origin(store))

    def work(_: int) -> object:
        store.append("case:there", stories.noted())
        return seal(store)

    def check(_: int) -> None:
        with nobody_waits(store.url):
            in_another_thread(lambda: seal(store))

    assert each_line(work, check) > 100


def test_an_erasure(store: CaseStore) -> None:
    def work(number: int) -> object:
        store.append(f"case:e{number}", stories.opened(customer_id=f"k{number}"), key="k")
        return erase(store, f"k{number}", basis="gdpr-17", actor=stories.ANNA)

    def check(number: int) -> None:
        with nobody_waits(store.url):
            in_another_thread(lambda: store.append("case:there", stories.noted()))

    assert each_line(work, check) > 100


def hold(store: CaseStore, held: threading.Event, release: threading.Event) -> None:
    with store._recorder.writing():
        held.set()
        release.wait(5)


def test_a_signal_while_somebody_else_holds_the_lock(store: CaseStore) -> None:
    """The wait for the lock is in C. PostgreSQL's ends with the signal; SQLite's when the lock is
    free, and the handler runs then."""

    def handler(*_: object) -> None:
        raise Signalled

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with CaseStore.open(store.url) as other:
            for _ in range(5):
                held, release = threading.Event(), threading.Event()
                holder = threading.Thread(target=hold, args=(other, held, release))
                holder.start()
                held.wait(5)
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                threading.Timer(0.3, release.set).start()
                with pytest.raises(Signalled):
                    store.append("case:there", stories.noted())
                release.set()
                holder.join()
                with nobody_waits(store.url):
                    in_another_thread(lambda: store.append("case:there", stories.noted()))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_handler_that_appends_amid_an_append_is_refused(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be decided: the append that it interrupts is not complete."""
    if not store.url.startswith("sqlite"):
        pytest.skip("PostgreSQL gives the handler another connection")
    refused: list[str] = []

    def clock() -> Any:  # is asked under the lock
        if not refused:
            refused.append("")
            with pytest.raises(casestore.StoreUnavailable, match="signal handler") as caught:
                store.append("case:there", stories.noted())
            refused.append(str(caught.value))
        return before()

    before = store._clock
    monkeypatch.setattr(store, "_clock", clock)
    store.append("case:there", stories.noted(), key="k")
    assert len(refused) == 2
    assert held(store, "case:there") == 2
