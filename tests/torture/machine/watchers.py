"""Readers and followers: they log every event that they ever saw."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Any

from casestore import CaseStore, Cursor, Recorded, StreamNotFound
from tests.torture.machine.plan import SHARED
from tests.torture.machine.worker import Worker

STEPS = 40
MOST = 400
"""Events that a reader reads at a time: with more, a line would be long."""


def digest(uids: list[str]) -> str:
    """What a log says of a long list of ids."""
    return sha256("\n".join(uids).encode()).hexdigest()


def saw(recorded: Recorded) -> list[Any]:
    """What a log says of an event that was seen: position, id, stream, version."""
    return [recorded.position, recorded.uid, recorded.stream, recorded.version]


def read(worker: Worker) -> None:
    """Read what is new, all from the beginning, and single histories."""
    number = worker.next
    after = last_seen(worker)
    while not worker.stop.is_set():
        for store in worker.opened(through=worker.task.number % 2 == 0):
            for _ in range(STEPS):
                if worker.stop.is_set():
                    return
                random = Random(f"{worker.task.seed} {worker.name} {number}")
                op = f"{worker.name}.{number}"
                number += 1
                chance = random.random()
                if chance < 0.6:
                    after = read_new(worker, store, op, after)
                elif chance < 0.8:
                    read_all(worker, store, op)
                else:
                    read_history(worker, store, op, random)
                worker.pause(random.uniform(0, 0.1))


def last_seen(worker: Worker) -> Cursor | int:
    """Where a worker was that was killed."""
    cursors = [each["cursor"] for each in worker.before if each.get("cursor")]
    return Cursor.parse(cursors[-1]) if cursors else 0


def read_new(worker: Worker, store: CaseStore, op: str, after: Cursor | int) -> Cursor | int:
    def call() -> list[Recorded]:
        found = []
        for recorded in store.read(after):
            found.append(recorded)
            if len(found) == MOST:
                break
        return found

    def told(found: list[Recorded]) -> dict[str, Any]:
        said: dict[str, Any] = {"saw": [saw(each) for each in found], "whole": len(found) < MOST}
        if found:
            said["cursor"] = str(found[-1].cursor)
        return said

    found = worker.ask(op, "new", call, told=told).value
    return found[-1].cursor if found else after


def read_all(worker: Worker, store: CaseStore, op: str) -> None:
    def told(found: list[Recorded]) -> dict[str, Any]:
        last = found[-1].position if found else 0
        uids = [each.uid for each in found]
        return {"count": len(found), "last": last, "digest": digest(uids)}

    worker.ask(op, "everything", lambda: list(store.read()), told=told)


def read_history(worker: Worker, store: CaseStore, op: str, random: Random) -> None:
    stream = f"case:s{random.randrange(4)}-{random.randrange(SHARED)}"
    worker.ask(
        op,
        "stream",
        lambda: [(each.version, each.uid) for each in store.history(stream).originals],
        told=lambda found: {
            "dense": [v for v, _ in found] == list(range(1, len(found) + 1)),
            "count": len(found),
            "digest": digest([uid for _, uid in found]),
        },
        refusals=(StreamNotFound,),
        stream=stream,
    )


def follow(worker: Worker) -> None:
    """Follow the store, and log each event when it comes."""
    reveal = worker.task.number % 2 == 1
    place = [last_seen_by_follower(worker)]
    number = worker.next
    while not worker.stop.is_set():
        for store in worker.opened(through=worker.task.number % 2 == 0):
            for _ in range(STEPS):
                if worker.stop.is_set():
                    return

                def call(store: CaseStore = store) -> None:
                    for recorded in store.follow(place[0], reveal=reveal, stop=worker.stop):
                        worker.interrupts.armed = False  # else it might be noted, and not logged
                        place[0] = recorded.cursor
                        worker.log.line(follows=saw(recorded), cursor=str(recorded.cursor))
                        worker.interrupts.armed = True

                worker.ask(f"{worker.name}.{number}", "follow", call, told=lambda _: {})
                number += 1
                worker.pause(0.05)


def last_seen_by_follower(worker: Worker) -> Cursor | int:
    from tests.torture.machine.logs import read as lines_of

    lines = lines_of(worker.place.logs / f"{worker.name}.log")
    cursors = [line.said["cursor"] for line in lines if "follows" in line.said]
    return Cursor.parse(cursors[-1]) if cursors else 0
