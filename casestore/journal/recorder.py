"""The table of events, whatever the database: rows, reading, and writing under one lock.

A backend gives three primitives (`fetch`, `writing`, `changes`); from them come eventsourcing's
ApplicationRecorder, its subscriptions, and what CaseStore needs. Everything that a decision rests
on is read through `Writing`, inside the lock, so that nothing can come between it and the insert.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Thread
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid4

from eventsourcing import persistence
from eventsourcing.persistence import (
    ApplicationRecorder,
    ListenNotifySubscription,
    Notification,
    StoredEvent,
    Subscription,
)

from casestore.journal.questions import Questions
from casestore.journal.rows import KeyRow, Row, StoredRow

SCHEMA_VERSION = 1
"""Of the tables. A store of a later version is refused, not guessed at."""

UNSCRUBBED = "unscrubbed"
"""In the meta table while bytes of deleted keys may stand in the database's files; its value is
another one after each deletion."""


class Survey(NamedTuple):
    """What an append needs to know, read inside the lock."""

    last_recorded_us: int
    """Of the last event in the store; 0 in an empty one."""
    heads: Mapping[str, int]
    """The version of each stream asked for that has events."""
    found: Mapping[str, Row]
    """The rows there are of the event ids asked for."""
    keys: Mapping[str, KeyRow]
    """The data keys there are of the customers asked for."""


class Writing(Protocol):
    """A transaction that decides and inserts; what it told still holds when it commits.

    Either it holds the write lock from the beginning, or it looks again under the lock at the
    end, and fails if what it told has changed meanwhile.
    """

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        """Read what a decision needs, in one round trip."""

    def rows(self, stream: str, after_version: int) -> list[Row]:
        """A stream's rows after a version."""

    def gestures_to(self, customers: Sequence[str]) -> list[Row]:
        """The rows of all GestureGiven to some customers."""

    def merges_of_customers(self) -> list[Row]:
        """The rows of all CustomerMerged."""

    def merges_of_cases(self, after: int) -> tuple[list[Row], int]:
        """The rows of all CaseMerged after a position, and the last position of all."""

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        """Insert rows and data keys, durably, and give the rows' positions.

        Raises IntegrityError where one is there, or where what was told has changed.
        """

    def delete_key(self, customer_id: str) -> None:
        """Destroy a customer's data key, and note that its bytes have yet to be scrubbed."""

    def rewrap(self, kek_id: str, keys: Sequence[KeyRow]) -> None:
        """Name the key-encryption key of all new data keys, and replace wrapped ones that stand.

        Once that is committed, a new data key that another one wraps is refused.
        """

    def scrubbed(self, deletions: str) -> None:
        """Note that the bytes of those deletions are gone, if there were no more meanwhile."""


class DecideAgain(persistence.IntegrityError):
    """An optimistic write rests on what is no longer so, or cannot be refused with certainty.

    Nothing was written. Decide again, with what is read under the lock.
    """


class Changes(Protocol):
    """Tells when something may have been appended, by whatever process."""

    def wait(self, timeout: float) -> bool:
        """Wait until something may have been appended, at most `timeout` seconds."""


def translated(error: Exception) -> persistence.PersistenceError:
    """A database's error in eventsourcing's words, which are those of PEP 249."""
    for cls in type(error).__mro__:
        kind = getattr(persistence, cls.__name__, None)
        if isinstance(kind, type) and issubclass(kind, persistence.PersistenceError):
            return kind(str(error))
    return persistence.PersistenceError(str(error))


class JournalRecorder(Questions, ApplicationRecorder, ABC):
    """An ApplicationRecorder over our table."""

    @abstractmethod
    def writing(self, *, optimistic: bool = False) -> AbstractContextManager[Writing]:
        """Take the write lock: no other process appends until the context ends.

        Nothing is kept without `commit`.

        Args:
            optimistic: decide from what this process remembers. A backend may then take the lock
                only to commit, not look for the event ids, and refuse to read a whole stream. It
                raises DecideAgain, or IntegrityError for an id that is there, where that is wrong.
        """

    @abstractmethod
    def changes(self) -> AbstractContextManager[Changes]:
        """Watch for appends. What is appended after this returns is never missed."""

    @abstractmethod
    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the tables, indexes and triggers, and say what a new store says of itself."""

    @abstractmethod
    def meta(self) -> dict[str, str] | None:
        """What the store says of itself; None where there is no store."""

    @abstractmethod
    def _scrub(self, patience: float) -> bool:
        """Overwrite or give up what still holds the bytes of deleted keys; whether it could."""

    def scrub(self, patience: float = 5.0) -> bool:
        """See that no file of the database holds the bytes of deleted keys; whether it could.

        Readers, and on PostgreSQL writers too, may be in the way: that long, in seconds, it is
        tried again. Nothing is done where no key was deleted since the last time.
        """
        if (deletions := (self.meta() or {}).get(UNSCRUBBED)) is None:
            return True
        if not self._scrub(patience):
            return False
        with self.writing() as writing:
            writing.scrubbed(deletions)
            writing.commit([])
        return True

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **_kwargs: Any
    ) -> Sequence[int] | None:
        """Insert as eventsourcing asks; what a plain StoredEvent lacks is supplied."""
        with self.writing() as writing:
            last = writing.survey((), (), ()).last_recorded_us
            now = max(last, time.time_ns() // 1000)
            return writing.commit([_row(each, now) for each in stored_events])

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """A stream's events, as eventsourcing asks."""
        rows = self._stream_rows(str(originator_id), gt=gt, lte=lte, desc=desc, limit=limit)
        return list(map(StoredRow.of, rows))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events in position order, as eventsourcing asks."""
        where: list[str] = []
        params: list[Any] = []
        if start is not None:
            where.append("position >= ?" if inclusive_of_start else "position > ?")
            params.append(start)
        rows = self._select(where, params, limit, stop, topics)
        return list(map(StoredRow.of, rows))

    def max_notification_id(self) -> int | None:
        """The last position; None in an empty store."""
        last: int | None = self.fetch(f"SELECT max(position) FROM {self.table}")[0][0]
        return last

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Events as they come, as eventsourcing asks."""
        return JournalSubscription(self, gt=gt, topics=topics)


def _row(stored: StoredEvent, now: int) -> Row:
    if isinstance(stored, StoredRow):
        extra = (stored.personal, stored.customer_id, stored.event_id, stored.recorded_us or now)
        metadata = stored.metadata
    else:
        extra = (None, None, str(uuid4()), now)
        metadata = b"{}"
    stream, version = str(stored.originator_id), stored.originator_version
    return Row(0, stream, version, stored.topic, stored.state, *extra, metadata)


LOOK_ANYWAY = 0.5
"""Seconds after which a follower looks for new events even if it was told of none."""


class JournalSubscription(ListenNotifySubscription[JournalRecorder]):
    """eventsourcing's subscription, woken by our `changes`."""

    def __init__(
        self, recorder: JournalRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder, gt=gt, topics=topics)
        self._listen_thread = Thread(target=self._listen)
        self._listen_thread.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listen_thread.join()

    def _listen(self) -> None:
        try:
            with self._recorder.changes() as changes:
                looked = 0.0  # at once, for what came before we were watching
                while not self._has_been_stopped and not self._thread_error:
                    # A notice may get lost (a pooler between us and the server, say): once in a
                    # while we look without one.
                    if changes.wait(0.1) or time.monotonic() - looked > LOOK_ANYWAY:
                        looked = time.monotonic()
                        self._has_been_notified.set()
        except BaseException as error:  # as in eventsourcing: handed to the reader
            if self._thread_error is None:
                self._thread_error = error
            self.stop()
