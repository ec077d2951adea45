"""Erasing a customer's personal text ("words"), and keeping a record of who was erased.

The erasure itself is one commit: whenever a PersonalDataErased is appended,
`casestore.append.decision` destroys the customer's data key in the same commit. Two steps follow
it: the bytes of the key are scrubbed from the database's files, and the erasure is added to a list
beside the key file. A process may die between these steps, so `finish` can do them at any later
time. The list is for a database that is restored from an older backup: `reapply` reads it, and
erases those customers again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, NamedTuple, cast

from casestore.append.request import Append
from casestore.append.same_person import same_as
from casestore.errors import CaseStoreError, ConcurrencyConflict, KeyFileError, StreamNotFound
from casestore.events import Actor, PersonalDataErased
from casestore.journal.answering import database_answers
from casestore.journal.rows import Row
from casestore.keys.key_file import destroy_replaced
from casestore.privacy.erasure_list import ErasureRecord, Proofs, listed, note, sealed_erasures
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.customer import STORE, Customer
from casestore.streams.history import Recorded, decode_metadata

_READ = 500
NOT_PROVEN = (
    "nothing proves that this erasure is of this store: the key file did not make the line's proof "
    "(or is not at hand); if you know where the line is from, `casestore privacy reapply "
    "--unproven` takes it"
)


class Words(NamedTuple):
    """Personal text of a customer that can still be read, and that an erasure would destroy."""

    customer_id: str
    stream: str
    type: str
    """The name of an event type."""
    field: str
    """The name of a Personal field of that type."""
    events: int
    """The number of events of the stream and type that have text in the field."""


class Erasure(NamedTuple):
    """The result of `erase`."""

    customer_id: str
    now: bool
    """Whether it was done now. False: the customer was erased already."""
    noted: ErasureRecord
    """The customer's last erasure."""
    same_person: tuple[str, ...]
    """Other ids of the same person, by merges. Each has its own data key, and was not erased."""
    left: tuple[str, ...]
    """What could not be done yet, and why: see `finish`."""


Outcome = Literal["erased again", "on record", "unknown here", "another store", "refused"]
"""What `reapply` did with a line. "on record": the database knows of the erasure already; "unknown
here": it has no such customer."""


class Reapplied(NamedTuple):
    """The result of `reapply` for one line."""

    customer_id: str
    """Empty where the line cannot be read."""
    erased_at: datetime | None
    """When the customer was erased first; None where the line cannot be read."""
    outcome: Outcome
    why: str = ""
    """Why it was refused."""


# --- questions ---------------------------------------------------------------------------------


def readable(store: CaseStore, customer_id: str) -> list[Words]:
    """The personal text of a customer that can still be read. It is counted, and not read."""
    rows = store._recorder.readable_parts(customer_id)
    words: list[Words] = []
    for (stream, topic), group in groupby(rows, key=lambda row: row[:2]):
        counts: dict[str, int] = {}
        for *_, metadata in group:
            for field in decode_metadata(metadata).personal:
                counts[field] = counts.get(field, 0) + 1
        name = topic.partition("@")[0]
        words += [Words(customer_id, stream, name, *count) for count in sorted(counts.items())]
    return words


def same_person(store: CaseStore, customer_id: str) -> list[str]:
    """The other ids of the same person, by the merges that are in force now."""
    merges = list(map(Row._make, store._recorder.merges("CustomerMerged")))
    ids = same_as(customer_id, merges, store._codec, store.history) if merges else []
    return [other_id for other_id in ids if other_id != customer_id]


def holds(store: CaseStore, customer_id: str) -> dict[str, list[str]]:
    """The ids of the legal holds on a customer, by the customer id that each was placed on.

    The other ids of the same person count too. Raises StreamNotFound, InvalidStream.
    """
    ids = [customer_id, *same_person(store, customer_id)]
    hold_ids = {one_id: sorted(store.customer(one_id).holds) for one_id in ids}
    return {one_id: placed for one_id, placed in hold_ids.items() if placed}


def erasures(store: CaseStore, customer_id: str | None = None) -> Iterator[ErasureRecord]:
    """Every erasure in the store, or those of one customer, in the order of recording.

    Raises StreamNotFound where there is no such customer.
    """
    if customer_id is None:
        events = store._codec.recorded(_rows(store, "PersonalDataErased"))
    else:
        events = iter(store.history(f"customer:{customer_id}").originals)
    for recorded in events:
        if isinstance(recorded.event, PersonalDataErased):
            yield _record_of(store, recorded)


def lost(store: CaseStore) -> int:
    """How many erasures were sealed, and are neither on record nor in the list.

    So it is where an older database was put back, and lines were taken out of the list. Erasures of
    others that came since may make up for it. Raises OSError where the list cannot be read.
    """
    if not (sealed := sealed_erasures(store)):
        return 0
    known = {record.event_id for record in (*erasures(store), *listed(store))}
    return max(0, sealed - len(known))


def requests(store: CaseStore) -> list[Recorded]:
    """The open requests for erasure: of each customer the first that no erasure followed."""
    first: dict[str | None, Recorded] = {}
    rows = _rows(store, "ErasureRequested", "PersonalDataErased")
    for recorded in store._codec.recorded(rows):
        if isinstance(recorded.event, PersonalDataErased):
            first.pop(recorded.customer_id, None)
        else:
            first.setdefault(recorded.customer_id, recorded)
    return list(first.values())


def _rows(store: CaseStore, *topics: str) -> Iterator[Row]:
    after = 0
    while rows := store._recorder.rows(after, _READ, topics=topics):
        yield from map(Row._make, rows)
        after = rows[-1][0]


def _record_of(store: CaseStore, recorded: Recorded) -> ErasureRecord:
    return ErasureRecord(
        store_id=store.meta["store_id"],
        customer_id=recorded.stream.removeprefix("customer:"),
        erased_at=recorded.occurred_at,
        basis=cast(PersonalDataErased, recorded.event).basis,
        event_id=recorded.uid,
    )


# --- erasing -----------------------------------------------------------------------------------


def erase(
    store: CaseStore, customer_id: str, *, basis: str, actor: Actor, at: datetime | None = None
) -> Erasure:
    """Make all personal text by and about a customer unreadable for ever.

    A customer who was erased before, and was not registered again since, is not erased a second
    time. If that erasure was interrupted, it is finished.

    Args:
        store: a sealed one.
        customer_id: of the customer. Other ids of the same person are not erased with it.
        basis: the legal reason, as a code, like gdpr-17.
        actor: who erases.
        at: when the customer was erased; now, if left out.

    Raises:
        EventRefused: there is a legal hold on the customer, or the store is unsealed.
        StreamNotFound: there is no such customer.
        InvalidStream, StoreUnavailable.
    """
    name = f"customer:{customer_id}"
    event = PersonalDataErased(occurred_at=at or datetime.now(UTC), actor=actor, basis=basis)
    now = False
    while not now:
        history = store.history(name)
        if cast(Customer, kinds.fold(name, history.originals).state).erased:
            break
        # A conflict: somebody else appended, and may have erased the customer. Look again.
        with suppress(ConcurrencyConflict):
            store.append(name, event, expected_version=len(history.originals))
            now = True
    records = list(erasures(store, customer_id))
    left = _finish(store, records, customer_id)
    return Erasure(customer_id, now, records[-1], tuple(same_person(store, customer_id)), left)


def finish(store: CaseStore) -> tuple[str, ...]:
    """Finish all erasures that were interrupted. Gives what could not be done, and why.

    It may be called at any time, and is fast where nothing is left to do. It destroys data keys
    that outlived an erasure, completes the list, scrubs the database's files, and destroys the old
    key file of a rotation that was interrupted.
    """
    left = _finish(store, erasures(store), None)
    key_file = store._vault.key_file
    if key_file is not None and key_file.exists():
        try:
            destroy_replaced(key_file)
        except KeyFileError as error:
            left = (*left, str(error))
    return left


def _finish(
    store: CaseStore, records: Iterable[ErasureRecord], customer_id: str | None
) -> tuple[str, ...]:
    left = []
    for erased_id, key_id in store._recorder.keys_that_outlived(customer_id):
        if placed := holds(store, erased_id):
            where = "; ".join(f"{', '.join(ids)} on {held_id!r}" for held_id, ids in placed.items())
            left.append(
                f"the key of {erased_id!r} outlived their erasure, but a hold stands: {where}"
            )
        else:
            _destroy(store, erased_id, key_id)
    if (problem := note(store, records)) is not None:
        left.append(problem)
    with database_answers("the store"):
        if not store._recorder.scrub():
            left.append(
                "the database's files may still hold bytes of a destroyed key, as a reader has an "
                "old snapshot open, or the disk is full (or, on PostgreSQL, as another role owns "
                "the key table, or a pooler is in between and the URL has no listen_url); "
                "`casestore doctor --fix` tries again"
            )
    return tuple(left)


def _destroy(store: CaseStore, customer_id: str, key_id: bytes) -> None:
    with database_answers("the store"), store._recorder.writing() as writing:
        key = writing.survey((), (), [customer_id]).keys.get(customer_id)
        if key is not None and key.key_id == key_id:
            writing.delete_key(customer_id)
            writing.commit([])


# --- erasing again, in a restored database -----------------------------------------------------


def reapply(
    store: CaseStore, lines: Iterable[bytes], *, actor: Actor, unproven: bool = False
) -> tuple[list[Reapplied], tuple[str, ...]]:
    """Repeat the erasures that an older database does not know of.

    Gives the result of each line that is not empty, and what is left to do (see `finish`). A second
    call with the same lines erases nobody again.

    Args:
        store: one that was restored from a backup.
        lines: an ErasureRecord as JSON each: the list beside the key file, or the output of
            `casestore privacy status --format ndjson`.
        actor: who does it.
        unproven: take also lines that are not proven to be of this store, because their origin is
            known: by a line that somebody made up, another customer's words would be lost. A line
            that is not proven is left out without a word where another one proves the same.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    proves = Proofs(store)
    read = [(number, _read(proves, line)) for number, line in enumerate(lines, 1) if line.strip()]
    proven = {record.event_id for _, (record, is_ours) in read if record and is_ours}
    results = []
    for number, (record, is_ours) in read:
        if record is None:
            what = f"line {number} is not an erasure on record"
            results.append(Reapplied("", None, "refused", what))
        elif is_ours or record.event_id not in proven:
            results.append(_reapply(store, record, actor, take=is_ours or unproven))
    return results, finish(store)


def _read(proves: Proofs, line: bytes) -> tuple[ErasureRecord | None, bool]:
    try:
        record, is_ours = proves.read(line)
        kinds.parse(f"customer:{record.customer_id}")
        _erased(record, STORE)
    except (ValueError, CaseStoreError):
        return None, False
    return record, is_ours


def _erased(record: ErasureRecord, actor: Actor) -> PersonalDataErased:
    return PersonalDataErased(occurred_at=record.erased_at, actor=actor, basis=record.basis)


def _reapply(store: CaseStore, record: ErasureRecord, actor: Actor, *, take: bool) -> Reapplied:
    name = f"customer:{record.customer_id}"
    result = Reapplied(record.customer_id, record.erased_at, "another store")
    if record.store_id != store.meta["store_id"]:
        return result
    try:
        on_record = {erasure.event_id for erasure in erasures(store, record.customer_id)}
    except StreamNotFound:
        return result._replace(outcome="unknown here")
    if record.event_id in on_record:
        return result._replace(outcome="on record")
    if not take:
        return result._replace(outcome="refused", why=NOT_PROVEN)
    # The event keeps its first id. So it is recorded only once, even if the customer is registered
    # again later and the list is reapplied after that.
    append = Append(
        batches=((name, (_erased(record, actor),)),), event_ids=(record.event_id,), imported=True
    )
    (outcome,) = store.write([append])
    if isinstance(outcome, CaseStoreError):
        return result._replace(outcome="refused", why=str(outcome))
    return result._replace(outcome="erased again")
