"""Forgetting a person: erasing their words, and knowing afterwards who was forgotten.

The erasure itself is one commit: `casestore.append.decision` destroys the customer's data key in
the same commit as the PersonalDataErased that says so, whoever appends it. Two things follow, and
`finish` can do them again at any time, because a process may die in between: the bytes of the key
are scrubbed from the database's files, and the erasure is added to a list beside the key file. The
list is there for a database that is restored from an older backup: `reapply` erases again.
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
from casestore.privacy.erasure_list import Noted, decode, note
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.customer import Customer
from casestore.streams.history import Recorded, decode_metadata

_READ = 500


class Words(NamedTuple):
    """Words of a customer that can be read: what is lost when they are erased."""

    customer_id: str
    stream: str
    type: str
    field: str
    events: int
    """How many have it."""


class Erasure(NamedTuple):
    """What became of the wish to erase a customer."""

    customer_id: str
    now: bool
    """Whether it was done now; otherwise it was on record already."""
    noted: Noted
    """The erasure on record."""
    same_person: tuple[str, ...]
    """Other ids that are merged with this one. Each has a key of its own, and was not erased."""
    left: tuple[str, ...]
    """What is yet to be done, and why it could not be: see `finish`."""


Outcome = Literal["erased again", "on record", "unknown here", "another store", "refused"]


class Reapplied(NamedTuple):
    """What became of an erasure that was to be done again."""

    customer_id: str
    erased_at: datetime | None
    outcome: Outcome
    why: str = ""


# --- what is there -----------------------------------------------------------------------------


def customer(store: CaseStore, customer_id: str) -> Customer:
    """A customer as an append is checked against it. Raises StreamNotFound, InvalidStream."""
    name = f"customer:{customer_id}"
    return cast(Customer, kinds.fold(name, store.history(name).originals).state)


def readable(store: CaseStore, customer_id: str) -> list[Words]:
    """The words of a customer that can still be read, found without reading them."""
    rows = store.recorder.readable_parts(customer_id)
    found = []
    for (stream, topic), group in groupby(rows, key=lambda row: row[:2]):
        counts: dict[str, int] = {}
        for *_, metadata in group:
            for field in decode_metadata(metadata).personal:
                counts[field] = counts.get(field, 0) + 1
        name = topic.partition("@")[0]
        found += [Words(customer_id, stream, name, *each) for each in sorted(counts.items())]
    return found


def same_person(store: CaseStore, customer_id: str) -> list[str]:
    """The other ids that a customer has, by merges that stand."""
    merges = list(map(Row._make, store.recorder.merges("CustomerMerged")))
    found = same_as(customer_id, merges, store.journal.codec, store.history) if merges else []
    return [each for each in found if each != customer_id]


def holds(store: CaseStore, customer_id: str) -> dict[str, list[str]]:
    """The legal holds that stand on a customer, under any of their ids, by id."""
    ids = [customer_id, *same_person(store, customer_id)]
    found = {each: sorted(customer(store, each).holds) for each in ids}
    return {each: hold_ids for each, hold_ids in found.items() if hold_ids}


def erasures(store: CaseStore, customer_id: str | None = None) -> Iterator[Noted]:
    """Every erasure on record, or those of one customer, in the order of recording."""
    if customer_id is None:
        events = store.journal.codec.recorded(_rows(store, "PersonalDataErased"))
    else:
        events = iter(store.history(f"customer:{customer_id}").originals)
    for recorded in events:
        if isinstance(recorded.event, PersonalDataErased):
            yield _noted(store, recorded)


def requests(store: CaseStore) -> list[Recorded]:
    """The requests for erasure that are open: none was made since."""
    found: dict[str | None, Recorded] = {}
    rows = _rows(store, "ErasureRequested", "PersonalDataErased")
    for recorded in store.journal.codec.recorded(rows):
        if isinstance(recorded.event, PersonalDataErased):
            found.pop(recorded.customer_id, None)
        else:
            found.setdefault(recorded.customer_id, recorded)
    return list(found.values())


def _rows(store: CaseStore, *topics: str) -> Iterator[Row]:
    after = 0
    while rows := store.recorder.rows(after, _READ, topics=topics):
        yield from map(Row._make, rows)
        after = rows[-1][0]


def _noted(store: CaseStore, recorded: Recorded) -> Noted:
    return Noted(
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
    """Make all that a customer said, and was said of them, unreadable for ever.

    A customer who is erased already, and has not been registered again, is left as they are; only
    what is `left` of an erasure that was interrupted is finished.

    Args:
        store: a sealed one.
        customer_id: of the customer. Ids that are merged with it are not erased with it.
        basis: why, as a code, like gdpr-17.
        actor: who erases.
        at: when; now, if left out.

    Raises:
        EventRefused: a legal hold stands, or the store is unsealed.
        StreamNotFound: there is no such customer.
    """
    name = f"customer:{customer_id}"
    event = PersonalDataErased(occurred_at=at or datetime.now(UTC), actor=actor, basis=basis)
    now = False
    while not now:
        history = store.history(name)
        if cast(Customer, kinds.fold(name, history.originals).state).erased:
            break
        with suppress(ConcurrencyConflict):  # look again: somebody else may have erased them
            store.append(name, event, expected_version=len(history.originals))
            now = True
    noted = list(erasures(store, customer_id))
    left = _finish(store, noted, customer_id)
    return Erasure(customer_id, now, noted[-1], tuple(same_person(store, customer_id)), left)


def finish(store: CaseStore) -> tuple[str, ...]:
    """Do what the erasures on record lack, where one was interrupted. Gives what is left, and why.

    Safe at any time, and done in a moment where nothing is lacking.
    """
    left = _finish(store, erasures(store), None)
    key_file = store.vault.key_file
    if key_file is not None and key_file.exists():
        try:
            destroy_replaced(key_file)
        except KeyFileError as error:
            left = (*left, str(error))
    return left


def _finish(store: CaseStore, noted: Iterable[Noted], customer_id: str | None) -> tuple[str, ...]:
    left = []
    for each, key_id in store.recorder.keys_that_outlived(customer_id):
        if standing := holds(store, each):
            where = "; ".join(f"{', '.join(ids)} on {who!r}" for who, ids in standing.items())
            left.append(f"the key of {each!r} outlived their erasure, but a hold stands: {where}")
        else:
            _destroy(store, each, key_id)
    if (problem := note(store, noted)) is not None:
        left.append(problem)
    with database_answers("the store"):
        if not store.recorder.scrub():
            left.append(
                "bytes of a destroyed key may be in the database's files while somebody reads what "
                "was there before (or, on PostgreSQL, where the key table is not ours); `casestore "
                "doctor --fix` tries again"
            )
    return tuple(left)


def _destroy(store: CaseStore, customer_id: str, key_id: bytes) -> None:
    with database_answers("the store"), store.recorder.writing() as writing:
        key = writing.survey((), (), [customer_id]).keys.get(customer_id)
        if key is not None and key.key_id == key_id:
            writing.delete_key(customer_id)
            writing.commit([])


# --- again, in an older database ---------------------------------------------------------------


def reapply(
    store: CaseStore, lines: Iterable[bytes], *, actor: Actor
) -> tuple[list[Reapplied], tuple[str, ...]]:
    """Do erasures again that an older database does not know of, each once.

    Args:
        store: one that was put back from a backup.
        lines: Noted as JSON, one a line: the list beside the key file, or what
            `casestore privacy status --format ndjson` gave.
        actor: who does it.

    Gives what became of each line, and what is left to do (see `finish`).
    """
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append(_reapply(store, line, number, actor))
    return found, finish(store)


def _reapply(store: CaseStore, line: bytes, number: int, actor: Actor) -> Reapplied:
    try:
        noted = decode(line)
        event = PersonalDataErased(occurred_at=noted.erased_at, actor=actor, basis=noted.basis)
        name = f"customer:{noted.customer_id}"
        kinds.parse(name)
    except (ValueError, CaseStoreError):
        return Reapplied("", None, "refused", f"line {number} is not an erasure on record")
    told = Reapplied(noted.customer_id, noted.erased_at, "another store")
    if noted.store_id != store.meta["store_id"]:
        return told
    try:
        if any(each.event_id == noted.event_id for each in erasures(store, noted.customer_id)):
            return told._replace(outcome="on record")
    except StreamNotFound:
        return told._replace(outcome="unknown here")
    # Under its own id, so that it is done once, whoever returns since.
    append = Append(batches=((name, (event,)),), event_ids=(noted.event_id,), imported=True)
    (outcome,) = store.write([append])
    if isinstance(outcome, CaseStoreError):
        return told._replace(outcome="refused", why=str(outcome))
    return told._replace(outcome="erased again")
