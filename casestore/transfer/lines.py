"""Lines that a reader made of another system's files, and appending them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from casestore.append.request import Append
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.history import to_microseconds
from casestore.transfer.importing import Imported, OnError, ReadLine, import_appends

MAX_KEY = 200
"""The most characters of a key."""
_MOST_PLACES = 3
"""How many places are told for each reason."""


class Line(NamedTuple):
    """An event as a reader understood it: what an NDJSON line says, and where it was found."""

    stream: str
    type: str
    data: bytes
    """The event's fields as a JSON object, with `occurred_at` and `actor`."""
    key: str
    source: str
    """The reader and the instance, like zendesk:acme."""
    at: int
    """`occurred_at` in microseconds since 1970."""
    where: str = ""
    """Where it was found, like "audits.json, audit 17"."""
    keep_first: bool = False
    """What to do if the store has other content under this key: True leaves it as it is and tells
    of it. So an opening that was read from a ticket's end state stays when its history comes."""
    event_id: str | None = None
    """The id that the event has in the store that it comes from. It is kept, because corrections
    name it."""
    withheld: bool = False
    """Whether its personal text was withheld, or erased."""
    turn: int | None = None
    """Its place in the order, in microseconds, where that is not by `at`."""

    @property
    def fields(self) -> dict[str, Any]:
        """The event's fields."""
        return dict(msgspec.json.decode(self.data))

    def ndjson(self) -> bytes:
        """The line as `casestore import` reads it, in UTF-8, with its newline."""
        told = _Written(
            self.stream,
            self.type,
            msgspec.Raw(self.data),
            self.key,
            self.source,
            self.event_id,
            "withheld" if self.withheld else None,
        )
        return msgspec.json.encode(told) + b"\n"


class _Written(msgspec.Struct, omit_defaults=True):
    stream: str
    type: str
    data: msgspec.Raw
    key: str
    source: str
    event_id: str | None = None
    personal: str | None = None


class LeftOut(NamedTuple):
    """Something of the input that becomes no event."""

    reason: str
    """Why, in the words by which it is counted."""
    where: str
    """Where it stands, like "audits.json, audit 17"."""
    detail: str = ""
    """What belongs to this place alone, like the value that could not be read."""
    unreadable: bool = True
    """True: it may have been a fact. False: by its kind it is none that a history holds, like a
    notification; --strict does not mind it."""


class Remark(NamedTuple):
    """Something that whoever imports should know of what became events."""

    what: str
    """The words by which it is counted."""
    where: str


Read = Line | LeftOut | Remark
_encode = msgspec.json.Encoder().encode


def line(
    stream: str,
    kind: str,
    at: datetime,
    actor: Mapping[str, str],
    fields: Mapping[str, Any],
    *,
    key: str,
    source: str,
    where: str = "",
    keep_first: bool = False,
) -> Line:
    """A line; fields that are None are left out.

    Args:
        stream: like case:zendesk-17.
        kind: the event's type.
        at: when it happened, with its zone.
        actor: its kind and id.
        fields: the event's other fields as JSON values or datetimes.
        key: what is the same whenever this event is read; see `key_of`.
        source: the reader and the instance.
        where: where it was found.
        keep_first: see `Line`.
    """
    data = {"occurred_at": at, "actor": actor}
    data.update((name, value) for name, value in fields.items() if value is not None)
    return Line(stream, kind, _encode(data), key, source, to_microseconds(at), where, keep_first)


def key_of(*parts: str | int) -> str:
    """A key of parts with colons between them; its SHA-256 where it is longer than a key may be."""
    key = ":".join(map(str, parts))
    return key if len(key) <= MAX_KEY else sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class Reason:
    """What was left out, or remarked, for one reason."""

    count: int
    places: tuple[str, ...]
    """The first places, with what belongs to each."""


@dataclass
class Told:
    """What a reader told besides lines."""

    unreadable: dict[str, Reason] = field(default_factory=dict)
    no_event: dict[str, Reason] = field(default_factory=dict)
    remarks: dict[str, Reason] = field(default_factory=dict)

    def add(self, told: LeftOut | Remark) -> None:
        """Count it by its reason."""
        if isinstance(told, Remark):
            counts, reason, place = self.remarks, told.what, told.where
        else:
            counts = self.unreadable if told.unreadable else self.no_event
            place = ": ".join(filter(None, (told.where, told.detail)))
            reason = told.reason
        before = counts.get(reason, Reason(0, ()))
        places = before.places
        if place and len(places) < _MOST_PLACES:
            places = (*places, place)
        counts[reason] = Reason(before.count + 1, places)


class FromElsewhere(NamedTuple):
    """What an import of other systems' files did."""

    imported: Imported
    told: Told
    kept: tuple[str, ...]
    """Where the store had other content, and that stayed (see `Line.keep_first`): the first of
    them."""
    kept_count: int
    events: Mapping[str, int]
    """How many lines of each type of event were read."""
    stopped: bool = False
    """Whether nothing was appended because something was unreadable, under `strict`."""


def append_lines(
    store: CaseStore,
    read: Iterable[Read],
    *,
    on_error: OnError = "stop",
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FromElsewhere:
    """Append the lines that a reader of `casestore.intake` made.

    Args:
        store: the store to append to.
        read: the lines, and what was left out. A reader tells of what it left out first.
        on_error: "stop" ends at the first line that the store refuses and keeps those before it;
            "skip" goes on.
        strict: append nothing if the reader left out what it could not read.
        progress: called after each commit with the number of lines done.

    Raises:
        StoreUnavailable: the database did not answer; the commits made until then are kept.
    """
    lines = _Lines(store, read, strict)
    imported = import_appends(
        store, lines.appends(), on_error=on_error, progress=progress, kept=lines.keep
    )
    return FromElsewhere(
        imported,
        lines.told,
        tuple(lines.kept),
        lines.kept_count,
        dict(lines.events),
        lines.stopped,
    )


class _Lines:
    """Makes an append of each line, and counts what else a reader tells."""

    def __init__(self, store: CaseStore, read: Iterable[Read], strict: bool) -> None:
        self._validate = store._codec.validate_json
        self._read = read
        self._strict = strict
        self.told = Told()
        self.events: Counter[str] = Counter()
        self.kept: list[str] = []
        self.kept_count = 0
        self.stopped = False

    def appends(self) -> Iterator[ReadLine]:
        number = 0
        for each in self._read:
            if not isinstance(each, Line):
                self.told.add(each)
                continue
            if self._strict and self.told.unreadable:
                self.stopped = True
                return
            number += 1
            self.events[each.type] += 1
            try:
                result: Append | CaseStoreError = self._append(each)
            except CaseStoreError as error:
                result = error
            yield ReadLine(number, len(each.data), result, each.where, each.keep_first)

    def _append(self, each: Line) -> Append:
        kinds.parse(each.stream)
        event = self._validate(each.type, each.data)
        return Append(
            batches=((each.stream, (event,)),),
            key=each.key,
            event_ids=() if each.event_id is None else (each.event_id,),
            source=each.source,
            imported=True,
            withheld=each.withheld,
        )

    def keep(self, what: str) -> None:
        self.kept_count += 1
        if len(self.kept) < _MOST_PLACES:
            self.kept.append(what)
