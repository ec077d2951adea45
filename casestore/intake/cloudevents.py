"""CloudEvents 1.0 in JSON: an event, a batch, or NDJSON of events.

Formats: https://github.com/cloudevents/spec, JSON Event Format 1.0.2, sections 3 and 4.

    type      org.casestore.<Type>.v<schema>
    subject   the stream, like case:4711
    time      when it happened
    source, id   together they are unique, and make the key
    data      the event's fields

What `casestore export --format cloudevents` wrote keeps its event ids, which corrections name, and
comes in the order of `sequence`: the order in which that store took it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

import msgspec

from casestore.events import VOCABULARY
from casestore.intake import reading
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.scratch import Stored
from casestore.intake.values import AHEAD, is_ahead
from casestore.streams.history import to_microseconds
from casestore.transfer.lines import LeftOut, Line, Read, Remark, key_of, line

_TYPE = re.compile(r"org\.casestore\.([A-Za-z]+)\.v([0-9]+)")
_SCHEMAS = {cls.__name__: cls.SCHEMA for cls in VOCABULARY}


class _CloudEvent(msgspec.Struct):
    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str | None = None
    time: datetime | None = None
    data: Any = None


class _Exported(msgspec.Struct):
    """What only an event has that a store exported."""

    id: UUID
    source: Annotated[str, msgspec.Meta(pattern="^/casestore/[0-9a-f-]{36}$")]
    sequence: Annotated[str, msgspec.Meta(pattern="^[0-9]{19}$")]
    recordedtime: Annotated[datetime, msgspec.Meta(tz=True)]
    personal: str | None = None


_decode = msgspec.json.Decoder(_CloudEvent).decode
_decode_exported = msgspec.json.Decoder(_Exported).decode


class Reader(reading.BaseReader):
    """Reads CloudEvents."""

    name: ClassVar[str] = "cloudevents"
    things: ClassVar[str] = "events"

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each event by its stream."""
        for number, record in enumerate(records(given.stream, ()), 1):
            self.read_one()
            where = f"{given.name}, event {number}"
            try:
                found = _decode(record.data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield LeftOut("no CloudEvent", where, str(error)[:200])
                continue
            if isinstance(ours := _ours(found), str):
                yield LeftOut(ours, where, found.type[:200])
                continue
            if is_ahead(ours.at):
                yield LeftOut(AHEAD, where, ours.at.isoformat())
                continue
            if (exported := _exported(record.data)) is not None:
                place, parent = f"{exported.sequence} {exported.id}", exported.source
                self.scratch.put("exported", place, record.data, parent=parent, where=where)
                continue
            # By their time: a page may hold older events than the one before.
            place = f"{ours.at.isoformat(timespec='microseconds')} {found.source} {found.id}"
            self.scratch.put("event", place, record.data, parent=ours.stream, where=where)

    def lines(self) -> Iterator[Read]:
        """Each stream's events by time; then what a store exported, in its order of recording."""
        for stream in self.scratch.parents("event"):
            for stored in self.scratch.of("event", stream):
                yield from self._line(stored)
        source, turn = "", 0
        for stored in self.scratch.all("exported"):
            if (exported := _exported(stored.data)) is None:
                continue
            at = to_microseconds(exported.recordedtime)
            turn = max(at, turn) if exported.source == source else at
            source = exported.source
            for made in self._line(stored):
                withheld = exported.personal is not None
                yield made._replace(event_id=str(exported.id), withheld=withheld, turn=turn)

    def _line(self, stored: Stored) -> Iterator[Line]:
        found = _decode(stored.data)
        if isinstance(ours := _ours(found), str):
            return  # `take` has left it out already
        yield line(
            ours.stream,
            ours.type,
            ours.at,
            ours.actor,
            ours.fields,
            key=key_of("ce", found.source, found.id),
            source=self.source,
            where=stored.where,
        )


def _exported(data: bytes) -> _Exported | None:
    try:
        return _decode_exported(data)
    except msgspec.ValidationError:
        return None


class _Ours(NamedTuple):
    stream: str
    type: str
    at: datetime
    actor: dict[str, Any]
    fields: dict[str, Any]


def _ours(found: _CloudEvent) -> _Ours | str:
    """An event of ours, or why it is none."""
    named = _TYPE.fullmatch(found.type)
    if named is None or named[1] not in _SCHEMAS:
        return "its type is none of org.casestore.<Type>.v<schema>"
    if int(named[2]) != _SCHEMAS[named[1]]:
        return "its type has another schema than this version of casestore"
    if found.specversion != "1.0":
        return "its specversion is not 1.0"
    if not found.subject:
        return "it has no subject, which names the stream"
    if found.time is None or found.time.utcoffset() is None:
        return "it has no time with a zone"
    if not isinstance(found.data, dict) or not isinstance(found.data.get("actor"), dict):
        return "its data is no object with an actor"
    fields = {name: value for name, value in found.data.items() if name != "occurred_at"}
    actor = fields.pop("actor")
    return _Ours(found.subject, named[1], found.time.astimezone(UTC), actor, fields)


def events(data: bytes, options: Options = Options()) -> list[Read]:  # noqa: B008  (it is frozen)
    """The lines of a CloudEvent, or of a batch of them, as a service receives it."""
    return reading.events(Reader, data, options)
