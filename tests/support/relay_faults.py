"""A relay that is killed again and again, and a receiver that misbehaves.

    python -m tests.support.relay_faults --rounds 1000 --seed 1 --backend sqlite

In each round a relay is started, as a process of its own and sometimes as two, events are
recorded, and after a random time the relay is killed or told to end. The receiver answers well or
in one of many wrong ways, and now and then is not there. At the end all is delivered, and the
receiver's log must hold every event at least once, in the order in which they were recorded.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, NamedTuple
from uuid import uuid4

from casestore import CaseStore, NotRelayed
from casestore.relay import Pauses, Relay, Webhook, parse_secrets, relays, retry
from tests.support import stories
from tests.support.postgres_server import server as postgres
from tests.support.receivers import FAULTS, TAKEN, WORD, Receiver, Request, check

CONTEXT = get_context("forkserver")  # it has imported everything when a process is started
PRELOAD = ["casestore.relay.sqlite", "casestore.relay.postgres", "tests.support.receivers"]
STREAMS = 5
ODD = [name for name in FAULTS if name not in ("", "gone")]


class Told(NamedTuple):
    """What came of it."""

    events: int
    requests: int
    faults: int
    kills: int
    twice: int
    """Events that the receiver had taken, and that were sent again."""


class Sink:
    """A receiver that may be closed and opened at the same port."""

    def __init__(self, seed: int) -> None:
        self.log: list[Request] = []
        self.kind = False
        self._random = random.Random(seed)
        self._server: Receiver | None = None
        self._thread: Thread | None = None
        self.port = 0
        self.open()

    def _fault(self, *_: Any) -> str:
        chance = self._random.random()
        if self.kind or chance < 0.65:
            return ""
        return "gone" if chance < 0.66 else self._random.choice(ODD)

    def open(self) -> None:
        self._server = Receiver(self._fault, self.port)
        self._server.log = self.log
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=[0.01], daemon=True)
        self._thread.start()

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.closing.set()
            server.shutdown()
            self._thread.join()
            server.server_close()
            assert server.errors == [], server.errors[0]


def relaying(url: str, port: int, batch: int | None, ready: Any) -> None:
    """What the process does that is killed."""
    logging.disable()
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with CaseStore.open(url) as store, suppress(NotRelayed):
        ready.set()
        relay(store, port, batch).run(stop=stop)


def relay(store: CaseStore, port: int, batch: int | None) -> Relay:
    hook = f"http://127.0.0.1:{port}/hook"
    secrets = parse_secrets(WORD)
    receiver = Webhook(hook, secrets, allow_private=True, answer_within=1.0)
    return Relay(store, "crm", receiver, batch=batch, pauses=Pauses(0.005, 0.1))


def torture(url: str, rounds: int, seed: int, *, batch: int | None = None) -> Told:
    """Kill and misbehave; raises AssertionError where an event is missing or out of order."""
    chance = random.Random(seed)
    CONTEXT.set_forkserver_preload(PRELOAD)
    sink = Sink(seed)
    kills = 0
    with CaseStore.create(url) as store:
        for number in range(STREAMS):
            store.append(f"case:{number}", stories.opened(customer_id=f"k{number}"), key="o")
        for number in range(rounds):
            ready = CONTEXT.Event()
            crew = [
                CONTEXT.Process(target=relaying, args=(url, sink.port, batch, ready))
                for _ in range(2 if chance.random() < 0.1 else 1)
            ]
            for process in crew:
                process.start()
            for each in range(chance.randint(1, 4)):
                stream = f"case:{chance.randrange(STREAMS)}"
                store.append(stream, stories.noted(), key=f"{number}-{each}")
            if chance.random() < 0.05:
                sink.close()
            if chance.random() < 0.9:
                ready.wait(20)
            time.sleep(chance.uniform(0, 0.3))
            for process in crew:
                if chance.random() < 0.9:
                    process.kill()
                    kills += 1
                else:
                    process.terminate()
            for process in crew:
                process.join(20)
                assert not process.is_alive(), "it does not end"
                process.close()
            if sink._server is None:
                sink.open()
            if [each.state for each in relays(store)] == ["stopped"]:
                retry(store, "crm")
        sink.kind = True
        retry(store, "crm")
        relay(store, sink.port, batch).run(once=True)
        recorded = [(each.stream, each.uid) for each in store.read()]
    sink.close()
    return told(sink.log, recorded, kills)


def told(log: list[Request], recorded: list[tuple[str, str]], kills: int) -> Told:
    """Check the log."""
    taken = [event for each in log if each.fault in TAKEN for event in each.events]
    check(taken, recorded)
    first = list(dict.fromkeys(event["id"] for event in taken))
    assert first == [uid for _, uid in recorded], "an event has overtaken another"
    faults = sum(each.fault != "" for each in log)
    return Told(len(recorded), len(log), faults, kills, len(taken) - len(first))


@contextmanager
def place(backend: str) -> Iterator[str]:
    """Where a store can be made."""
    if backend == "sqlite":
        with TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/store.db"
        return
    with postgres() as url:
        yield f"{url}{'&' if '?' in url else '?'}schema=t_{uuid4().hex}"


def main() -> None:
    """The rounds by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--backend", choices=["sqlite", "postgres"], default="sqlite")
    asked = parser.parse_args()
    import os

    with TemporaryDirectory() as keys, place(asked.backend) as url:
        os.environ["CASESTORE_KEY_FILE"] = str(Path(keys) / "store.key")
        begun = time.monotonic()
        print(torture(url, asked.rounds, asked.seed, batch=asked.batch))
        print(f"in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
