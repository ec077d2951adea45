"""Those who keep a store: the runner of its projections, who seals, erases, rotates, backs up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from casestore import CaseStore, Erased, StreamNotFound
from casestore.audit.sealing import Sealed, seal
from casestore.backup.backup import Backup, backup
from casestore.privacy.erasure import Erasure, erase
from casestore.privacy.rotation import Rotation, rotate
from projections import Runner
from tests.torture.machine.plan import ACTOR, BEGIN, ROOM, note, opening
from tests.torture.machine.worker import Worker
from tests.torture.machine.writers import Writer

STEPS = 30


def project(worker: Worker) -> None:
    """Keep the projections up to date, and build them anew now and then."""
    number = worker.next
    while not worker.stop.is_set():
        for store in worker.opened():
            opened = worker.ask("open", "runner", lambda: Runner(store), told=lambda _: {})  # noqa: B023
            if opened.value is None:
                continue
            with opened.value as runner:
                for _ in range(STEPS):
                    if worker.stop.is_set():
                        return
                    random, op = _next(worker, number)
                    number += 1
                    if random.random() < 0.9:
                        worker.ask(
                            op,
                            "catch up",
                            lambda: runner.catch_up(stop=worker.stop),
                            told=lambda position: {"position": position},
                            room=_room(worker, random),
                        )
                    else:
                        worker.ask(op, "rebuild", runner.rebuild, told=lambda _: {})
                    worker.pause(random.uniform(0.05, 0.4))


def _steps(worker: Worker, **how: Any) -> Iterator[tuple[CaseStore, Random, str]]:
    """One step after another until the end: the store, its chances, and its name.

    Args:
        worker: who does them.
        how: the store is opened, again after STEPS.
    """
    number = worker.next
    while not worker.stop.is_set():
        for store in worker.opened(**how):
            for _ in range(STEPS):
                if worker.stop.is_set():
                    return
                random, op = _next(worker, number)
                number += 1
                yield store, random, op


def _next(worker: Worker, number: int) -> tuple[Random, str]:
    return Random(f"{worker.task.seed} {worker.name} {number}"), f"{worker.name}.{number}"


def _room(worker: Worker, random: Random) -> int | None:
    chosen = random.random() < 0.1
    return random.choice(ROOM) if chosen and "diskfull" in worker.task.faults else None


def seals(worker: Worker) -> None:
    """Seal, and hold the checkpoints outside: in the log."""

    def told(sealed: Sealed) -> dict[str, Any]:
        return {"note": sealed.note, "size": sealed.checkpoint.size, "new": sealed.new}

    for store, random, op in _steps(worker, through=worker.task.number % 2 == 0):
        room = _room(worker, random)
        worker.ask(op, "seal", lambda: seal(store), told=told, room=room)  # noqa: B023
        worker.pause(random.uniform(0.05, 0.6))


def erases(worker: Worker) -> None:
    """Take in what customers say, forget them, and look at what is left of it."""
    writer = Writer(worker)
    forgotten: list[str] = []
    for store, random, op in _steps(worker, through=worker.task.number % 2 == 1):
        who = f"e{op.replace('.', '-')}"
        stream, opens = opening(who, who)
        said = [opens, note(BEGIN, f"{who} said"), note(BEGIN, f"{who} wrote")]
        writer.append(store, op, [(stream, said)], op, "words", key=op)
        if random.random() < 0.7:
            _erase(worker, store, op, who, _room(worker, random))
            forgotten.append(who)
        for each in random.sample(forgotten, min(2, len(forgotten))):
            _look(worker, store, op, each)
        worker.pause(random.uniform(0.05, 0.4))


def _erase(worker: Worker, store: CaseStore, op: str, who: str, room: int | None) -> None:
    def told(done: Erasure) -> dict[str, Any]:
        return {"now": done.now, "left": list(done.left)}

    worker.ask(
        op,
        "erase",
        lambda: erase(store, who, basis="gdpr-17", actor=ACTOR),
        told=told,
        refusals=(StreamNotFound,),
        room=room,
        customer=who,
    )


def _look(worker: Worker, store: CaseStore, op: str, who: str) -> None:
    def call() -> list[str]:
        history = store.history(f"case:{who}", reveal=True)
        words = [word for each in history for word in each.words.values()]
        return ["erased" if isinstance(word, Erased) else "shown" for word in words]

    worker.ask(
        op,
        "look",
        call,
        told=lambda words: {"words": words},
        refusals=(StreamNotFound,),
        customer=who,
    )


def rotates(worker: Worker) -> None:
    """Wrap all data keys with a new key, again and again; each destroys the key before."""

    def told(done: Rotation) -> dict[str, Any]:
        return {"wrapped": done.wrapped, "resumed": done.resumed}

    for store, random, op in _steps(worker, through=worker.task.number % 2 == 1):
        room = _room(worker, random)
        worker.ask(op, "rotate", lambda: rotate(store), told=told, room=room)  # noqa: B023
        worker.pause(random.uniform(0.5, 4))


def backs_up(worker: Worker) -> None:
    """Take backups, while everything goes on."""
    number = worker.next
    url = worker.place.through if worker.task.number % 2 == 0 else worker.place.url

    def told(made: Backup) -> dict[str, Any]:
        return {"file": made.file.name, "events": made.events, "position": made.position}

    while not worker.stop.is_set():
        random, op = _next(worker, number)
        file = worker.place.backups / f"{number}"
        number += 1
        room = _room(worker, random)
        worker.ask(op, "backup", lambda: backup(url, file), told=told, room=room)  # noqa: B023
        _keep_newest(worker.place.backups, 3)
        worker.pause(random.uniform(0.5, 2.5))


def _keep_newest(folder: Path, count: int) -> None:
    made = sorted(
        (each for each in folder.iterdir() if each.name.isdigit()), key=lambda e: int(e.name)
    )
    for file in made[:-count]:
        file.unlink()
