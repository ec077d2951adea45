"""A worker: a process that asks the store, logs what it asks and is told, and outlives faults.

A worker may be told only what can honestly be told:

    done      what was asked is done
    refused   for a reason that the store's contract names; then nothing of it is on record
    unknown   the database did not answer, or a signal handler raised: it may be done or not
    wrong     anything else: a finding
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Generic, NamedTuple, TypeVar

from casestore import (
    CannotTell,
    CaseStore,
    ConcurrencyConflict,
    CustomerErased,
    EventRefused,
    IdempotencyConflict,
    StoreUnavailable,
)
from tests.torture.machine.logs import Log, Operation, operations, read
from tests.torture.machine.place import Place

T = TypeVar("T")
REFUSALS: tuple[type[Exception], ...] = (
    EventRefused,
    ConcurrencyConflict,
    IdempotencyConflict,
    CustomerErased,
)
RAISES = signal.SIGUSR1
"""The signal whose handler raises."""
_NO_ROOM = (errno.EFBIG, errno.ENOSPC)
_NOT_OURS = ("psycopg_pool", f"{os.sep}threading.py", f"{os.sep}logging{os.sep}", "importlib")
"""Code that does not outlive an exception at any line, and is not ours to mend: Python itself does
not find a module's parts any more where its import was interrupted."""


class Signalled(BaseException):
    """What the signal handler raises."""


class _Interrupts:
    """Raises once for each signal that comes while it is armed, where our code runs."""

    def __init__(self) -> None:
        self.armed = False
        self.raised = 0
        signal.signal(RAISES, self._raise)
        signal.signal(signal.SIGALRM, self._raise)

    def _raise(self, _signal: int, frame: FrameType | None) -> None:
        if not self.armed:
            return
        while frame is not None:
            if any(part in frame.f_code.co_filename for part in _NOT_OURS):  # later, then
                signal.setitimer(signal.ITIMER_REAL, 0.002)
                return
            frame = frame.f_back
        self.armed = False
        self.raised += 1
        raise Signalled


class _Uninterrupted:
    """Of a thread that no signal handler runs in."""

    armed = False
    raised = 0


class Task(NamedTuple):
    """What a process is started for."""

    role: str
    name: str
    number: int
    place: Place
    seed: int
    faults: tuple[str, ...]
    threads: int
    """That do the same, on one store."""


class Answer(NamedTuple, Generic[T]):
    """What was told."""

    told: str
    """done, refused, unknown or wrong."""
    value: T | None
    """None where it is not done."""


class Worker:
    """What a role works with, in one thread.

    Args:
        task: of the process.
        stop: is set when the process is to end.
        thread: 0 for the main thread, where signal handlers run.
    """

    def __init__(self, task: Task, stop: threading.Event, thread: int = 0) -> None:
        self.task = task
        self.place = task.place
        self.name = f"{task.name}t{thread}" if thread else task.name
        path = task.place.logs / f"{self.name}.log"
        self.before: list[Operation] = []
        """What this worker did before it was killed."""
        if path.exists():
            self.before = list(operations(read(path)))
        self.log = Log(path)
        self.stop = stop
        self.interrupts = _Uninterrupted() if thread else _Interrupts()

    def pause(self, seconds: float) -> None:
        self.stop.wait(seconds)

    @property
    def next(self) -> int:
        """The number of the next step: after the last one that was begun."""
        begun = [int(each.op.split(".")[1]) for each in self.before if "." in each.op]
        return max(begun, default=-1) + 1

    def opened(self, **how: Any) -> Iterator[CaseStore]:
        """Yield the store once, as soon as it can be opened; nothing if the run ends before."""
        while not self.stop.is_set():
            asked = self.ask("open", "open", lambda: self.place.open(**how), told=lambda _: {})
            if asked.value is not None:
                with asked.value as store:
                    yield store
                return
            self.pause(0.2)

    def ask(
        self,
        op: str,
        what: str,
        call: Callable[[], T],
        *,
        told: Callable[[T], dict[str, Any]],
        refusals: tuple[type[Exception], ...] = (),
        room: int | None = None,
        **asked: Any,
    ) -> Answer[T]:
        """Ask, and log it. Gives what was told.

        Args:
            op: the name of the operation.
            what: is asked.
            call: asks.
            told: what the log says of the answer.
            refusals: what may be refused beside what every append may be.
            room: bytes that a file may have meanwhile.
            asked: what the log says of the question.
        """
        if room is not None:
            asked["room"] = room
        self.log.line(op=op, ask=what, **asked)
        before = self.interrupts.raised
        refused = (*REFUSALS, *refusals)
        answer: T | None = None
        said: dict[str, Any]
        try:
            try:
                with full_disk(room):
                    try:
                        self.interrupts.armed = True
                        answer = call()
                    finally:
                        self.interrupts.armed = False
                said = {"told": "done", **told(answer)}
            except refused as error:
                said = {"told": "refused", "error": type(error).__name__, "words": str(error)[:300]}
            except StoreUnavailable as error:
                told_so = "wrong" if isinstance(error, CannotTell) else "unknown"
                said = {"told": told_so, "error": type(error).__name__, "words": str(error)[:300]}
            except Exception as error:
                # A key file that cannot be written is told as a KeyFileError.
                why = error if isinstance(error, OSError) else error.__context__
                full = room is not None and isinstance(why, OSError) and why.errno in _NO_ROOM
                said = {"told": "unknown" if full else "wrong", "error": type(error).__name__}
                said["words"] = str(error)[:300]
                if not full:
                    said["trace"] = traceback.format_exc()[-3000:]
        except Signalled:
            said = {"told": "unknown", "error": "Signalled"}
        if self.interrupts.raised != before and said["told"] in ("refused", "wrong"):
            # The exception may have come out as another one, or in the midst of another one.
            said["told"] = "unknown"
        if self.interrupts.raised != before:
            said["signalled"] = True
        self.log.line(op=op, **said)
        return Answer(said["told"], answer if said["told"] == "done" else None)


@contextmanager
def full_disk(room: int | None) -> Iterator[None]:
    """Let no file grow beyond `room` bytes while the context lasts."""
    if room is None:
        yield
        return
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def run(role: Callable[[Worker], None], task: Task, channel: Connection) -> None:
    """Be a worker. Where it dies of an exception, the log says so."""
    os.setsid()  # so that the children that it forks can be found
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    logging.disable()
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None  # an exception of ours in __del__
    stop = threading.Event()

    def watch() -> None:
        with suppress(EOFError, OSError):
            channel.recv()
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    worker = Worker(task, stop)
    worker.log.line(began=os.getpid())
    try:
        role(worker)
    except BaseException:
        worker.log.line(died=traceback.format_exc()[-3000:])
        os._exit(1)
    worker.log.line(ended=True)
    os._exit(0)  # whatever threads are left
