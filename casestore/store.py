"""CaseStore: append what happened, and read it back.

Every append works in the same way, whether it is one event or an imported batch. Events were
validated when they were made. `casestore.append.decision` checks them, seals their personal text
and makes rows. It does so under the write lock, or before it; then what it read is compared again
under the lock. The rows are inserted in one commit. Nobody can write between a check and its
insert, so a caller gets a ConcurrencyConflict only if `expected_version` asks for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event as StopSignal
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, cast
from uuid import UUID, uuid4

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from msgspec.structs import replace

from casestore.append.families import CaseLinks
from casestore.append.request import Append, Outcome, Receipt, Retry
from casestore.errors import (
    CaseStoreError,
    HistoryChanged,
    InvalidEvent,
    InvalidStream,
    KeyFileError,
    StoreDamaged,
    StoreUnavailable,
    StreamNotFound,
    quoted,
)
from casestore.events import CaseMerged, Event, EventCorrected
from casestore.journal.answering import (
    Outage,
    WaitedLong,
    brief,
    closed,
    database_answers,
    log,
)
from casestore.journal.application import Journal
from casestore.journal.listening import LOOK_ANYWAY
from casestore.journal.place import backend, shown_as
from casestore.journal.recorder import SCHEMA_VERSION, DecideAgain, JournalRecorder, Writing
from casestore.journal.rows import KeyRow, PlainRow, cursor_of, is_full
from casestore.journal.url import parse_url
from casestore.journal.usable import known_meta, no_key_file, store_exists
from casestore.keys.key_file import create_key_file, kek_id, key_file_for
from casestore.keys.vault import Vault
from casestore.streams import kinds
from casestore.streams.case import Case
from casestore.streams.customer import Customer
from casestore.streams.history import (
    Cursor,
    History,
    Recorded,
    decode_metadata,
    to_microseconds,
)
from casestore.streams.kinds import State, Stream
from casestore.streams.merged import merged_into
from casestore.streams.policies import Policies
from casestore.system.garbage import fewer_collections
from casestore.system.line import Answered, Place
from casestore.system.processes import check_process
from casestore.telemetry.appends import appending

if TYPE_CHECKING:
    from casestore.append.decision import Decision

_READ = 500
"""How many rows are read at a time, at most: few enough to stay in the processor's cache."""

_LARGEST = 2**63 - 1
"""The largest position that a database can have."""
_RETRY = Retry()
_Written = tuple[list[Outcome], Callable[[Append], Receipt]]
"""The outcome of each append, and what gives the receipt for one that was not refused."""


def _now() -> datetime:
    return datetime.now(UTC)


class CaseStore:
    """An open store. Threads may share it. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        journal: Journal,
        meta: dict[str, str],
        url: str,
        *,
        key_file: Path | None,
        clock: Callable[[], datetime] = _now,
        new_id: Callable[[], UUID] = uuid4,
        retry: Retry = _RETRY,
    ) -> None:
        """Use `open` or `create`."""
        self._journals = {os.getpid(): journal}
        """By process id: a forked child makes its own, because it cannot share connections."""
        self.meta = meta
        """What the store says of itself, by name: its id, the version of its tables and more."""
        self._vault = Vault(meta["store_id"], meta.get("kek_id"), key_file)
        self.url = url
        """The store's URL, valid from any working directory. It may hold a password."""
        self.closed = False
        """Whether `close` was called."""
        self._clock = clock
        self._new_id = new_id
        self._retry = retry
        self._codec = journal._codec
        self._links = CaseLinks()

    # --- opening ---------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        key_file: Path | str | None = None,
        clock: Callable[[], datetime] = _now,
        new_id: Callable[[], UUID] = uuid4,
        retry: Retry = _RETRY,
    ) -> Self:
        """Open a store.

        Args:
            url: sqlite:///file.db or postgresql://…?schema=name. If left out, the environment
                variable CASESTORE_URL.
            key_file: the key file. If left out, the environment variable CASESTORE_KEY_FILE; if
                that is not set, `<file>.key` beside a SQLite store.
            clock: returns the present time, with its zone. Tests give their own. If left out,
                this machine's clock; on PostgreSQL each append compares it with the server's.
            new_id: returns the id for an event that is appended without a key.
            retry: how often to try if the database does not answer.

        Raises:
            StoreNotFound: there is no store at that place.
            StoreUnavailable: the database does not answer.
            StoreDamaged: it does not say what it is: its metadata was altered.
        """
        where = parse_url(url)
        shown = shown_as(url, where)
        backend(where).check_store(where, shown)
        journal = Journal(env={"CASESTORE_URL": url} if url else None)
        try:
            with database_answers(shown):
                meta = known_meta(journal._recorder.meta(), shown)
        except BaseException:
            journal.close()
            raise
        file = key_file_for(where, key_file)
        try:
            Vault(meta["store_id"], meta.get("kek_id"), file).check_kind()
        except StoreDamaged:
            journal.close()
            raise
        return cls(journal, meta, where.url, key_file=file, clock=clock, new_id=new_id, retry=retry)

    @classmethod
    def create(
        cls,
        url: str | None = None,
        *,
        sealed: bool = True,
        group: str | None = None,
        key_file: Path | str | None = None,
        clock: Callable[[], datetime] = _now,
        new_id: Callable[[], UUID] = uuid4,
        retry: Retry = _RETRY,
    ) -> Self:
        """Make a new store and open it.

        Args:
            url: see `open`.
            sealed: encrypt personal text with the key in the key file. If there is no key file
                yet, one is made.
            group: the name of a group whose members may use a SQLite file too. If left out, only
                its owner may (mode 0600). The key file is always its owner's alone.
            key_file: see `open`.
            clock: see `open`.
            new_id: see `open`.
            retry: see `open`.

        Raises:
            StoreExists: there is a store at that place already.
            KeyFileError: the key file cannot be made or used, or none is named.
            StoreUnavailable: the database does not answer.
        """
        where = parse_url(url)
        meta = {
            "schema_version": str(SCHEMA_VERSION),
            "store_id": str(uuid4()),
            "created_at": _now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        file = key_file_for(where, key_file)
        if sealed and file is None:
            raise no_key_file()
        backend(where).make_place(where, group)
        if sealed and file is not None:
            meta["kek_id"] = kek_id(create_key_file(file, meta["store_id"])).hex()
        shown = shown_as(url, where)
        journal = Journal(env={"CASESTORE_URL": url} if url else None)
        try:
            with database_answers(shown):
                journal._recorder.create_table(meta)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, IntegrityError):  # another `create` was faster
                raise store_exists(shown) from error
            raise
        finally:
            journal.close()
        return cls.open(url, key_file=key_file, clock=clock, new_id=new_id, retry=retry)

    def close(self) -> None:
        """Close the store's connections. Later reads and appends raise StoreUnavailable."""
        self.closed = True
        if (journal := self._journals.get(os.getpid())) is not None:
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an open store cannot be sent to another process: give it the store's url, and open it "
            "there"
        )

    def now(self) -> datetime:
        """The present time by the store's clock."""
        return self._clock()

    @property
    def journal(self) -> Journal:
        """eventsourcing's Application for the store. Raises StoreUnavailable after `close`."""
        if self.closed:
            raise closed()
        pid = os.getpid()
        journal = self._journals.get(pid)
        if journal is None:  # this process was forked
            journal = self._journals.setdefault(pid, Journal(env={"CASESTORE_URL": self.url}))
        return journal

    @property
    def _recorder(self) -> JournalRecorder:
        """The recorder, which reads and writes the table of events."""
        return self.journal._recorder

    # --- appending -------------------------------------------------------------------------

    def append(
        self,
        stream: str,
        *events: Event | Sequence[Event],
        key: str | None = None,
        expected_version: int | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Receipt:
        """Append one event or several to a stream, all or nothing.

        Args:
            stream: case:<id>, customer:<id> or policy.
            events: events or lists of events, in the order in which they happened.
            key: makes the append idempotent: if it is repeated with the same key and events, it
                returns the first receipt and appends nothing.
            expected_version: refuse unless the stream is at this version (0: no events yet).
            source: where the events come from, like the name of a service.
            correlation_id: the id that ties all messages of one conversation together. If left out,
                the traceparent of the caller's span, where OpenTelemetry is configured.
            causation_id: the id of the message that caused these events.

        Raises:
            EventRefused: structure does not allow an event; see VOCABULARY in docs/events.md.
            IdempotencyConflict: the key was used for other events.
            ConcurrencyConflict: the stream is not at `expected_version`.
            StoreUnavailable: the database does not answer; or this machine's clock and the
                server's are more than five minutes apart.
            InvalidStream: `stream` is not the name of a stream.
            InvalidEvent: a value given is not an event of the vocabulary.
            KeyFileError: personal text needs the key file, which is missing or not the right one.
            CustomerErased: personal text is about a customer who was erased.
        """
        try:
            flat = [one for each in events for one in ([each] if isinstance(each, Event) else each)]
        except TypeError:
            raise InvalidEvent("append takes events, or lists of them") from None
        return self.append_all(
            [(stream, flat)],
            key=key,
            expected_version=expected_version,
            source=source,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )

    def append_all(
        self,
        batches: Sequence[tuple[str, Sequence[Event]]],
        *,
        key: str | None = None,
        expected_version: int | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Receipt:
        """Append to several streams, all or nothing. It raises the same errors as `append`.

        Args:
            batches: pairs of a stream and its events.
            key: see `append`. The order of the streams does not matter: the same streams and
                events in another order are the same append. The key is then used up for each of
                these streams.
            expected_version: the version of the first stream; see `append`.
            source: see `append`.
            correlation_id: see `append`.
            causation_id: see `append`.
        """
        append = Append(
            batches=batches,
            key=key,
            expected_version=expected_version,
            source=source,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )
        with appending(self.url, [append], timed=True) as told:
            if correlation_id is None:
                append.correlation_id = told.traceparent
            append.identify(self._new_id)
            (outcome,), receipt = self._write([append], stop=True)
            told.wrote([outcome])
            if isinstance(outcome, CaseStoreError):
                raise outcome
            return receipt(append)

    def write(
        self, appends: Sequence[Append], *, stop: bool = False, whole: bool = False
    ) -> list[Outcome]:
        """Write appends in one commit, each whole or not at all.

        Imports use this; services use `append` and `append_all`.

        Args:
            appends: the appends.
            stop: write nothing after the first append that is refused.
            whole: write nothing at all if one is refused.

        Returns:
            An Outcome for each append, in order: whether it was new, or why it was refused. With
            `stop` or `whole`, the list ends with the first refusal.

        Raises:
            InvalidEvent: `appends` is not a list of Append.
            StoreUnavailable: the database does not answer.
        """
        if not isinstance(appends, list | tuple) or not all(isinstance(a, Append) for a in appends):
            raise InvalidEvent("write takes a list of Append")
        with appending(self.url, appends, whole=whole) as told:
            for append in appends:
                try:
                    append.identify(self._new_id)
                except CaseStoreError as refusal:
                    append.refusal = refusal
            outcomes, _ = self._write(appends, stop, whole)
            told.wrote(outcomes)
            return outcomes

    def _write(self, appends: Sequence[Append], stop: bool, whole: bool = False) -> _Written:
        wait = self._retry.wait
        for attempt in range(1, self._retry.attempts + 1):
            try:
                # Several at once are an import, which had better have the lock for itself.
                if len(appends) == 1:
                    if attempt == 1 and not appends[0].looks_further:
                        try:
                            return self._write_one(appends[0], optimistic=True)
                        except IntegrityError:  # the guess was wrong: decide under the lock
                            self._forget(appends)
                    self._warm(appends[0])
                    if attempt == 1:
                        with suppress(DecideAgain):  # what others appended was in the way
                            return self._write_one(appends[0], optimistic=False)
                return self._try_to_write(appends, stop, whole, optimistic=False)
            except ConnectionPoolClosedError as error:  # by another thread, just now
                raise closed() from error
            except PersistenceError as error:
                passing = isinstance(error, (IntegrityError, OperationalError, InterfaceError))
                passing = passing and not isinstance(error, WaitedLong)
                if attempt == self._retry.attempts or not passing:
                    raise StoreUnavailable(
                        f"the database did not take the append: {brief(error)}; nothing is lost "
                        "by trying again, with the same key"
                    ) from error
                if isinstance(error, IntegrityError):  # somebody wrote past the lock, or rotated
                    self._forget(appends)
                    self._was_rotated()
            time.sleep(wait)
            wait *= 2
        raise AssertionError

    def _write_one(self, append: Append, *, optimistic: bool) -> _Written:
        """Write an append; on SQLite with those that wait in other threads, or one of them does.

        Raises DecideAgain where it was not written; it may be that only others were in the way.
        """
        from casestore.append import together  # noqa: PLC0415  (not to read)

        if append.refusal is not None or len(append.event_ids) > together.MOST_EVENTS:
            return self._try_to_write([append], False, False, optimistic=optimistic)
        mine: together.Waiting = Place(together.Asked(append, optimistic))
        journal = self._journal_to_write()
        try:
            with journal._recorder.writing(optimistic=optimistic, place=mine) as writing:
                others = together.taken_along(writing, append)
                if not others:
                    return self._decide_and_commit(
                        journal, writing, [append], optimistic=optimistic
                    )
                begin = partial(self._decision, journal, writing, lazily=True)
                remember = partial(_remember, journal)
                answer = together.write_together(mine, others, begin, remember)
        except Answered:
            answer = mine.answer
        if answer is None:
            raise DecideAgain("it is to be decided by itself")
        outcome, receipt = answer
        return [outcome], lambda _: cast(Receipt, receipt)

    def _try_to_write(
        self, appends: Sequence[Append], stop: bool, whole: bool, *, optimistic: bool
    ) -> _Written:
        journal = self._journal_to_write()
        with journal._recorder.writing(optimistic=optimistic) as writing:
            return self._decide_and_commit(
                journal, writing, appends, stop, whole, optimistic=optimistic
            )

    def _journal_to_write(self) -> Journal:
        """Who is at it when another thread closes the store may finish."""
        journal = self.journal
        if self._clock is _now:  # any other is its caller's responsibility
            journal._recorder.check_clock()
        return journal

    def _decision(
        self,
        journal: Journal,
        writing: Writing,
        appends: Sequence[Append],
        *,
        lazily: bool = False,
    ) -> Decision:
        from casestore.append import decision  # noqa: PLC0415  (not to read)

        return decision.Decision(
            writing,
            appends,
            codec=self._codec,
            vault=self._vault,
            now=self._clock(),
            cached=partial(_cached, journal),
            links=self._links,
            lazily=lazily,
        )

    def _decide_and_commit(
        self,
        journal: Journal,
        writing: Writing,
        appends: Sequence[Append],
        stop: bool = False,
        whole: bool = False,
        *,
        optimistic: bool,
    ) -> _Written:
        outcomes: list[Outcome] = []
        decision = self._decision(journal, writing, appends)
        for append in appends:
            try:
                outcomes.append(decision.decide(append))
            except CaseStoreError as refusal:
                # It may rest on what has changed: look again under the lock, or with the
                # key that is the right one now.
                if optimistic or (isinstance(refusal, KeyFileError) and self._was_rotated()):
                    raise DecideAgain from refusal
                outcomes.append(refusal)
                if whole:
                    return outcomes, lambda append: decision.receipt(append, ())
                if stop:
                    break
        for customer_id in decision.destroyed:
            writing.delete_key(customer_id)
        positions = writing.commit(decision.rows, decision.new_keys)
        _remember(journal, decision)
        return outcomes, lambda append: decision.receipt(append, positions)

    def _was_rotated(self) -> bool:
        """Whether the key-encryption key was replaced. If so, the vault takes the new one."""
        named = (self._recorder.meta() or {}).get("kek_id")
        if named == self._vault.current_kek:
            return False
        self._vault.turn_to(named)
        return True

    def _warm(self, append: Append) -> None:
        """Fold the streams that are not in the cache, so that the lock is not held for it."""
        for name, _ in append.batches if append.refusal is None else ():
            if _cached(self.journal, name) is None:
                self._present(name)

    # --- folding ---------------------------------------------------------------------------

    def _forget(self, appends: Sequence[Append]) -> None:
        cache = self.journal.repository.cache
        for append in appends:
            for name, _ in append.batches if append.refusal is None else ():
                with suppress(KeyError):
                    if cache is not None:
                        cache.get(name, evict=True)

    def _present(self, name: str) -> Stream | None:
        """A stream's present state, through eventsourcing's repository and its cache."""

        def project(known: Any, events: Iterable[Any]) -> Any:
            if known is None:
                with fewer_collections():
                    all_of_it: list[Recorded] = list(events)
                    return kinds.fold(name, all_of_it) if all_of_it else None
            new: list[Recorded] = list(events)
            if not any(isinstance(recorded.event, EventCorrected) for recorded in new):
                return kinds.advance(known, new)
            new = list(self._codec.recorded(self._recorder.stream_rows(name)))
            return kinds.fold(name, new) if new else None

        try:
            return cast(Stream, self.journal.repository.get(name, projector_func=project))
        except AggregateNotFoundError:
            return None

    # --- reading ---------------------------------------------------------------------------

    def case(
        self, case_id: str, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Case:
        """The state of a case: at present, as of a time, or as known at a time.

        Args:
            case_id: the case's id.
            as_of: use only the events that had happened by then.
            known_at: use only the events that were on record by then.

        Raises:
            StreamNotFound: there is no such case.
            InvalidStream: it is not the id of a case.
            ValueError: a time has no time zone.
            StoreUnavailable: the database does not answer.
        """
        name = kinds.named("case", case_id)
        state = self._state_at_present(name) if as_of is None and known_at is None else None
        if state is not None:
            return cast(Case, state)
        return self.case_in(self.history(name, as_of=as_of, known_at=known_at))

    def case_in(self, history: History) -> Case:
        """The state of a case from its history, folded in the order in which the events happened.

        Events of cases that are merged with it are not in it; only `merged_into` tells of them.
        """
        case = cast(Case, kinds.fold_history(history))
        if not any(isinstance(recorded.event, CaseMerged) for recorded in history):
            return case

        def other(case_id: str) -> History:
            rows = self._recorder.stream_rows(f"case:{case_id}")
            originals = list(self._codec.recorded(rows))
            return History(
                f"case:{case_id}",
                originals,
                as_of=history.as_of,
                known_at=history.known_at,
                until=history.until,
            )

        return replace(case, merged_into=merged_into(history, other))

    def customer(
        self, customer_id: str, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Customer:
        """The state of a customer: at present, as of a time, or as known at a time.

        Args:
            customer_id: the customer's id.
            as_of: use only the events that had happened by then.
            known_at: use only the events that were on record by then.

        Raises:
            StreamNotFound: there is no such customer.
            InvalidStream: it is not the id of a customer.
            ValueError: a time has no time zone.
            StoreUnavailable: the database does not answer.
        """
        name = kinds.named("customer", customer_id)
        state = self._state_at_present(name) if as_of is None and known_at is None else None
        if state is None:
            state = kinds.fold_history(self.history(name, as_of=as_of, known_at=known_at))
        return cast(Customer, state)

    def _state_at_present(self, name: str) -> State | None:
        """A stream's present state from the cache; None if its whole history must be folded.

        Raises StreamNotFound.
        """
        with database_answers(name):
            stream = self._present(name)
        if stream is None:
            raise _no_stream(name)
        return kinds.as_read(stream.state) if stream.plain else None

    def policies(self) -> Policies:
        """The policies that were adopted, in the order of adoption.

        Raises StoreUnavailable.
        """
        with database_answers("policy"):
            stream = self._present("policy")
        if stream is None:
            return Policies()
        state = stream.state if stream.plain else kinds.fold_history(self.history("policy"))
        return cast(Policies, state)

    def history(
        self,
        stream: str,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        at_version: int | None = None,
        reveal: bool = False,
    ) -> History:
        """A stream's events with corrections applied.

        Args:
            stream: case:<id>, customer:<id> or policy.
            as_of: only the events that had happened by then.
            known_at: only the events that were on record by then: the store up to the last event
                that was recorded by then. It decides which corrections apply.
            at_version: only the stream's events up to this version.
            reveal: read personal text too. This needs the key file.

        Raises:
            StreamNotFound: the stream has no events.
            InvalidStream: `stream` is not the name of a stream.
            ValueError: a time has no time zone, or a value is not a time or a number.
            KeyFileError: the key file is missing, or does not hold the right key.
            StoreUnavailable: the database does not answer.
            StoreDamaged: a stored event cannot be read.
        """
        kinds.parse(stream)
        at_version = None if at_version is None else _position("at_version", at_version)
        as_of, known_at = _utc(as_of), _utc(known_at)
        until = None if known_at is None else self._known_by(known_at)
        rows = self._recorder.stream_rows(stream, lte=at_version)
        known = rows or (at_version is not None and self._recorder.stream_rows(stream, limit=1))
        if not known:
            raise _no_stream(stream)
        with fewer_collections():
            originals = list(self._decode(rows, reveal))
            return History(stream, originals, as_of=as_of, known_at=known_at, until=until)

    def _known_by(self, known_at: datetime) -> int:
        """The last position that was on record by a time."""
        head = self._recorder.last_position()
        return self._recorder.last_position_by(to_microseconds(known_at), head)

    def read(
        self, after: int | Cursor = 0, *, until: int | None = None, reveal: bool = False
    ) -> Iterator[Recorded]:
        """Every event after a position as it was recorded, in position order.

        It ends after the last event; `follow` waits for new ones. Corrections are not applied: they
        come as events like any other.

        Args:
            after: the `cursor` of the last event that was read, or its position, or 0.
            until: the last position to read.
            reveal: read personal text too. This needs the key file.

        Raises:
            HistoryChanged: the event of `after` is not in the store; see `follow`.
            ValueError: `after` or `until` is not a position.
            KeyFileError: the key file is missing, or does not hold the right key.
            StoreUnavailable: the database does not answer.
            StoreDamaged: a stored event cannot be read.
        """
        until = None if until is None else _position("until", until)
        while True:
            rows, more = self._rows_after(after, until)
            yield from self._decode(rows, reveal)
            if not more:
                return
            after = cursor_of(rows[-1])

    def _rows_after(
        self, after: int | Cursor, until: int | None = None, *, gaps: bool = False
    ) -> tuple[list[PlainRow], bool]:
        """Some rows after a place, and whether there may be more; with `gaps` see `rows_or_gaps`.

        Raises HistoryChanged.
        """
        position = _position("after", after.position if isinstance(after, Cursor) else after)
        if until is not None and until <= position:
            return [], False
        marked = isinstance(after, Cursor)
        first = position - 1 if marked else position
        if gaps:  # what is at `position` may be one too, and then it is read alone
            rows = self._recorder.rows_or_gaps(first, 1) if marked else []
            rows += self._recorder.rows_or_gaps(position, _READ)
        else:
            rows = self._recorder.rows(first, _READ + marked, stop=until)
        more = is_full(rows, _READ + marked) or (len(rows) > marked and rows[-1][1] is None)
        if not marked and (rows or position <= self._recorder.last_given_position()):
            return rows, more
        if marked and rows and cursor_of(rows[0]) == after:
            if more and len(rows) == 1:  # it is so large that no other came with it
                return self._rows_after(position, until, gaps=gaps)
            return rows[1:], more
        raise HistoryChanged(
            f"the store does not hold the event that was read at position {position}: it was "
            "restored, or is another one; begin anew, at 0"
        )

    def _decode(self, rows: Sequence[Any], reveal: bool) -> Iterator[Recorded]:
        recorded = self._codec.recorded(rows)
        if reveal and any(row[5] is not None for row in rows):
            keys = self._keys_for(rows)
            return (self._revealed(*each, keys) for each in zip(recorded, rows, strict=True))
        return recorded

    def _keys_for(self, rows: Sequence[Any]) -> dict[str, KeyRow]:
        ids = {row[6] for row in rows if row[5] is not None and type(row[6]) is str}
        return self._recorder.keys_of(sorted(ids))

    def _revealed(self, recorded: Recorded, row: Any, keys: dict[str, KeyRow]) -> Recorded:
        if recorded.sealed is None:
            return recorded
        stream, version, topic = row[1:4]
        if type(recorded.customer_id) is not str or type(recorded.sealed) is not bytes:
            raise StoreDamaged(
                f"the words of {stream} version {version} are not as casestore writes"
            )
        key = keys.get(recorded.customer_id)
        fields = self._vault.reveal(recorded.sealed, key, stream, version, topic)
        if fields == "erased":
            return replace(recorded, privacy="erased")
        event = self._codec.reveal(topic, row[4], fields)
        return replace(recorded, event=event, privacy="revealed")

    def follow(
        self,
        after: int | Cursor = 0,
        *,
        reveal: bool = False,
        stop: StopSignal | None = None,
        on_poison: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Recorded]:
        """Every event after a position, and then each new event as any process records it.

        It does not end by itself: leave the loop, or set `stop`, which is noticed within a second.
        While the database does not answer, it waits, and writes a warning to the log "casestore".

        Args:
            after: the `cursor` of the last event that was processed, or its position, or 0. Only a
                cursor shows whether the store was restored to an earlier state.
            reveal: read personal text too. This needs the key file.
            stop: when it is set, the iteration ends.
            on_poison: what to do with an event that cannot be read, like one of a later release.
                "raise" raises StoreDamaged; "skip" leaves it out and writes a warning to the log.

        Raises:
            HistoryChanged: the event of `after` is not in the store. The store was restored to an
                earlier state, or is another one.
            StoreUnavailable: it goes on in a forked child: begin another one there.
            StoreDamaged: an event cannot be read, and `on_poison` is "raise".
            KeyFileError: the key file is missing, or does not hold the right key.
            StoreUnavailable: the store was closed.
            ValueError: `after` is not a position, or `on_poison` is neither of the two.
        """
        if on_poison not in ("raise", "skip"):
            raise ValueError(f'on_poison is "raise" or "skip", not {quoted(on_poison)}')
        outage, pid = Outage("following the store"), os.getpid()
        skip = on_poison == "skip"
        reading = self._recorder.listener.reading
        with self._recorder.changes() as changes:
            while stop is None or not stop.is_set():
                try:
                    with reading:
                        rows, more = self._rows_after(after, gaps=skip)
                        keys = self._keys_for(rows) if reveal else {}
                except StoreUnavailable as error:
                    if self.closed:
                        raise
                    outage.wait(error, stop)
                    continue
                outage.over()
                for row in rows:
                    try:
                        _check_row(row)
                        (recorded,) = self._codec.recorded([row])
                        if reveal:
                            recorded = self._revealed(recorded, row, keys)
                    except StoreDamaged as error:
                        if not skip:
                            raise
                        log.warning("the event at position %s is left out: %s", row[0], error)
                    else:
                        yield recorded
                        check_process(pid)
                    after = cursor_of(row)
                if not more:
                    changes.wait(LOOK_ANYWAY)
                    check_process(pid)

    def stream_of(self, event_id: UUID | str) -> str | None:
        """The name of the stream that an event is in; None if there is no such event."""
        try:
            uid = str(UUID(str(event_id)))
        except ValueError:
            return None
        return self._recorder.stream_of(uid)

    def streams(self, kind: str) -> Iterator[str]:
        """The names of all streams of a kind ("case", "customer" or "policy"), in id order.

        Raises:
            InvalidStream: it is not a kind of stream.
            StoreUnavailable: the database does not answer.
        """
        if kind not in ("case", "customer", "policy"):
            raise InvalidStream(f"{quoted(kind)} is no kind of stream; ask for case or customer")
        if kind == "policy":
            yield from ["policy"] if self._recorder.stream_rows("policy", limit=1) else []
            return
        after = ""
        while names := self._recorder.streams(f"{kind}:", after, _READ):
            yield from names
            after = names[-1]


def _check_row(row: Sequence[Any]) -> None:
    """Check what of a row is otherwise read only when it is asked for. Raises StoreDamaged."""
    if row[1] is None or not isinstance(row[8], int):
        raise StoreDamaged(f"what stands at position {row[0]} cannot be read")
    decode_metadata(row[9])


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise ValueError(f"{quoted(moment)} is not a time; give an aware datetime")  # noqa: TRY004
    if moment.utcoffset() is None:
        raise ValueError("the time has no time zone; give an aware datetime")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside the years 1 to 9999 in UTC") from None


def _position(what: str, given: int) -> int:
    """A position or a version within the numbers of a database. Raises ValueError."""
    if not isinstance(given, int):
        raise ValueError(f"{what} is a whole number, not {quoted(given)}")  # noqa: TRY004
    return min(max(given, 0), _LARGEST)


def _no_stream(name: str) -> StreamNotFound:
    error = StreamNotFound(f"there is no {name.replace(':', ' ', 1)!s} in this store; check the id")
    error.stream = name
    return error


def _cached(journal: Journal, name: str) -> Stream | None:
    cache = journal.repository.cache
    try:
        return None if cache is None else cast(Stream, cache.get(name))
    except KeyError:
        return None


def _remember(journal: Journal, decision: Decision) -> None:
    """Put the states after a commit into the cache: of a store that may be closed by now."""
    cache = journal.repository.cache
    for name, stream in decision.streams.items():
        if cache is not None and stream.version:
            cache.put(name, cast(Any, stream))
