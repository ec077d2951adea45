"""Export as OCEL 2.0 in JSON: an object-centric event log, for process mining.

Format: https://www.ocel-standard.org/specification/formats/json/. All values are text, as the
published schema wants it; their types are told with the names.

The log tells what happened: corrections are applied, and the events come in the order of happening.
It never holds personal text. `casestore.transfer.ocel_objects` says which objects there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from casestore.events import EVENTS, Event, EventCorrected
from casestore.store import CaseStore
from casestore.transfer.mining import Type
from casestore.transfer.ocel_objects import OBJECTS, attributes
from casestore.transfer.ocel_spool import Spool, SpooledEvent, SpooledObject

EVENT_TYPES: tuple[type[Event], ...] = tuple(
    cls
    for cls in dict.fromkeys((*EVENTS["case"], *EVENTS["customer"]))
    if cls is not EventCorrected
)
"""The event classes that a log may hold."""
_encode = msgspec.json.Encoder().encode


def write_ocel(store: CaseStore, path: Path, *, stream: str | None = None) -> int:
    """Write all events of cases and customers into a file. Gives their number.

    Args:
        store: the store to read.
        path: the file.
        stream: only this one, like case:4711.

    Raises:
        InvalidStream: `stream` is not the name of a stream.
        StreamNotFound: there is no such stream.
        StoreUnavailable: the database does not answer, or a temporary file cannot be written.
        StoreDamaged: a stored event cannot be read.
        OSError: the file cannot be written.
    """
    with Spool(store, stream) as spool, path.open("wb") as file:
        spool.fill()
        file.writelines(_document(spool))
        return spool.count


def _document(spool: Spool) -> Iterator[bytes]:
    yield b'{"objectTypes":[\n'
    yield from _listed(_type(name, told) for name, told in OBJECTS.items())
    yield b'],\n"eventTypes":[\n'
    yield from _listed(_type(cls.__name__, attribute_types(cls)) for cls in EVENT_TYPES)
    yield b'],\n"objects":[\n'
    yield from _listed(map(_object, spool.objects()))
    yield b'],\n"events":[\n'
    yield from _listed(map(_event, spool.events()))
    yield b"]}\n"


def attribute_types(cls: type[Event]) -> dict[str, Type]:
    """The attributes of an event class, and their types."""
    return {column.name: column.type for column in attributes(cls)}


def _listed(each: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    before = b""
    for one in each:
        yield before + _encode(one)
        before = b",\n"
    if before:
        yield b"\n"


def _type(name: str, told: Mapping[str, Type]) -> dict[str, Any]:
    return {
        "name": name,
        "attributes": [{"name": attribute, "type": type_} for attribute, type_ in told.items()],
    }


def _object(found: SpooledObject) -> dict[str, Any]:
    return {
        "id": found.id,
        "type": found.type,
        "attributes": [
            {"name": name, "value": value, "time": change.time}
            for change in found.changes
            for name, value in change.values
        ],
        "relationships": _relationships(found),
    }


def _event(found: SpooledEvent) -> dict[str, Any]:
    return {
        "id": found.id,
        "type": found.type,
        "time": found.time,
        "attributes": [{"name": name, "value": value} for name, value in found.attributes],
        "relationships": _relationships(found),
    }


def _relationships(found: SpooledEvent | SpooledObject) -> list[dict[str, str]]:
    return [{"objectId": id, "qualifier": qualifier} for id, qualifier in found.links]
