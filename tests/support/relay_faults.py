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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest
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
    faults: dict[str, int]
    """How often the receiver did wrong, by what it did."""
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
        finish(store, sink, batch)
        recorded = [(each.stream, each.uid) for each in store.read()]
    sink.close()
    return told(sink.log, recorded, kills)


def finish(store: CaseStore, sink: Sink, batch: int | None) -> None:
    """Deliver what is left. A killed relay's session may hold the name for a moment more."""
    for left in reversed(range(20)):
        retry(store, "crm")
        try:
            relay(store, sink.port, batch).run(once=True)
        except NotRelayed:
            if not left:
                raise
            time.sleep(0.5)
        else:
            return


def told(log: list[Request], recorded: list[tuple[str, str]], kills: int) -> Told:
    """Check the log. Raises AssertionError, which says what the log has around what is wrong."""
    taken = [event for each in log if each.fault in TAKEN for event in each.events]
    first = list(dict.fromkeys(event["id"] for event in taken))
    uids = [uid for _, uid in recorded]
    wrong = next((n for n, pair in enumerate(zip_longest(uids, first)) if pair[0] != pair[1]), None)
    if wrong is not None:
        raise AssertionError(finding(log, recorded, first, wrong))
    check(taken, recorded)
    faults = Counter(each.fault for each in log if each.fault)
    return Told(len(recorded), len(log), dict(faults), kills, len(taken) - len(first))


def finding(
    log: list[Request], recorded: list[tuple[str, str]], first: list[str], wrong: int
) -> str:
    """What is wrong with a log, for who looks for the cause.

    Args:
        log: all requests.
        recorded: the stream and the id of each event, in order.
        first: the ids that were taken, in the order in which each was taken first.
        wrong: where the two part, from 0.
    """
    places = {uid: number for number, (_, uid) in enumerate(recorded, 1)}
    came = [[places.get(event["id"], event["id"]) for event in each.events] for each in log]
    lines = [f"the receiver took {len(first)} of {len(recorded)} events"]
    shown: set[int] = set()
    for uid in dict.fromkeys(
        [*[uid for _, uid in recorded[wrong : wrong + 1]], *first[wrong:][:1]]
    ):
        at = [n for n, each in enumerate(came) if places.get(uid, uid) in each]
        what = "missing" if uid not in first else f"taken as number {first.index(uid) + 1}"
        stream = recorded[places[uid] - 1][0] if uid in places else "no stream of the store"
        lines.append(f"event {places.get(uid)} ({uid}, {stream}) is {what}; it is in requests {at}")
        shown.update(n for each in at[:5] for n in range(each - 8, each + 9))
    lines += [
        f"  request {n}: events {came[n]}: {log[n].fault or 'taken'}"
        for n in sorted(shown)
        if 0 <= n < len(log)
    ]
    return "\n".join(lines)


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
        print(torture(url, asked.rounds, asked.seed, batch=asked.batch), flush=True)
        print(f"in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
