"""Waiting for appends: all who wait in a process share one thread and one connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, Event, Lock, Thread
from time import sleep
from typing import Protocol

from eventsourcing.persistence import ConnectionPoolClosedError, PersistenceError

from casestore.errors import CaseStoreError
from casestore.journal.answering import brief, log

LOOK_ANYWAY = 0.5
"""Seconds after which a follower reads even without a notice of an append. A notice can get lost,
say in a connection pooler between us and the server."""
_PAUSE = 0.5
"""Seconds until the next try where the database does not answer."""


class Changes(Protocol):
    """Waits for appends of any process."""

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; whether something may have been appended meanwhile."""


class Unheard(Changes):
    """Where no notices can be had: whoever waits looks now and then."""

    def wait(self, timeout: float) -> bool:
        """Wait; it cannot tell."""
        sleep(timeout)
        return False


class Listener:
    """Listens for appends while somebody waits for them.

    Args:
        listen: gives what the thread waits with, on a connection of its own.
    """

    def __init__(self, listen: Callable[[], AbstractContextManager[Changes]]) -> None:
        self.reading = Lock()
        """Held by a follower while it reads, so that all of them together read on one connection,
        however many they are."""
        self._listen = listen
        self._changed = Condition()
        self._count = 0
        """How often something may have been appended."""
        self._waiting = 0
        self._stop = Event()

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Watch for appends. Every append after the context began ends a `wait`."""
        pid = os.getpid()
        with self._changed:
            self._waiting += 1
            if self._waiting == 1:
                self._stop = Event()
                Thread(
                    target=self._run, args=[self._stop], name="casestore listener", daemon=True
                ).start()
            watch = _Watch(self._changed, lambda: self._count)
        try:
            yield watch
        finally:
            # In a forked child nobody listens, and a thread of the parent may have had the lock.
            if pid == os.getpid():
                self._end()

    def _end(self) -> None:
        with self._changed:
            self._waiting -= 1
            if self._waiting == 0:
                self._stop.set()

    def _run(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                with self._listen() as changes:
                    self._tell()  # of what came before it was listening
                    while not stop.is_set():
                        if changes.wait(0.1):
                            self._tell()
            except (PersistenceError, ConnectionPoolClosedError, CaseStoreError) as error:
                # Followers look without being told, and say what they find. We go on trying.
                log.debug("listening for appends: %s", brief(error))
                stop.wait(_PAUSE)

    def _tell(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()


class _Watch(Changes):
    def __init__(self, changed: Condition, count: Callable[[], int]) -> None:
        self._changed = changed
        self._count = count
        self._seen = count()

    def wait(self, timeout: float) -> bool:
        with self._changed:
            told = self._changed.wait_for(lambda: self._count() != self._seen, timeout)
            self._seen = self._count()
        return told
