"""The table of events, whatever the database: rows, reading, and writing under one lock.

A backend gives three primitives: `fetch`, `writing` and `changes`. From them come eventsourcing's
ApplicationRecorder, its subscriptions, and what CaseStore needs. What an append's decision rests on
is read through `Writing`, so that it still holds when the rows are inserted.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
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

from casestore.journal.clocks import recording_time
from casestore.journal.listening import LOOK_ANYWAY, Changes, Listener
from casestore.journal.questions import Questions
from casestore.journal.rows import KeyRow, Row, StoredRow
from casestore.system.line import Place

SCHEMA_VERSION = 1
"""The version of the tables. A store with a later one is refused, and one with an earlier one must
be upgraded first. What a store works without, if slower, raises no version: see `lacks`."""

RESTORED = "restored"
"""In the metadata of a store that was restored or copied: how many events it had then. How far its
relays were did not come with it."""
UNSCRUBBED = "unscrubbed"
"""The name of a row in casestore_meta. It is there while the database's files may still hold bytes
of deleted keys, and each deletion gives it a new random value."""


class Survey(NamedTuple):
    """What a decision to append rests on."""

    last_recorded_us: int
    """When the last event in the store was recorded, in microseconds since 1970; 0 in an empty
    store, and from PostgreSQL's cache, as its insert looks at the last event anyway."""
    heads: Mapping[str, int]
    """By stream, the version of its last event; without the streams that have no events."""
    found: Mapping[str, Row]
    """The rows that have one of the event ids asked for, by event id. An optimistic write may leave
    them out: then the insert fails."""
    keys: Mapping[str, KeyRow]
    """By customer id, the data key; without the customers that have none."""


class Writing(Protocol):
    """A transaction in which an append is decided and inserted.

    What `survey` answered still holds at the commit. Either the transaction has the write lock from
    the beginning; or it is optimistic, takes the lock only to commit, compares the answer with the
    tables, and fails if it has changed.
    """

    def next_in_line(self) -> Place[Any, Any] | None:
        """What another thread waits with, to be written in the same commit; None if nobody waits.

        Whoever takes it must answer it. It ends that the transaction is optimistic, so it may only
        be asked before `survey`.
        """
        return None

    def survey(
        self, streams: Sequence[str], event_ids: Sequence[str], customers: Sequence[str]
    ) -> Survey:
        """Read what a decision needs, in one round trip.

        Args:
            streams: names of streams, whose heads are read.
            event_ids: ids that the new events will have.
            customers: ids of customers, whose data keys are read.
        """

    def rows(self, stream: str, after_version: int) -> list[Row]:
        """A stream's rows after a version, in version order."""

    def gestures_to(self, customers: Sequence[str]) -> list[Row]:
        """The rows of all GestureGiven to some customers."""

    def openings_of(self, customers: Sequence[str]) -> list[Row]:
        """The rows of all CaseOpened of some customers, in the order of their positions."""

    def merges_of_customers(self) -> list[Row]:
        """The rows of all CustomerMerged."""

    def merges_of_cases(self, after: int) -> tuple[list[Row], int]:
        """The rows of all CaseMerged after a position, and the last position of all."""

    def commit(self, rows: Sequence[Row], keys: Sequence[KeyRow] = ()) -> list[int]:
        """Insert rows and new data keys, durably, and give the rows' positions, in order.

        Raises eventsourcing's IntegrityError where an event id, a version or a data key is there
        already, or where an answer of `survey` has changed.
        """

    def delete_key(self, customer_id: str) -> None:
        """Destroy a customer's data key, and note that its bytes have yet to be scrubbed."""

    def rewrap(self, kek_id: str, keys: Sequence[KeyRow]) -> None:
        """Set the key-encryption key that must wrap new data keys, and replace wrapped data keys.

        After the commit the database refuses a new data key that another key-encryption key wraps.

        Args:
            kek_id: of the key-encryption key, in hex.
            keys: data keys that exist, wrapped anew.
        """

    def scrubbed(self, deletions: str) -> None:
        """Note that the bytes of deleted keys are gone, unless a key was deleted since.

        Args:
            deletions: the value that the UNSCRUBBED row had before they were scrubbed.
        """


class DecideAgain(persistence.IntegrityError):
    """A write was decided or refused with what may be out of date: the cache, or a rotated key.

    Nothing was written. Decide again, with what is read under the lock.
    """


class JournalRecorder(Questions, ApplicationRecorder, ABC):
    """An ApplicationRecorder over our table."""

    @abstractmethod
    def writing(
        self, *, optimistic: bool = False, place: Place[Any, Any] | None = None
    ) -> AbstractContextManager[Writing]:
        """Begin a write under the write lock: no other process appends until the context ends.

        Nothing is kept without `commit`.

        Args:
            optimistic: let the backend answer from this process's cache. It may then take the lock
                only to commit, not look up the event ids, and not read a whole stream. Where the
                cache is not enough, it raises DecideAgain, or IntegrityError if an event id is
                there already.
            place: what another thread may write while this one waits for the lock, where the
                backend can do so. Then the context raises Answered instead of beginning.
        """

    def check_clock(self) -> None:
        """Check this machine's clock against the database server's, where there is one.

        Raises StoreUnavailable where they are more than five minutes apart.
        """

    @cached_property
    def listener(self) -> Listener:
        """Tells all followers in this process of appends."""
        return Listener(self._listen)

    def changes(self) -> AbstractContextManager[Changes]:
        """Watch for appends. Every append after the context began ends a `wait`."""
        return self.listener.changes()

    @abstractmethod
    def _listen(self) -> AbstractContextManager[Changes]:
        """Watch for appends with a connection that does nothing else."""

    @abstractmethod
    def create_table(self, meta: Mapping[str, str] | None = None) -> None:
        """Create the tables, indexes and triggers, and insert the metadata of a new store."""

    @abstractmethod
    def lacks(self) -> list[str]:
        """What a new store has beside its tables and this one has not, or has otherwise: indexes,
        triggers and functions, each like "index stored_events_merges"."""

    @abstractmethod
    def upgrade(self) -> None:
        """Make what `lacks` tells, in one transaction. No row is touched."""

    @abstractmethod
    def meta(self) -> dict[str, str] | None:
        """The rows of casestore_meta, by name; None where there is no store."""

    @abstractmethod
    def _scrub(self, patience: float) -> bool:
        """Remove the bytes of deleted keys from the database's files; whether it could."""

    def scrub(self, patience: float = 5.0) -> bool:
        """Remove the bytes of deleted keys from the database's files; whether it could.

        Nothing is done where no key was deleted since the last time.

        Args:
            patience: seconds for which it tries again, while readers (on PostgreSQL writers too)
                are in the way.
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
        """Insert, as eventsourcing asks. What a plain StoredEvent lacks gets a default value."""
        now = time.time_ns() // 1000
        self.check_clock()
        with self.writing() as writing:
            now = recording_time(now, writing.survey((), (), ()).last_recorded_us)
            return writing.commit([_row(event, now) for event in stored_events])

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
        """Events after a position, and then each new one, as eventsourcing asks."""
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
                looked = 0.0  # so that it looks at once, for what came before it was watching
                while not self._has_been_stopped and not self._thread_error:
                    if changes.wait(0.1) or time.monotonic() - looked > LOOK_ANYWAY:
                        looked = time.monotonic()
                        self._has_been_notified.set()
        except BaseException as error:  # eventsourcing raises it in the thread that reads
            if self._thread_error is None:
                self._thread_error = error
            self.stop()
