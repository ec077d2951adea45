"""The doctor's checks of the rows: each by itself, those of a stream, and the times of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import NoneType

from casestore.doctor.finding import RESTORE, DoctorFinding
from casestore.errors import InvalidStream, KeyFileError, StoreDamaged
from casestore.events import CaseOpened, Event, EventCorrected
from casestore.journal.clocks import FAR_US
from casestore.journal.rows import KeyRow, PlainRow, Row
from casestore.journal.sqlite import SQLiteJournal
from casestore.keys.parts import is_sealed
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.checks import check_fields
from casestore.streams.history import decode_metadata, from_microseconds, to_microseconds

_CHUNK = 2000
"""Rows to read at a time."""
Progress = Callable[[int], None]
"""Called with the number of events read so far."""


def dense(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find streams whose versions are not 1..n."""
    for stream, count, first, last in store._recorder.gaps():
        what = f"has {count} events with versions from {first} to {last}: some are missing"
        yield DoctorFinding("error", "dense versions", stream, what, RESTORE)


def positions(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find events whose position is not after that of the version before, and a wrong counter."""
    for stream, version in store._recorder.out_of_order():
        what, where = "stands before the version before it", f"{stream} version {version}"
        yield DoctorFinding("error", "positions in order", where, what, RESTORE)
    last = store._recorder.last_position()
    given, where = store._recorder.last_given_position(), "the counter of positions"
    if last <= _LAST < given:
        what = f"positions up to {given} were given, further than any store gets: it was set there"
        yield DoctorFinding("error", "positions in order", where, what, RESTORE)
    if given < last <= _LAST and not isinstance(store._recorder, SQLiteJournal):
        what = f"stands at {given}, and the last event at {last}: appends fail until it is past it"
        do = f"find out who set it back, and set it to {last} (setval)"
        yield DoctorFinding("error", "positions in order", where, what, do)


def customers(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find streams whose rows have the wrong customer ids: see `Questions.of_mixed_customers`."""
    for stream in store._recorder.of_mixed_customers():
        if _was_opened_anew(store, stream):
            continue
        what = "has rows of different customers, or of none"
        yield DoctorFinding("error", "one customer per case", stream, what, RESTORE)


def _was_opened_anew(store: CaseStore, stream: str) -> bool:
    """Whether a case, all voided, was opened for another customer, who has its rows from there."""
    owner = None
    for row in map(Row._make, store._recorder.stream_rows(stream)):
        try:
            event = store._codec.decode(row.topic, row.state)
        except StoreDamaged:
            return False
        if isinstance(event, CaseOpened):
            owner = event.customer_id
        if owner is None or row.customer_id != owner:
            return False
    return True


SCANNED = (
    "events can be read",
    "times of recording",
    "customers of events",
    "personal parts",
    "times and currencies",
)


def scan(store: CaseStore, progress: Progress) -> Iterator[DoctorFinding]:
    """Check every row by itself, and its time of recording against the row before it."""
    after, count = 0, 0
    try:
        times = _Times(store, (store._recorder.went_back() or (0, 0))[0])
    except StoreDamaged as error:
        what = str(error).partition("; ")[0]
        yield DoctorFinding("error", "times of recording", "the store", what, RESTORE)
        times = _Times(store, 0)
    while rows := store._recorder.rows(after, _CHUNK):
        keys = _good_keys(store, rows)
        for row in map(Row._make, rows):
            if (wrong := _of_another_type(row)) is not None:
                what = f"its {wrong} is not of the type that casestore writes"
                yield _at(row, "events can be read", what)
                continue
            yield from _check_row(store, row, keys)
            yield from times.after(row)
        after = rows[-1][0]
        count += len(rows)
        progress(count)
    yield from times.end()


class _Times:
    """Looks at the times of recording, one row after the other."""

    def __init__(self, store: CaseStore, noted: int) -> None:
        self._last: Row | None = None
        self._noted = noted
        """Where a clock last went back, as the store noted it when that happened."""
        self._latest = to_microseconds(store.now()) + FAR_US
        self._ahead: Row | None = None
        """The first of the rows up to the last one that are all ahead of now."""

    def after(self, row: Row) -> Iterator[DoctorFinding]:
        """What is found at the next row."""
        last, self._last = self._last, row
        if row.recorded_us > self._latest:
            self._ahead = self._ahead or row
        else:
            yield from self._end_of_ahead(last)
        if last is None or row.recorded_us >= last.recorded_us:
            return
        what = f"was recorded at {_time(row)}, before the event before it ({_time(last)})"
        if row.position > self._noted:
            yield _at(row, "times of recording", what)
        else:
            what += f": a clock was wrong, ahead before position {row.position} or behind from it"
            yield _clock(row, what)

    def end(self) -> Iterator[DoctorFinding]:
        """What is found once there are no more rows."""
        yield from self._end_of_ahead(self._last)

    def _end_of_ahead(self, last: Row | None) -> Iterator[DoctorFinding]:
        first, self._ahead = self._ahead, None
        if first is None or last is None:
            return
        what = f"was recorded at {_time(first)}, which is ahead of now"
        if last is not first:
            what += f", and so were all up to position {last.position}"
        yield _clock(first, f"{what}: a clock is or was wrong")


def _time(row: Row) -> str:
    try:
        return f"{from_microseconds(row.recorded_us):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:  # in no year from 1 to 9999
        return f"{row.recorded_us} microseconds after 1970"


def _clock(row: Row, what: str) -> DoctorFinding:
    do = "set the clock right (NTP); nothing is lost: see Clocks in docs/operating.md"
    where = f"{row.stream} version {row.version}, position {row.position}"
    return DoctorFinding("warning", "times of recording", where, what, do)


_TYPES: tuple[tuple[type, ...], ...] = (
    (int,),
    (str,),
    (int,),
    (str,),
    (bytes,),
    (bytes, NoneType),
    (str, NoneType),
    (str,),
    (int,),
    (bytes,),
)
"""What each value of a Row may be. SQLite keeps whatever it is given."""
_LAST = 1 << 62
"""Further than any store gets: no appends would fit after an event at the end of the range."""


def _of_another_type(row: Row) -> str | None:
    """The name of the first value of a row that is of the wrong type, if any."""
    fields = zip(Row._fields, row, _TYPES, strict=True)
    return next((name for name, value, types in fields if type(value) not in types), None)


def _good_keys(store: CaseStore, rows: Sequence[PlainRow]) -> dict[str, KeyRow]:
    """The data keys of the customers in rows, without those that the key file does not open.

    Of these the check of the key file tells; their words are passed over here.
    """
    good = {}
    for customer_id, key in store._keys_for(rows).items():
        with suppress(KeyFileError, StoreDamaged):
            store._vault.unwrap(key)
            good[customer_id] = key
    return good


def _check_row(store: CaseStore, row: Row, keys: Mapping[str, KeyRow]) -> Iterator[DoctorFinding]:
    if row.position > _LAST:
        yield _at(row, "events can be read", "no append can come after it: it was put there")
    try:
        event = store._codec.decode(row.topic, row.state)
        kind, stream_id = kinds.parse(row.stream)
        personal = decode_metadata(row.metadata).personal
    except (StoreDamaged, InvalidStream) as error:
        yield _at(row, "events can be read", str(error))
        return
    if type(event) not in kinds.KINDS[kind].events:
        yield _at(row, "events can be read", f"{row.topic} does not belong into such a stream")
    expected = _customer(event, kind, stream_id)
    if expected is not None and row.customer_id != expected:
        what = f"is kept for customer {row.customer_id!r}, but is about {expected!r}"
        yield _at(row, "customers of events", what)
    if bool(personal) != (row.personal is not None):
        yield _at(row, "personal parts", "its personal text and the list of it do not agree")
    elif row.personal is not None and is_sealed(row.personal) != store._vault.is_sealed:
        is_so = "is plain, and this store seals all" if store._vault.is_sealed else "is sealed"
        yield _at(row, "personal parts", f"its personal text {is_so}: somebody else put it there")
    elif row.personal is not None:
        yield from _check_words(store, row, row.personal, keys)
    yield from _values(store, row, event)


def _check_words(
    store: CaseStore, row: Row, part: bytes, keys: Mapping[str, KeyRow]
) -> Iterator[DoctorFinding]:
    """Find a personal part that was altered, or moved there from another event."""
    key = keys.get(row.customer_id or "")
    try:
        words = store._vault.reveal(part, key, row.stream, row.version, row.topic)
    except StoreDamaged as error:
        yield _at(row, "personal parts", str(error))
        return
    if words != "erased" and set(words) != set(decode_metadata(row.metadata).personal):
        yield _at(row, "personal parts", "its personal text and the list of it do not agree")


def _values(store: CaseStore, row: Row, event: Event) -> Iterator[DoctorFinding]:
    """What no append takes any more, but stands in a store from before, and was not corrected."""
    if not isinstance(event, EventCorrected) and check_fields(event) is None:
        return
    try:
        history = store.history(row.stream)
    except StoreDamaged:  # as the row that cannot be read is told of
        return
    uid = row.event_id
    if isinstance(event, EventCorrected):
        uid = str(event.event_id)
        before = next((r for r in history.originals if r.uid == uid), None)
        if before is None or check_fields(before.event) is not None:
            return  # told of at its own row
    read = history.find(uid)
    if read is not None and (wrong := check_fields(read.event)) is not None:
        what, _, _ = wrong.partition("; ")
        where = f"{row.stream} version {read.version}, position {read.position}"
        do = "correct it (EventCorrected): reports cannot tell what depends on it"
        yield DoctorFinding("warning", "times and currencies", where, f"{read.type}: {what}", do)


def _customer(event: Event, kind: str, stream_id: str) -> str | None:
    """The customer id that an event or its stream names; None where they name none."""
    if isinstance(event, CaseOpened):
        return event.customer_id
    return stream_id if kind == "customer" else None


def _at(row: Row, check: str, what: str) -> DoctorFinding:
    where = f"{row.stream} version {row.version}, position {row.position}"
    return DoctorFinding("error", check, where, what, RESTORE)
