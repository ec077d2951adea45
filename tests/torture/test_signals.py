"""An exception out of a signal handler, at any line: no lock, turn or transaction is left behind.

Python runs a signal handler between two instructions of the main thread. If it raises, the
exception comes out of whatever stands there. Here one is raised at every line of ours in turn.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import casestore
from casestore import CaseStore, Receipt
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.privacy.erasure import erase
from tests.support import stories
from tests.support.in_line import datastore
from tests.support.interrupted import Signalled, each_line, in_another_thread, nobody_waits
from tests.support.sealed import audit_folder


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception out of __del__ cannot be raised, and is printed."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)


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


def test_so_is_one_that_appends_as_the_turn_comes(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would end the turn of what it interrupts: two threads could write at once."""
    if not store.url.startswith("sqlite"):
        pytest.skip("PostgreSQL gives the handler another connection")
    turn, refused = datastore(store)._turn, list[str]()

    class Interrupted:
        """The signal comes when the turn was just given."""

        release = turn.release

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            taken = turn.acquire(blocking, timeout)
            if taken and not refused:
                refused.append("")
                with pytest.raises(casestore.StoreUnavailable, match="signal handler") as caught:
                    store.append("case:there", stories.noted())
                refused.append(str(caught.value))
            return taken

    monkeypatch.setattr(datastore(store), "_turn", Interrupted())
    store.append("case:there", stories.noted(), key="k")
    assert len(refused) == 2
    assert held(store, "case:there") == 2
