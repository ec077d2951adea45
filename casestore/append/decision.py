"""Deciding what a commit will write.

This happens under the write lock, or before it; then the commit compares under the lock what the
decision rests on. The streams of an append are brought up to date, each event is checked against
the state before it, personal text is sealed, and rows are made. A refusal leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast
from weakref import proxy

from casestore.append.emptied import Customers, check_none_is_in, is_empty
from casestore.append.families import CaseLinks, Families
from casestore.append.form import check_ids, check_plain, check_sizes
from casestore.append.given import given_to
from casestore.append.repeated import on_record
from casestore.append.request import ENDS_PROMISE, Append, Receipt, event_id
from casestore.append.same_person import same_as
from casestore.errors import (
    CaseStoreError,
    ConcurrencyConflict,
    CustomerErased,
    EventRefused,
    IdempotencyConflict,
)
from casestore.events import (
    CaseMerged,
    CaseOpened,
    CustomerMerged,
    CustomerRegistered,
    ErasureRequested,
    Event,
    EventCorrected,
    GestureGiven,
    HoldPlaced,
    PersonalDataErased,
)
from casestore.events.markers import as_named, cases_named
from casestore.journal.clocks import FAR_US, recording_time
from casestore.journal.recorder import DecideAgain, Survey, Writing
from casestore.journal.rows import KeyRow, Row
from casestore.keys.vault import UNSEALED, Vault, drawn_salts
from casestore.policy.authority import GoodwillLimits
from casestore.streams import kinds
from casestore.streams.case import Case
from casestore.streams.checks import AHEAD, Context
from casestore.streams.codec import Codec
from casestore.streams.customer import STORE
from casestore.streams.history import (
    History,
    Metadata,
    Recorded,
    encode_metadata,
    from_microseconds,
    to_microseconds,
)
from casestore.streams.kinds import Stream
from casestore.system.once import once

_NO_OTHERS: dict[str, Any] = {}
_ABOUT_WORDS = (ErasureRequested, PersonalDataErased, HoldPlaced)
"""Events on a customer that are about what is on record of them, were it all voided."""
_REGISTER = frozenset({CaseOpened, *_ABOUT_WORDS})
"""Events before which the store may have to register the customer."""
_ASK_FURTHER = frozenset({CaseOpened, CaseMerged, CustomerMerged, GestureGiven, *ENDS_PROMISE})
"""Events whose check needs more than their stream, and the cases that they name."""


class Decision:
    """What one commit will write.

    Args:
        writing: the transaction. What it reads is still true at the commit.
        appends: the appends, each to be written whole or not at all.
        codec: the store's codec.
        vault: the store's vault.
        now: the present time by the store's clock.
        cached: gives a stream's state that this process remembers; None if it remembers none.
        links: the merges of cases that this process remembers.
        lazily: read a stream only when an append on it is decided, so that what is wrong with it is
            wrong for that append alone.
    """

    def __init__(
        self,
        writing: Writing,
        appends: Sequence[Append],
        *,
        codec: Codec,
        vault: Vault,
        now: datetime,
        cached: Callable[[str], Stream | None],
        links: CaseLinks,
        lazily: bool = False,
    ) -> None:
        self.writing = writing
        self.codec = codec
        self.vault = vault
        self.now, self.now_us = now, to_microseconds(now)
        self.cached = cached
        self.links = links
        self.streams: dict[str, Stream] = {}
        self.rows: list[Row] = []
        self.noted: dict[str, list[Row]] = {
            "CaseMerged": [],
            "CaseOpened": [],
            "CustomerMerged": [],
        }
        """The rows of some topics, which are among `rows`."""
        self.recorded_us = 0
        self.imported = self.trusted = self.remembered = False
        self.salts = drawn_salts(min(len(appends), 1000))
        tried = [append for append in appends if append.refusal is None]
        names, self.corrected = _names(tried)
        known = {n: stream for n in names if (stream := cached(n)) is not None}
        customers = _customers(tried, known) if vault.is_sealed else ()
        ids = [each for append in tried for each in (*append.event_ids, *append.older_ids)]
        survey: Survey = writing.survey(list(names), ids, customers)
        self.found = dict(survey.found)
        self.stored_keys = {each: survey.keys.get(each) for each in customers}
        self.keys = dict(self.stored_keys)
        self.last_us = survey.last_recorded_us
        self.heads = {name: survey.heads.get(name, 0) for name in names}
        for name in () if lazily else names:
            if name not in self.corrected:  # that are read when they are corrected
                self.streams[name] = self._up_to_date(name, known.get(name), self.heads[name])

    @once
    def families(self) -> Families:
        """The families of cases, with what this commit adds."""
        # A weak reference, so that no reference cycle keeps `writing` alive. If a signal handler
        # raises at a bad moment, `writing` ends its transaction only when it is collected.
        itself = proxy(self)
        return Families(
            self.writing,
            self.rows,
            self.noted["CaseMerged"],
            links=self.links,
            codec=self.codec,
            case=lambda case_id: cast(Case, itself._stream(f"case:{case_id}").state),
        )

    @once
    def customers(self) -> Customers:
        """What is on record of customers besides their own streams, with what this commit adds."""
        itself = proxy(self)
        return Customers(
            self.writing,
            self.noted,
            codec=self.codec,
            stream=lambda name: itself._stream(name),  # noqa: PLW0108  (a method would be strong)
            corrected=[
                each.removeprefix("customer:")
                for each in self.corrected
                if each.startswith("customer:")
            ],
        )

    def _up_to_date(self, name: str, known: Stream | None, head: int) -> Stream:
        if head == 0:
            return kinds.empty(name)
        if known is None or known.version > head:
            self._check_may_read(name)
            return kinds.fold(name, self.codec.recorded(self.writing.rows(name, 0)))
        if known.version == head:
            return known
        new = list(self.codec.recorded(self.writing.rows(name, known.version)))
        if any(isinstance(recorded.event, EventCorrected) for recorded in new):
            self._check_may_read(name)
            return kinds.fold(name, self.codec.recorded(self.writing.rows(name, 0)))
        return kinds.advance(known, new)

    def _check_may_read(self, name: str) -> None:
        if self.remembered:
            raise DecideAgain(f"{name} is not in memory: read it before taking the lock")

    def decide(self, append: Append, *, remembered: bool = False) -> bool:
        """Check an append, and add its rows if it is new. Returns whether it is.

        Args:
            append: the append.
            remembered: read no whole stream that this process does not remember.

        Raises:
            CaseStoreError: the append is refused, and nothing of it was added.
            DecideAgain: a stream must be read for it, and nothing of it was added.
        """
        self.remembered = remembered
        if append.refusal is not None:
            raise append.refusal
        known = self.found.keys()
        if not (known.isdisjoint(append.event_ids) and known.isdisjoint(append.older_ids)):
            self._check_repetition(append)
            return False
        count, last_us = len(self.rows), self.last_us
        self.before: dict[str, Stream] = {}
        self.keys_before: dict[str, KeyRow | None] = {}
        try:
            self._decide(append)
            rows = self.rows[count:]
            if not append.trusted:
                check_sizes(rows)
        except (CaseStoreError, DecideAgain):
            self.streams.update(self.before)
            self.keys.update(self.keys_before)
            self.last_us = last_us
            for row in self.rows[count:]:
                if row.topic in self.noted:
                    self.noted[row.topic].pop()
            del self.rows[count:]
            raise
        for row in rows:
            self.found[row.event_id] = row
        return True

    @property
    def new_keys(self) -> list[KeyRow]:
        """The data keys that the commit adds."""
        stored = self.stored_keys
        return [k for who, k in self.keys.items() if k is not None and k is not stored[who]]

    @property
    def destroyed(self) -> list[str]:
        """The customers whose data keys the commit destroys."""
        return [who for who, k in self.stored_keys.items() if k is not None and k != self.keys[who]]

    def receipt(self, append: Append, positions: Sequence[int]) -> Receipt:
        """The receipt for an append.

        Args:
            append: one for which `decide` raised no error.
            positions: the positions that the commit gave to the rows, in their order.
        """
        rows = [self.found[each] for each in append.event_ids]
        given = dict(zip([row.event_id for row in self.rows], positions, strict=True))
        return Receipt(
            tuple([row.version for row in rows]),
            tuple([given.get(row.event_id) or row.position for row in rows]),
            tuple(append.event_ids),
        )

    def _decide(self, append: Append) -> None:
        if append.expected_version is not None:
            first = append.batches[0][0]
            if append.expected_version != (at := self._stream(first).version):
                raise ConcurrencyConflict(
                    f"{first} is at version {at}, not {append.expected_version}; reload it, decide "
                    "again, and append again"
                )
        if not append.imported:  # what is on record elsewhere can be moved here as it is
            for name, text in append.said():
                check_plain(name, text)
        append.registered = 0
        self.recorded_us = self._recording_time(append)
        self.imported = append.imported
        self.trusted = append.trusted
        ids = iter(append.event_ids)
        count = append.count
        if count is None and append.key is not None:
            count = len(append.event_ids)
        said = Metadata(
            None,
            append.key,
            count,
            (),
            append.source,
            append.correlation_id,
            append.causation_id,
        )
        for stream, events in append.batches:
            corrections: list[EventCorrected] = []
            for event in events:
                if isinstance(event, EventCorrected):
                    corrections.append(event)
                    continue
                if corrections:
                    append.registered += self._correct(stream, corrections, ids, said)
                    corrections = []
                if type(event) in _REGISTER:
                    append.registered += self._register_for(stream, event)
                self._add(stream, event, next(ids), said)
            if corrections:
                append.registered += self._correct(stream, corrections, ids, said)

    def _recording_time(self, append: Append) -> int:
        now, at = self.now_us, append.recorded_us
        if at is None:
            self.last_us = recording_time(now, self.last_us)
        elif at > now + FAR_US:
            raise EventRefused(
                f"{append.batches[0][0]}: recorded_at {from_microseconds(at)} is ahead of now: a "
                "clock was wrong; move the store with `casestore copy` or `restore`, or correct "
                "the line"
            )
        elif at < self.last_us <= now + FAR_US:
            raise EventRefused(
                f"{append.batches[0][0]}: recorded_at {from_microseconds(at)} is "
                f"before the store's last ({from_microseconds(self.last_us)}); import in the "
                "order of the export, into an empty store, or move the store with `casestore copy`"
            )
        else:
            self.last_us = at
        return self.last_us

    def _register_for(self, name: str, event: Event) -> bool:
        """Register the customer whom an event is about, where they have to be. Whether it did.

        So it is for a new case of a customer who is not registered, or was erased since; and for an
        erasure or a hold where the registration was voided.
        """
        if isinstance(event, CaseOpened):
            if self._stream(f"customer:{event.customer_id}").state.registered:
                return False
            return self._register(event.customer_id, event.occurred_at)
        stream = self._stream(name)
        if not (stream.version and is_empty(stream)):
            return False
        return self._register(stream.state.customer_id, event.occurred_at)

    def _register(self, customer_id: str, at: datetime) -> bool:
        """Register a customer, as the store does by itself."""
        name = f"customer:{customer_id}"
        # The version makes the key unique, even if earlier registrations were voided.
        key = f"registered:{self._stream(name).version + 1}"
        event = CustomerRegistered(occurred_at=at, actor=STORE)
        self._add(name, event, event_id(name, key, 0), Metadata(None, key, 1))
        return True

    def _stream(self, name: str) -> Stream:
        """A stream's state after the events that this commit adds so far."""
        if name not in self.streams:
            head = self.heads.get(name)
            if head is None:
                head = self.writing.survey([name], (), ()).heads.get(name, 0)
            self.streams[name] = self._up_to_date(name, self.cached(name), head)
        return self.streams[name]

    def _add(self, name: str, event: Event, uid: str, said: Metadata) -> None:
        """Check an event that is no correction, and add its row."""
        stream = self._stream(name)
        named = cases_named(event) if isinstance(stream.state, Case) else []
        if named:
            event = _plainly_named(stream.state, event)
        self._check(stream, event, self._context(stream, event, named))
        version = stream.version + 1
        if isinstance(event, PersonalDataErased):
            self._erase(name, stream.state.customer_id)
        self.before.setdefault(name, stream)
        self.streams[name] = stream.after(event, version)
        row = self._put(stream, version, event, uid, said)
        if row.topic in self.noted:
            self.noted[row.topic].append(row)

    def _check(self, stream: Stream, event: Event, context: Context) -> None:
        if refusal := kinds.check(stream, event, context):
            raise EventRefused(f"{stream.id}: {type(event).__name__} is refused: {refusal}")

    def _put(self, stream: Stream, version: int, event: Event, uid: str, said: Metadata) -> Row:
        """Seal an event's personal text, and add its row."""
        name = stream.id
        topic, state = self.codec.encode(event)
        if not (self.trusted or (state.isascii() and name.isascii())):
            check_ids(name, version - 1, event)
        customer_id = kinds.customer_of(stream, event)
        personal = self.codec.personal(event)
        part: bytes | None = None
        salt, own_salt = next(self.salts)
        if personal:
            key = self.keys.get(customer_id or "") or self._key(cast(str, customer_id))
            part = self.vault.seal(personal, key, name, version, topic, salt=salt)
        metadata = encode_metadata(
            Metadata(
                own_salt,
                said.key,
                said.events,
                tuple(personal),
                said.source,
                said.correlation_id,
                said.causation_id,
            )
        )
        at = self.recorded_us
        row = Row(0, name, version, topic, state, part, customer_id, uid, at, metadata)
        self.rows.append(row)
        return row

    def _correct(
        self, name: str, corrections: Sequence[EventCorrected], uids: Iterator[str], said: Metadata
    ) -> bool:
        """Check corrections that follow one another on a stream, and add their rows.

        The stream is read only once for all of them. Returns whether the store registered the
        customer because of them.
        """
        recorded = self._originals(name)
        if name not in self.streams:
            self.streams[name] = kinds.fold(name, recorded)
        stream = self.streams[name]
        self.before.setdefault(name, stream)
        history = History(name, recorded)
        left = _uids(history)
        for event in corrections:
            voids_last = event.kind == "voided" and left[-1:] == [str(event.event_id)]
            if not voids_last and len(history.originals) < len(recorded):
                history = History(name, recorded)
            context = Context(
                self.now,
                related=_NO_OTHERS,
                history=history,
                voids_last=voids_last,
                imported=self.imported,
            )
            self._check(stream, event, context)
            row = self._put(stream, recorded[-1].version + 1, event, next(uids), said)
            recorded += self.codec.recorded([row])
            if voids_last:
                left.pop()
            else:
                left = _uids(History(name, recorded))
        self.streams[name] = kinds.fold(name, recorded)
        return is_empty(self.streams[name]) and self._after_all_is_voided(self.streams[name])

    def _after_all_is_voided(self, emptied: Stream) -> bool:
        """Whether the store registered a customer again, as a case of theirs is left.

        Raises EventRefused where others are merged into the case or the customer.
        """
        state = emptied.state
        if isinstance(state, Case):
            check_none_is_in(emptied, self.families.members(state).keys())
            return False
        check_none_is_in(emptied, set(self.customers.merged_into(state.customer_id)))
        at = self.customers.first_opened(state.customer_id)
        return at is not None and self._register(state.customer_id, at)

    def _context(
        self,
        stream: Stream,
        event: Event,
        named: Sequence[str],
    ) -> Context:
        """What the check of an event that is no correction needs to know.

        Args:
            stream: the stream to which the event is to be added.
            event: the event to be checked.
            named: the ids of the cases that it may refer to.
        """
        if not named and type(event) not in _ASK_FURTHER:
            return Context(self.now, _NO_OTHERS, imported=self.imported, family=_NO_OTHERS)
        other, case = kinds.related(event), stream.state
        ends_promise = isinstance(event, ENDS_PROMISE) and isinstance(case, Case)
        return Context(
            self.now,
            related={other: self._stream(other).state} if other is not None else _NO_OTHERS,
            imported=self.imported,
            family=self.families.named(case, named) if named else _NO_OTHERS,
            whole=self._whole(case) if ends_promise else None,
            goodwill=self._limits(stream, event) if isinstance(event, GestureGiven) else None,
        )

    def _whole(self, case: Case) -> Case | None:
        """A case and all cases merged with it as one case; None if nothing is merged with it."""
        members = self.families.members(case)
        return self.families.as_one(case, members) if len(members) > 1 else None

    def _limits(self, stream: Stream, event: GestureGiven) -> GoodwillLimits | None:
        """The limits that a gesture must keep.

        None if the policy in force refuses nothing, or if the gesture is not live: it is imported,
        or it did not happen within five minutes of now.
        """
        case = stream.state
        if not isinstance(case, Case) or case.customer_id is None:
            return None
        if self.imported or abs(event.occurred_at - self.now) > AHEAD:
            return None
        policy = self._stream("policy").state.at(event.occurred_at)
        if policy.goodwill.enforcement != "refuse":
            return None
        customers = [case.customer_id, *self._same_person(case.customer_id)]
        rows = [
            *self.writing.gestures_to(customers),
            *(r for r in self.rows if r.topic == "GestureGiven" and r.customer_id in customers),
        ]
        cases = [cast(Case, self._stream(name).state) for name in {row.stream for row in rows}]
        given = given_to(customers, [case, *cases], self.families)
        return GoodwillLimits(policy, tuple(given), self.families.root(case))

    def _erase(self, name: str, customer_id: str) -> None:
        """Destroy a customer's data key in the same commit as the event. Raises EventRefused."""
        if not self.vault.is_sealed:
            raise EventRefused(f"{name}: PersonalDataErased is refused: {UNSEALED}")
        for each in self._same_person(customer_id):
            if holds := self._stream(f"customer:{each}").state.holds:
                raise EventRefused(
                    f"{name}: PersonalDataErased is refused: a legal hold stands "
                    f"({', '.join(sorted(holds))}) on customer {each!r}, who is the same person; "
                    "release it first"
                )
        if self._present_key(customer_id) is not None:
            self._set_key(customer_id, None)

    def _same_person(self, customer_id: str) -> list[str]:
        merges = self.customers.merges()
        if not merges:
            return []
        found = same_as(
            customer_id, merges, self.codec, lambda name: History(name, self._originals(name))
        )
        return [each for each in found if each != customer_id]

    def _originals(self, name: str) -> list[Recorded]:
        rows = self.writing.rows(name, 0)
        stream = self.streams.get(name)
        if stream is not None and stream.version > (rows[-1].version if rows else 0):
            rows += [row for row in self.rows if row.stream == name]
        return list(self.codec.recorded(rows))

    def _key(self, customer_id: str) -> KeyRow | None:
        """The customer's data key; a new one for their first personal text. None if not sealed.

        Raises CustomerErased.
        """
        if not self.vault.is_sealed:
            return None
        if (key := self._present_key(customer_id)) is not None:
            return key
        if self._stream(f"customer:{customer_id}").state.erased:
            raise CustomerErased(
                f"customer {customer_id!r} was erased, so new words cannot be kept; register the "
                "customer again (CustomerRegistered), or leave the text out"
            )
        return self._set_key(customer_id, self.vault.new_key(customer_id))

    def _present_key(self, customer_id: str) -> KeyRow | None:
        """The customer's data key after the events that this commit adds so far."""
        if customer_id not in self.keys:
            stored = self.writing.survey((), (), [customer_id]).keys.get(customer_id)
            self.keys[customer_id] = self.stored_keys[customer_id] = stored
        return self.keys[customer_id]

    def _set_key(self, customer_id: str, key: KeyRow | None) -> KeyRow | None:
        self.keys_before.setdefault(customer_id, self.keys[customer_id])
        self.keys[customer_id] = key
        return key

    def _check_repetition(self, append: Append) -> None:
        """Check that the events on record under an append's ids are the same as its events.

        Raises IdempotencyConflict if they are not.
        """
        events = [(stream, event) for stream, each in append.batches for event in each]
        rows = on_record(append, self.found)
        what = f"key {append.key!r}" if append.key is not None else "the event id"
        if rows is None:
            raise IdempotencyConflict(
                f"{append.batches[0][0]}: {what} was used before for another number of events, or "
                "other streams; use a new key for new events"
            )
        for row, (stream, event) in zip(rows, events, strict=True):
            if row.stream != stream or not self._same(row, event, append.withheld):
                raise IdempotencyConflict(
                    f"{stream}: {what} was used before for something else ({row.topic} in "
                    f"{row.stream}, version {row.version}); use a new key for new events"
                )
        append.event_ids = [row.event_id for row in rows]

    def _same(self, row: Row, event: Event, withheld: bool) -> bool:
        case = self._stream(row.stream).state
        given = [event]
        if isinstance(case, Case) and cases_named(event):
            given.append(_plainly_named(case, event))
        return any(self._matches(row, each, withheld) for each in given)

    def _matches(self, row: Row, event: Event, withheld: bool) -> bool:
        topic, state = self.codec.encode(event)
        if row.topic != topic:  # stored under an older schema: compare it after the upcast
            if self.codec.encode(self.codec.decode(row.topic, row.state)) != (topic, state):
                return False
        elif row.state != state:
            return False
        personal = self.codec.personal(event)
        if row.personal is None or withheld:
            return not personal or withheld
        key = None
        if self.vault.is_sealed and row.customer_id is not None:
            key = self._present_key(row.customer_id)
        held = self.vault.reveal(row.personal, key, row.stream, row.version, row.topic)
        return held in ("erased", personal)


def _uids(history: History) -> list[str]:
    """The ids of the effective events that are no corrections."""
    return [each.uid for each in history if not isinstance(each.event, EventCorrected)]


def _plainly_named(case: Case, event: Event) -> Event:
    """An event whose references to its own case are plain ids: "id" in place of "case_id/id"."""

    def has(case_id: str, kind: str, name: str) -> bool:
        return case_id == case.case_id and name in case.ids.get(kind, ())

    return as_named(event, case.case_id, case.case_id, has)


def _names(appends: Sequence[Append]) -> tuple[dict[str, None], set[str]]:
    """The names of the streams that a commit writes or reads, each once, in order; and of those
    that begin with a correction."""
    names: dict[str, None] = {}
    corrected: set[str] = set()
    for append in appends:
        for stream, events in append.batches:
            if stream not in names and isinstance(events[0], EventCorrected):
                corrected.add(stream)
            names[stream] = None
            for event in events:
                if (other := kinds.related(event)) is not None:
                    names[other] = None
    return names, corrected


def _customers(appends: Sequence[Append], known: dict[str, Stream]) -> list[str]:
    """The customers whose data keys the commit may need, as far as remembered states tell."""
    found: dict[str, None] = {}
    for append in appends:
        for name, events in append.batches:
            stream = known.get(name)
            for event in events:
                if isinstance(event, CaseOpened):
                    found[event.customer_id] = None
                elif stream is not None and (who := kinds.customer_of(stream, event)):
                    found[who] = None
    return list(found)
