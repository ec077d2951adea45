"""Writers: they append, in every way that the store offers."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from casestore import (
    CaseStore,
    GestureGiven,
    Receipt,
    Retry,
    StatementMade,
    StreamNotFound,
)
from tests.torture.machine.logs import Log
from tests.torture.machine.plan import AGAIN, Batches, Step, WriterPlan, note
from tests.torture.machine.worker import RAISES, Answer, Worker

STEPS = 60
"""After so many, a writer opens the store anew."""
ATTEMPTS = 3
"""How often it asks again, where nobody knows what came of an append."""
PATIENCE = 60.0
"""Seconds to wait for a forked child, and for a thread."""


class Writer:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        task = worker.task
        self.plan = WriterPlan(task.seed, worker.name, task.faults)
        self.offset = 0.0
        """Seconds by which this process's clock is wrong."""
        self.alone = task.threads == 1
        """Whether nobody else is in the process, whose clock and files it would share."""
        self.jumps = task.number % 2 == 1 and "clock" in task.faults and self.alone
        self.done = {each.get("mark") for each in worker.before if each.told == "done"}
        self.given_at = {
            each["mark"]: datetime.fromisoformat(each["given_at"])
            for each in worker.before
            if each.get("given_at")
        }
        """When each gift was given: a gift is held against the limit only if that is now."""
        self.there: set[str] = set()
        """Streams that were opened."""
        self.number = worker.next
        was_killed = worker.before and worker.before[-1].answer is None
        self.left_over = self.number - 1 if was_killed else None

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    def run(self, others: Sequence[Writer] = ()) -> None:
        """Append until the run ends.

        Args:
            others: writers that append to the same store meanwhile, each in a thread of its own.
        """
        worker = self.worker
        how: dict[str, Any] = {"through": worker.task.number % 2 == 0}
        if self.jumps:
            how["clock"] = self.clock
        if worker.task.number % 3 == 2:
            how["retry"] = Retry(attempts=1)
        while not worker.stop.is_set():
            for store in worker.opened(**how):
                threads = [
                    (other, threading.Thread(target=other.begin, args=[store], daemon=True))
                    for other in others
                ]
                for _, thread in threads:
                    thread.start()
                self.some_steps(store)
                deadline = time.monotonic() + PATIENCE
                for other, thread in threads:
                    thread.join(max(0.0, deadline - time.monotonic()))
                    if thread.is_alive():
                        worker.log.line(hangs=other.worker.name)
                        return

    def begin(self, store: CaseStore) -> None:
        """Be a thread. Where it dies of an exception, the log says so."""
        try:
            self.some_steps(store)
        except BaseException:
            self.worker.log.line(died=traceback.format_exc()[-3000:])

    def some_steps(self, store: CaseStore) -> None:
        """Ask again what was asked when the process was killed, and go on from there."""
        worker, left_over = self.worker, self.left_over
        if left_over is not None and left_over >= 0:
            step = self.plan.step(left_over)
            if step.asks_again and step.kind in AGAIN:
                self.again(store, step)
        self.left_over = None
        for _ in range(STEPS):
            if worker.stop.is_set():
                return
            self.do(store, self.plan.step(self.number))
            self.number += 1
            worker.pause(Random(self.number).uniform(0, 0.02))

    def dated(self, step: Step) -> Batches:
        """What a step appends. Its clock is then as wrong as it was for the first attempt."""
        self.offset = step.clock if self.jumps else 0.0
        if step.kind != "gift":
            return step.batches
        at = self.given_at.setdefault(step.op, self.clock())
        return [
            (name, [replace(e, occurred_at=at) for e in events]) for name, events in step.batches
        ]

    def do(self, store: CaseStore, step: Step) -> None:
        self.offset = step.clock if self.jumps else 0.0
        for stream, event in step.openings:
            if stream not in self.there:
                op = f"o:{stream}"
                if (
                    self.append(store, op, [(stream, [event])], op, "opening", key="o").told
                    == "done"
                ):
                    self.there.add(stream)
        match step.kind:
            case "repeat":
                of = self.plan.step(step.of)
                self.append(store, step.op, self.dated(of), of.op, "repeat", key=of.op)
            case "other":
                of = self.plan.step(step.of)
                if of.op in self.done:
                    *others, (stream, events) = self.dated(of)
                    batches = [*others, (stream, [*events, note(events[0].occurred_at, None)])]
                    self.append(store, step.op, batches, step.op, "other", key=of.op)
            case "expected":
                self.expecting(store, step)
            case "fork":
                self.fork(store, step)
            case _:
                self.once(store, step)

    def once(self, store: CaseStore, step: Step) -> None:
        key, batches = step.op if step.keyed else None, self.dated(step)
        room = step.room if self.alone else None
        told = self.append(store, step.op, batches, step.op, step.kind, key=key, room=room)
        if told.told == "unknown" and step.asks_again and step.keyed:
            self.again(store, step)

    def again(self, store: CaseStore, step: Step) -> None:
        """Ask again, with the same key, until somebody knows."""
        for attempt in range(ATTEMPTS):
            told = self.append(store, step.op, self.dated(step), step.op, "again", key=step.op)
            if told.told != "unknown" or self.worker.stop.is_set():
                return
            self.worker.pause(0.1 * 2**attempt)

    def expecting(self, store: CaseStore, step: Step) -> None:
        """Read a stream, and append only if nobody else has meanwhile."""
        ((stream, _),) = step.batches
        seen = self.worker.ask(
            step.op,
            "history",
            lambda: len(store.history(stream).originals),
            told=lambda count: {"count": count},
            refusals=(StreamNotFound,),
            stream=stream,
        )
        if seen.value is not None:
            self.append(
                store, step.op, step.batches, step.op, "expected", key=step.op, expected=seen.value
            )

    def append(
        self,
        store: CaseStore,
        op: str,
        batches: Batches,
        mark: str,
        what: str,
        *,
        key: str | None,
        expected: int | None = None,
        room: int | None = None,
    ) -> Answer[Receipt]:
        """Append, and log it.

        Args:
            store: an open one.
            op: the operation.
            batches: what to append.
            mark: what stands in the events' metadata, so that they are found again.
            what: kind of append it is.
            key: its key.
            expected: the version that the first stream must have.
            room: see `Worker.ask`.
        """
        asked: dict[str, Any] = {"mark": mark, "streams": [s for s, es in batches for _ in es]}
        if expected is not None:
            asked["expected"] = expected
        if self.offset:
            asked["clock"] = self.offset
        first = batches[0][1][0]
        if isinstance(first, GestureGiven) and first.value is not None:
            asked["given_at"] = first.occurred_at.isoformat()
            asked |= {"customer": batches[0][0].removeprefix("case:").partition("-")[0]}
            asked |= {"amount": str(first.value.amount)}
        if isinstance(first, StatementMade):
            asked["statement"] = first.statement_id
        told = self.worker.ask(
            op,
            what,
            lambda: store.append_all(
                batches, key=key, expected_version=expected, correlation_id=mark
            ),
            told=told_receipt,
            room=room,
            **asked,
        )
        if told.told == "done":
            self.done.add(mark)
        return told

    def fork(self, store: CaseStore, step: Step) -> None:
        """Fork while the store is open: parent and child go on, and each gets its own answer."""
        name = f"{self.worker.name}-f{step.op.partition('.')[2]}"
        child = os.fork()
        if child == 0:
            self._be_child(store, step, name)
        mine = self.append(store, step.op, step.batches, step.op, "fork", key=step.op)
        if mine.told == "unknown" and step.asks_again:
            self.again(store, step)
        deadline = time.monotonic() + PATIENCE
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                self.worker.log.line(hangs=name)
                return
            time.sleep(0.01)

    def _be_child(self, store: CaseStore, step: Step, name: str) -> None:
        code = 1
        try:
            signal.signal(RAISES, signal.SIG_IGN)
            self.worker.log = Log(self.worker.place.logs / f"{name}.log")
            for number in range(2):
                op = f"{name}.{number}"
                self.append(store, op, step.batches, op, "fork", key=op)
            code = 0
        finally:
            os._exit(code)


def told_receipt(receipt: Receipt) -> dict[str, Any]:
    return {
        "versions": receipt.versions,
        "positions": receipt.positions,
        "uids": receipt.uids,
    }


def write(worker: Worker) -> None:
    others = [Worker(worker.task, worker.stop, n) for n in range(1, worker.task.threads)]
    Writer(worker).run([Writer(each) for each in others])
