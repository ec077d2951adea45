"""CaseStore: append what happened, and read it back.

Every append, one event or an imported batch, goes the same road (`CaseStore._write`): events
were validated when they were made; inside the write lock their streams are brought up to date,
each event is checked against the state before it, personal text is sealed, and the rows are
inserted. Nothing can come between a check and its insert, so there is no conflict to retry, other
than the one that the caller asked for with `expected_version`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha1
from importlib import import_module
from pathlib import Path
from threading import Event as StopSignal
from typing import Any, NamedTuple, Self, TypeVar, cast
from uuid import UUID, uuid4

import msgspec
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
)
from msgspec.structs import replace

from casestore import streams
from casestore.case import Case
from casestore.errors import (
    CaseStoreError,
    ConcurrencyConflict,
    CustomerErased,
    EventRefused,
    IdempotencyConflict,
    KeyFileError,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
    StreamNotFound,
)
from casestore.events import Actor, CaseOpened, CustomerRegistered, Event, EventCorrected
from casestore.history import (
    History,
    Metadata,
    Recorded,
    decode_metadata,
    encode_metadata,
    from_microseconds,
    to_microseconds,
)
from casestore.journal import Journal
from casestore.journal.recorder import (
    LOOK_ANYWAY,
    SCHEMA_VERSION,
    JournalRecorder,
    KeyRow,
    Row,
    Survey,
    Writing,
)
from casestore.journal.url import PostgresUrl, SQLiteUrl, parse_url, without_password
from casestore.streams import Stream
from casestore.structure import Facts
from casestore.vault import Vault, create_key_file, kek_id, key_file_for, nonces

T = TypeVar("T")
_NAMESPACE = UUID("5f0c3b1e-54d1-5d0a-9d3c-0a4b7f6e2c11")
"""Ours, for event ids made from keys."""
_NAMESPACE_BYTES = _NAMESPACE.bytes
_READ = 500
"""Rows to read at a time."""
SYSTEM = Actor(kind="system", id="casestore")
"""Who registers a customer that nobody has registered."""


class Receipt(msgspec.Struct, frozen=True):
    """What an append recorded, event by event."""

    versions: tuple[int, ...]
    positions: tuple[int, ...]
    uids: tuple[str, ...]

    @property
    def event_ids(self) -> tuple[UUID, ...]:
        """The events' ids."""
        return tuple(map(UUID, self.uids))

    @property
    def position(self) -> int:
        """The last position: what `follow(after=...)` takes."""
        return self.positions[-1]


class Retry(NamedTuple):
    """How to go on when the database does not answer, or a commit's acknowledgement is lost.

    Every append has its event ids before the first attempt, so a retry never appends twice.
    """

    attempts: int = 5
    wait: float = 0.1
    """Seconds before the second attempt; doubled each time."""


class Append(msgspec.Struct, kw_only=True):
    """One append, to be decided and inserted whole or not at all."""

    batches: Sequence[tuple[str, Sequence[Event]]]
    key: str | None = None
    expected_version: int | None = None
    event_ids: Sequence[str] = ()
    """As given; made from the key, or new, where there are none."""
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    imported: bool = False
    recorded_us: int | None = None
    """The time of recording in the store that this comes from, where that is trusted."""
    refusal: CaseStoreError | None = None
    """Why it cannot even be tried."""
    count: int | None = None
    """Of an imported line: how many events the append with its key had."""
    withheld: bool = False
    """Whether its personal text was withheld on export: it is not compared on a retry."""


Outcome = Receipt | CaseStoreError
_NO_OTHERS: dict[str, Any] = {}


def _now() -> datetime:
    return datetime.now(UTC)


def _event_id(stream: str, key: str, index: int) -> str:
    """The uuid5 of stream, key and index (RFC 9562), by hand: three times as fast."""
    # No part can hold a control character, so no two triples make the same name.
    name = f"{stream}\x1f{key}\x1f{index}".encode()
    text = sha1(_NAMESPACE_BYTES + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


class CaseStore:
    """An open store. Safe to share between threads; close it, or use it in a `with`."""

    def __init__(
        self,
        journal: Journal,
        meta: dict[str, str],
        vault: Vault,
        *,
        clock: Callable[[], datetime] = _now,
        new_id: Callable[[], UUID] = uuid4,
        retry: Retry = Retry(),  # noqa: B008  (a NamedTuple, immutable)
    ) -> None:
        """Use `open` or `create`."""
        self.journal = journal
        self.meta = meta
        self.vault = vault
        self._clock = clock
        self._new_id = new_id
        self._retry = retry
        self._codec = journal.codec

    # --- opening ---------------------------------------------------------------------------

    @classmethod
    def open(
        cls, url: str | None = None, *, key_file: Path | str | None = None, **injected: Any
    ) -> Self:
        """Open a store.

        Args:
            url: sqlite:///file.db or postgresql://…?schema=name; CASESTORE_URL if left out.
            key_file: CASESTORE_KEY_FILE, else `<file>.key` beside a SQLite store, if left out.
            injected: `clock`, `new_id` and `retry`, see the constructor.

        Raises:
            StoreNotFound: there is none at that place.
            StoreUnavailable: the database does not answer.
        """
        where = parse_url(url)
        shown = _shown(url, where)
        if not _backend(where).holds_store(where):
            raise _not_found(shown)
        journal = Journal(env={"CASESTORE_URL": url} if url else None)
        try:
            meta = _known_meta(_asking(journal.journal.meta, shown), shown)
        except BaseException:
            journal.close()
            raise
        file = key_file_for(where, key_file)
        vault = Vault(meta["store_id"], meta.get("kek_id"), file)
        return cls(journal, meta, vault, **injected)

    @classmethod
    def create(
        cls,
        url: str | None = None,
        *,
        sealed: bool = True,
        key_file: Path | str | None = None,
        **injected: Any,
    ) -> Self:
        """Make a new store and open it. A sealed one gets a key file, or uses the one there is.

        Raises StoreExists, KeyFileError, StoreUnavailable.
        """
        where = parse_url(url)
        meta = {
            "schema_version": str(SCHEMA_VERSION),
            "store_id": str(uuid4()),
            "created_at": _now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        file = key_file_for(where, key_file)
        if sealed and file is None:
            raise _no_key_file()
        _backend(where).make_place(where)
        if sealed and file is not None:
            meta["kek_id"] = kek_id(create_key_file(file)).hex()
        journal = Journal(env={"CASESTORE_URL": url} if url else None)
        try:
            shown = _shown(url, where)
            _asking(lambda: journal.journal.create_table(meta), shown)
        finally:
            journal.close()
        return cls.open(url, key_file=key_file, **injected)

    def close(self) -> None:
        """Give the connections back."""
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def recorder(self) -> JournalRecorder:
        """The table of events."""
        return self.journal.journal

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
            events: in the order in which they happened.
            key: makes the append idempotent: with the same key and events it gives the first
                receipt and appends nothing.
            expected_version: refuse unless the stream is at this version (0: no events yet).
            source: where the events come from, like the name of a service.
            correlation_id, causation_id: what ties them to other messages.

        Raises:
            EventRefused: structure does not allow it; see VOCABULARY in docs/events.md.
            IdempotencyConflict: the key was used for something else.
            ConcurrencyConflict: the stream is at another version than expected.
            InvalidStream, KeyFileError, CustomerErased, StoreUnavailable.
        """
        flat = [one for each in events for one in ([each] if isinstance(each, Event) else each)]
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
        """Append to several streams, all or nothing. As `append`, which see.

        `expected_version` is that of the first stream.
        """
        append = Append(
            batches=batches,
            key=key,
            expected_version=expected_version,
            source=source,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )
        (outcome,) = self.write([append])
        if isinstance(outcome, CaseStoreError):
            raise outcome
        return outcome

    def write(self, appends: Sequence[Append], *, stop: bool = False) -> list[Outcome]:
        """Write appends in one commit, each whole or not at all.

        Gives a receipt or the refusal for each, in order; with `stop`, nothing after the first
        refusal. Imports use it; services use `append` and `append_all`.
        """
        for append in appends:
            try:
                self._identify(append)
            except CaseStoreError as refusal:
                append.refusal = refusal
        wait = self._retry.wait
        for attempt in range(1, self._retry.attempts + 1):
            try:
                if len(appends) == 1 and appends[0].refusal is None:
                    self._warm(appends[0])
                # Several at once are an import, which had better have the lock for itself.
                if attempt == 1 and len(appends) == 1:
                    with suppress(IntegrityError):  # somebody was faster: start afresh
                        return self._write(appends, stop, hopeful=True)
                    self._forget(appends)
                return self._write(appends, stop, hopeful=False)
            except PersistenceError as error:
                passing = isinstance(error, (IntegrityError, OperationalError, InterfaceError))
                if attempt == self._retry.attempts or not passing:
                    raise StoreUnavailable(
                        f"the database did not take the append: {_brief(error)}; nothing is lost "
                        "by trying again, with the same key"
                    ) from error
                if isinstance(error, IntegrityError):  # somebody wrote past the lock
                    self._forget(appends)
            time.sleep(wait)
            wait *= 2
        raise AssertionError

    def _identify(self, append: Append) -> None:
        total = sum(len(events) for _, events in append.batches)
        if total == 0:
            raise EventRefused("there is no event to append; give at least one")
        for stream, _ in append.batches:
            streams.parse(stream)
        if append.event_ids:
            return
        if append.key is None:
            append.event_ids = [str(self._new_id()) for _ in range(total)]
            return
        _check_key(append.key)
        names = [stream for stream, events in append.batches for _ in events]
        key = append.key
        append.event_ids = [_event_id(stream, key, n) for n, stream in enumerate(names)]

    def _warm(self, append: Append) -> None:
        """Fold streams that are not at hand yet, before anybody has to wait for the lock."""
        for name, _ in append.batches:
            if self._cached(name) is None:
                self._present(name)

    def _write(self, appends: Sequence[Append], stop: bool, *, hopeful: bool) -> list[Outcome]:
        with self.recorder.writing(hopeful=hopeful) as writing:
            decision = _Decision(self, writing, appends)
            decided: list[Sequence[str] | CaseStoreError] = []
            for append in appends:
                try:
                    decided.append(decision.decide(append))
                except CaseStoreError as refusal:
                    if hopeful:  # it may rest on what has changed: look again under the lock
                        raise IntegrityError from refusal
                    decided.append(refusal)
                    if stop:
                        break
            positions = writing.commit(decision.rows, list(decision.new_keys.values()))
        given = {row.event_id: at for row, at in zip(decision.rows, positions, strict=True)}
        cache = self.journal.repository.cache
        for name in decision.changed:
            if cache is not None:
                cache.put(name, cast(Any, decision.streams[name]))
        return [
            each if isinstance(each, CaseStoreError) else _receipt(each, decision.found, given)
            for each in decided
        ]

    # --- folding ---------------------------------------------------------------------------

    def _cached(self, name: str) -> Stream | None:
        cache = self.journal.repository.cache
        try:
            return None if cache is None else cast(Stream, cache.get(name))
        except KeyError:
            return None

    def _forget(self, appends: Sequence[Append]) -> None:
        cache = self.journal.repository.cache
        for append in appends:
            for name, _ in append.batches:
                if cache is not None and self._cached(name) is not None:
                    cache.put(name, cast(Any, streams.empty(name)))

    def _present(self, name: str) -> Stream | None:
        """A stream's present state, through eventsourcing's repository and its cache."""

        def project(known: Any, events: Iterable[Any]) -> Any:
            new: list[Recorded] = list(events)
            if known is not None and not any(isinstance(r.event, EventCorrected) for r in new):
                return advance(known, new)
            if known is not None:
                new = list(self._codec.recorded(self.recorder.stream_rows(name)))
            return streams.fold(name, new) if new else None

        try:
            return cast(Stream, self.journal.repository.get(name, projector_func=project))
        except AggregateNotFoundError:
            return None

    # --- reading ---------------------------------------------------------------------------

    def case(
        self, case_id: str, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Case:
        """The state of a case: at present, as of a time, or as known at a time.

        Raises StreamNotFound.
        """
        name = f"case:{case_id}"
        streams.parse(name)
        if as_of is None and known_at is None:
            stream = _asking(lambda: self._present(name), name)
            if stream is None:
                raise _no_stream(name)
            return cast(Case, stream.state)
        return cast(Case, streams.fold_history(self.history(name, as_of=as_of, known_at=known_at)))

    def history(
        self,
        stream: str,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        at_version: int | None = None,
        reveal: bool = False,
    ) -> History:
        """A stream's events, corrections applied.

        Args:
            stream: case:<id>, customer:<id> or policy.
            as_of: only what had happened by then.
            known_at: only what was on record by then; it decides which corrections apply.
            at_version: only the stream's first so many events.
            reveal: read personal text too. Needs the key file.

        Raises:
            StreamNotFound: the stream has no events at all.
        """
        streams.parse(stream)
        with _answering(stream):
            rows = self.recorder.stream_rows(stream, lte=at_version)
            known = rows or (at_version is not None and self.recorder.stream_rows(stream, limit=1))
        if not known:
            raise _no_stream(stream)
        originals = list(self._decode(rows, reveal))
        return History(stream, originals, as_of=_utc(as_of), known_at=_utc(known_at))

    def read(
        self, after: int = 0, *, until: int | None = None, reveal: bool = False
    ) -> Iterator[Recorded]:
        """Every event as it was recorded, in position order, after a position.

        It ends with the last event there is (or with position `until`); `follow` goes on.
        Corrections are not applied: they are events like any other here.
        """
        while True:
            start = after
            rows = _asking(lambda: self.recorder.rows(start, _READ, stop=until), "the store")  # noqa: B023
            yield from self._decode(rows, reveal)
            if len(rows) < _READ:
                return
            after = rows[-1][0]

    def _decode(self, rows: Sequence[Any], reveal: bool) -> Iterator[Recorded]:
        recorded = self._codec.recorded(rows)
        if reveal and any(row[5] is not None for row in rows):
            keys = self._keys({row[6] for row in rows if row[5] is not None})
            return (self._revealed(*each, keys) for each in zip(recorded, rows, strict=True))
        return recorded

    def _keys(self, customers: set[str]) -> dict[str, KeyRow]:
        found: dict[str, KeyRow] = {}
        wanted = sorted(customers)
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            with _answering("the key table"):
                rows = self.recorder.fetch(
                    f"SELECT customer_id, key_id, wrapped FROM {self.recorder.keys_table} "
                    f"WHERE customer_id IN ({', '.join('?' * len(some))})",
                    some,
                )
            found |= {row[0]: KeyRow._make(row) for row in rows}
        return found

    def _revealed(self, recorded: Recorded, row: Any, keys: dict[str, KeyRow]) -> Recorded:
        if recorded.sealed is None:
            return recorded
        key = keys.get(recorded.customer_id or "")
        stream, version, topic = row[1:4]
        fields = self.vault.reveal(recorded.sealed, key, stream, version, topic)
        if fields == "erased":
            return replace(recorded, privacy="erased")
        event = self._codec.reveal(topic, row[4], fields)
        return replace(recorded, event=event, privacy="revealed")

    def follow(
        self, after: int = 0, *, reveal: bool = False, stop: StopSignal | None = None
    ) -> Iterator[Recorded]:
        """Every event after a position, and then each new one as it comes, from any process.

        It never ends by itself: leave the loop, or set `stop` (seen within a second).
        """
        with _answering("the store"), self.recorder.changes() as changes:
            while stop is None or not stop.is_set():
                for recorded in self.read(after, reveal=reveal):
                    yield recorded
                    after = cast(int, recorded.position)
                changes.wait(LOOK_ANYWAY)

    def streams(self, kind: str) -> Iterator[str]:
        """The names of all streams of a kind ("case", "customer" or "policy"), in id order."""
        with _answering("the store"):
            if kind == "policy":
                yield from ["policy"] if self.recorder.stream_rows("policy", limit=1) else []
                return
            after = ""
            while names := self.recorder.streams(f"{kind}:", after, _READ):
                yield from names
                after = names[-1]


def advance(stream: Stream, events: Iterable[Recorded]) -> Stream:
    """A stream after further events, none of them a correction."""
    for recorded in events:
        stream = stream.after(recorded.event, recorded.version)
    return stream


class _Decision:
    """What one commit will write, decided inside the lock."""

    def __init__(self, store: CaseStore, writing: Writing, appends: Sequence[Append]) -> None:
        self.store = store
        self.writing = writing
        self.codec = store._codec
        self.now = store._clock()
        self.streams: dict[str, Stream] = {}
        self.changed: set[str] = set()
        self.rows: list[Row] = []
        self.new_keys: dict[str, KeyRow] = {}
        self.recorded_us = 0
        self.imported = False
        self.nonces = nonces(min(len(appends), 1000))
        names = _names(appends)
        known = {n: stream for n in names if (stream := store._cached(n)) is not None}
        customers = _customers(appends, known) if store.vault.is_sealed else ()
        ids = [each for append in appends for each in append.event_ids]
        survey: Survey = writing.survey(names, ids, customers)
        self.found = dict(survey.found)
        self.keys: dict[str, KeyRow | None] = {each: survey.keys.get(each) for each in customers}
        self.last_us = survey.last_recorded_us
        for name in names:
            self.streams[name] = self._up_to_date(name, known.get(name), survey.heads.get(name, 0))

    def _up_to_date(self, name: str, known: Stream | None, head: int) -> Stream:
        if head == 0:
            return streams.empty(name)
        if known is None or known.version > head:
            return streams.fold(name, self.codec.recorded(self.writing.rows(name, 0)))
        if known.version == head:
            return known
        new = list(self.codec.recorded(self.writing.rows(name, known.version)))
        if any(isinstance(recorded.event, EventCorrected) for recorded in new):
            return streams.fold(name, self.codec.recorded(self.writing.rows(name, 0)))
        return advance(known, new)

    def decide(self, append: Append) -> Sequence[str]:
        """Check an append and add its rows. Gives its event ids. Raises CaseStoreError."""
        if append.refusal is not None:
            raise append.refusal
        if any(each in self.found for each in append.event_ids):
            self._same_again(append)
            return append.event_ids
        count, last_us = len(self.rows), self.last_us
        self.before: dict[str, Stream] = {}
        self.made: list[str] = []
        try:
            self._decide(append)
        except CaseStoreError:
            self.streams.update(self.before)
            self.last_us = last_us
            del self.rows[count:]
            for customer_id in self.made:
                del self.new_keys[customer_id]
            raise
        for row in self.rows[count:]:
            self.found[row.event_id] = row
            self.changed.add(row.stream)
        return append.event_ids

    def _decide(self, append: Append) -> None:
        first = append.batches[0][0]
        at = self.streams[first].version
        if append.expected_version is not None and append.expected_version != at:
            raise ConcurrencyConflict(
                f"{first} is at version {at}, not {append.expected_version}; reload it, decide "
                "again, and append again"
            )
        self.recorded_us = self._recording_time(append)
        self.imported = append.imported
        ids = iter(append.event_ids)
        count = append.count
        if count is None and append.key is not None:
            count = len(append.event_ids)
        said = Metadata(
            append.key,
            count,
            (),
            append.source,
            append.correlation_id,
            append.causation_id,
        )
        for stream, events in append.batches:
            for event in events:
                if isinstance(event, CaseOpened):
                    self._register(event)
                self._add(stream, event, next(ids), said)

    def _recording_time(self, append: Append) -> int:
        if append.recorded_us is None:
            self.last_us = max(self.last_us, to_microseconds(self.now))
        elif append.recorded_us < self.last_us:
            raise EventRefused(
                f"{append.batches[0][0]}: recorded_at {from_microseconds(append.recorded_us)} is "
                f"before the store's last ({from_microseconds(self.last_us)}); import in the "
                "order of the export, into an empty store"
            )
        else:
            self.last_us = append.recorded_us
        return self.last_us

    def _register(self, opened: CaseOpened) -> None:
        """Register a customer whom nobody has registered, or who was erased and returns."""
        name = f"customer:{opened.customer_id}"
        customer = self._stream(name).state
        if customer.registered:
            return
        key = f"registered:{customer.registrations + 1}"
        event = CustomerRegistered(occurred_at=opened.occurred_at, actor=SYSTEM)
        said = Metadata(key, 1)
        self._add(name, event, _event_id(name, key, 0), said)

    def _stream(self, name: str) -> Stream:
        """A stream's state as this commit will leave it."""
        if name not in self.streams:
            head = self.writing.survey([name], (), ()).heads.get(name, 0)
            self.streams[name] = self._up_to_date(name, self.store._cached(name), head)
        return self.streams[name]

    def _add(self, name: str, event: Event, uid: str, said: Metadata) -> None:
        stream = self._stream(name)
        originals = self._originals(name) if isinstance(event, EventCorrected) else None
        other = streams.related(event)
        facts = Facts(
            self.now,
            {other: self._stream(other).state} if other is not None else _NO_OTHERS,
            None if originals is None else History(name, originals),
            self.imported,
        )
        if refusal := streams.check(stream, event, facts):
            raise EventRefused(f"{name}: {type(event).__name__} is refused: {refusal}")
        topic, state = self.codec.encode(event)
        version = stream.version + 1
        customer_id = streams.customer_of(stream, event)
        self.before.setdefault(name, stream)
        if originals is None:
            self.streams[name] = stream.after(event, version)
        personal = self.codec.personal(event)
        part: bytes | None = None
        if personal:
            said = replace(said, personal=tuple(personal))
            key = self._key(cast(str, customer_id))
            nonce = next(self.nonces)
            part = self.store.vault.seal(personal, key, name, version, topic, nonce=nonce)
        metadata = encode_metadata(said)
        at = self.recorded_us
        row = Row(0, name, version, topic, state, part, customer_id, uid, at, metadata)
        self.rows.append(row)
        if originals is not None:
            self.streams[name] = streams.fold(name, [*originals, *self.codec.recorded([row])])

    def _originals(self, name: str) -> list[Recorded]:
        rows = [*self.writing.rows(name, 0), *(row for row in self.rows if row.stream == name)]
        return list(self.codec.recorded(rows))

    def _key(self, customer_id: str) -> KeyRow | None:
        """The customer's data key, made now if this is their first personal text."""
        if not self.store.vault.is_sealed:
            return None
        if customer_id not in self.keys:
            self.keys[customer_id] = self.writing.survey((), (), [customer_id]).keys.get(
                customer_id
            )
        if (key := self.keys[customer_id] or self.new_keys.get(customer_id)) is not None:
            return key
        if self._stream(f"customer:{customer_id}").state.erased:
            raise CustomerErased(
                f"customer {customer_id!r} was erased, so new words cannot be kept; register the "
                "customer again (CustomerRegistered), or leave the text out"
            )
        self.new_keys[customer_id] = self.store.vault.new_key(customer_id)
        self.made.append(customer_id)
        return self.new_keys[customer_id]

    def _same_again(self, append: Append) -> None:
        """Whether the events on record under these ids are the ones given. Raises if not."""
        events = [(stream, event) for stream, each in append.batches for event in each]
        rows = [self.found.get(each) for each in append.event_ids]
        what = f"key {append.key!r}" if append.key is not None else "the event id"
        first = append.batches[0][0]
        if None in rows or not _as_many(cast("list[Row]", rows), append):
            raise IdempotencyConflict(
                f"{first}: {what} was used before for another number of events; "
                "use a new key for new events"
            )
        for row, (stream, event) in zip(cast("list[Row]", rows), events, strict=True):
            if row.stream != stream or not self._same(row, event, append.withheld):
                raise IdempotencyConflict(
                    f"{stream}: {what} was used before for something else ({row.topic} in "
                    f"{row.stream}, version {row.version}); use a new key for new events"
                )

    def _same(self, row: Row, event: Event, withheld: bool) -> bool:
        topic, state = self.codec.encode(event)
        if row.topic != topic:  # stored under an older schema: compare what it means now
            if self.codec.encode(self.codec.decode(row.topic, row.state)) != (topic, state):
                return False
        elif row.state != state:
            return False
        personal = self.codec.personal(event)
        if row.personal is None or withheld:
            return not personal or withheld
        key = None
        if self.store.vault.is_sealed and row.customer_id is not None:
            key = self.keys.get(row.customer_id) or self.new_keys.get(row.customer_id)
            key = key or self.writing.survey((), (), [row.customer_id]).keys.get(row.customer_id)
        held = self.store.vault.reveal(row.personal, key, row.stream, row.version, row.topic)
        return held in ("erased", personal)


def _as_many(rows: list[Row], append: Append) -> bool:
    """Whether the append that wrote the rows had as many events as this one."""
    if append.imported or append.key is None:
        return True  # a line speaks for one event, whatever it was appended with
    return decode_metadata(rows[0].metadata).events == len(rows)


def _names(appends: Sequence[Append]) -> list[str]:
    """Every stream that a commit touches or asks about, once, in order."""
    names: dict[str, None] = {}
    for append in appends:
        if append.refusal is not None:
            continue
        for stream, events in append.batches:
            names[stream] = None
            for event in events:
                if (other := streams.related(event)) is not None:
                    names[other] = None
    return list(names)


def _customers(appends: Sequence[Append], known: dict[str, Stream]) -> list[str]:
    """The customers whose keys the commit may need, as far as is known before the lock."""
    found: dict[str, None] = {}
    for append in appends:
        if append.refusal is not None:
            continue
        for name, events in append.batches:
            stream = known.get(name) or streams.empty(name)
            for event in events:
                if (customer := streams.customer_of(stream, event)) is not None:
                    found[customer] = None
    return list(found)


def _receipt(ids: Sequence[str], found: dict[str, Row], given: dict[str, int]) -> Receipt:
    rows = [found[each] for each in ids]
    return Receipt(
        tuple([row.version for row in rows]),
        tuple([given.get(row.event_id) or row.position for row in rows]),
        tuple(ids),
    )


_KEY = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise EventRefused("a key must have 1 to 200 characters and no control characters")


def _utc(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.utcoffset() is None:
        raise ValueError("the time has no time zone; give an aware datetime")
    return moment


def _brief(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _asking(question: Callable[[], T], what: str) -> T:
    """Ask the database something; what it cannot answer is StoreUnavailable."""
    with _answering(what):
        try:
            return question()
        except IntegrityError as error:  # only a second `create` at the same moment
            raise StoreExists(f"there is a store at {what} already; use another place") from error


@contextmanager
def _answering(what: str) -> Iterator[None]:
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(f"{what}: the database does not answer: {_brief(error)}") from error


def _known_meta(meta: dict[str, str] | None, shown: str) -> dict[str, str]:
    if meta is None:
        raise _not_found(shown)
    if int(meta["schema_version"]) > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{shown} was made by a later version of casestore; upgrade to open it"
        )
    return meta


def _backend(where: SQLiteUrl | PostgresUrl) -> Any:
    """The module of the database that a URL names; psycopg is needed only for its own."""
    if isinstance(where, SQLiteUrl):
        return import_module("casestore.journal.sqlite")
    try:
        return import_module("casestore.journal.postgres")
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"PostgreSQL needs {error.name}, which is not here: pip install 'casestore[postgres]'"
        ) from None


def _shown(url: str | None, where: SQLiteUrl | PostgresUrl) -> str:
    """The place as it may be named in a message."""
    if isinstance(where, SQLiteUrl):
        return f"sqlite:///{where.path}"
    return without_password(url or where.conninfo)


def _not_found(shown: str) -> StoreNotFound:
    return StoreNotFound(f"there is no store at {shown}; make one with `casestore init`")


def _no_stream(name: str) -> StreamNotFound:
    return StreamNotFound(f"there is no {name.replace(':', ' ', 1)!s} in this store; check the id")


def _no_key_file() -> KeyFileError:
    return KeyFileError(
        "a sealed store on PostgreSQL needs a key file: name a place for it in "
        "CASESTORE_KEY_FILE, or make the store with --unsealed"
    )
