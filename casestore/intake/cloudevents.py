"""CloudEvents 1.0 in JSON: an event, a batch, or NDJSON of events.

Formats: https://github.com/cloudevents/spec, JSON Event Format 1.0.2, sections 3 and 4.

    type      org.casestore.<Type>.v<schema>
    subject   the stream, like case:4711
    time      when it happened
    source, id   together they are unique, and make the key
    data      the event's fields
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import msgspec

from casestore.events import VOCABULARY
from casestore.intake import reading
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.values import AHEAD, is_ahead
from casestore.transfer.lines import LeftOut, Read, Remark, key_of, line

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


_decode = msgspec.json.Decoder(_CloudEvent).decode


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
            # By their time: a page may hold older events than the one before.
            place = f"{ours.at.isoformat(timespec='microseconds')} {found.source} {found.id}"
            self.scratch.put("event", place, record.data, parent=ours.stream, where=where)

    def lines(self) -> Iterator[Read]:
        """Each stream's events in the order of time."""
        for stream in self.scratch.parents("event"):
            for stored in self.scratch.of("event", stream):
                found = _decode(stored.data)
                if isinstance(ours := _ours(found), str):
                    continue  # `take` has left it out already
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
