"""Import and export as NDJSON: each line has one event, and is imported as one append.

    {"stream":"case:4711","type":"PromiseMade","data":{…},"key":"…","event_id":"…","source":"…",
     "correlation_id":"…","causation_id":"…","recorded_at":"…","personal":"withheld","events":2}

`personal` says that the personal text was withheld or erased. `events` says how many events the
append with that key had, if there were several. With it, a service can still retry that append with
its key in the store that imported the line.

If a file is imported twice, the second import appends nothing. A line is recognised by its
event_id, or else by its key, or else by its SHA-256 and the number of equal lines before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from casestore.append.request import Append
from casestore.errors import CaseStoreError, InvalidEvent, quoted
from casestore.events import Event
from casestore.events.made import making
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.history import Recorded, to_microseconds
from casestore.transfer.importing import Imported, OnError, ReadLine, import_appends

MAX_LINE = 8 * 1024 * 1024
"""The most bytes of a line: 8 MiB. A longer line is refused, unless recorded_at is trusted: a store
that is moved may have larger events from before this limit."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    stream: str
    type: str
    data: msgspec.Raw
    key: str | None = None
    event_id: UUID | None = None
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    recorded_at: datetime | None = None
    personal: Literal["withheld", "erased"] | None = None
    events: int | None = None


class _Exported(msgspec.Struct, omit_defaults=True):
    stream: str
    type: str
    data: msgspec.Raw
    key: str | None = None
    event_id: str | None = None
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    recorded_at: datetime | None = None
    personal: str | None = None
    events: int | None = None


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
_decode_line = msgspec.json.Decoder(_Line).decode


def import_lines(
    store: CaseStore,
    lines: Iterable[bytes],
    *,
    on_error: OnError = "stop",
    trust_recorded_at: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Import NDJSON lines.

    Args:
        store: the store to append to.
        lines: the lines, with or without line ends.
        on_error: "stop" ends the import at the first refused line and keeps the lines before it.
            "skip" leaves a refused line out and goes on.
        trust_recorded_at: keep each line's recorded_at, to move a store. Otherwise the store's
            clock gives the time of recording.
        progress: called after each commit with the number of lines done.

    Raises:
        StoreUnavailable: the database did not answer; the commits made until then are kept.
    """
    read = _read(store, lines, trust_recorded_at)
    return import_appends(store, read, on_error=on_error, progress=progress)


def _read(store: CaseStore, lines: Iterable[bytes], trust_recorded_at: bool) -> Iterator[ReadLine]:
    reader = _Reader(store, trust_recorded_at)
    for number, line in enumerate(lines, 1):
        if stripped := line.strip():
            try:
                read: Append | CaseStoreError = reader.read(stripped, first=number == 1)
            except CaseStoreError as error:
                read = error
            yield ReadLine(number, len(line), read)


class _Reader:
    """Makes an append from each line."""

    def __init__(self, store: CaseStore, trust_recorded_at: bool) -> None:
        self._codec = store._codec
        self._validators: dict[str, Callable[..., Event]] = {}
        """What makes an event of a type, by the type's name."""
        self._trust = trust_recorded_at
        self._counts: dict[bytes, int] = {}
        """How many equal lines without event_id and key were read, by their SHA-256."""

    def read(self, line: bytes, *, first: bool) -> Append:
        """The append of a line, which has no space around it.

        Raises InvalidEvent, InvalidStream.
        """
        if first:
            line = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if len(line) > MAX_LINE and not self._trust:
            raise InvalidEvent(
                "the line is longer than 8 MiB, and an event has at most 4; an older store's are "
                "taken with --trust-recorded-at"
            )
        parsed = _parse(line)
        kinds.parse(parsed.stream)
        event = self._event(parsed.type, bytes(parsed.data))
        if self._trust and parsed.recorded_at is None:
            raise InvalidEvent(f"{parsed.stream}: the line has no recorded_at to trust")
        return Append(
            batches=((parsed.stream, (event,)),),
            key=self._key(line) if parsed.key is None and parsed.event_id is None else parsed.key,
            event_ids=() if parsed.event_id is None else (str(parsed.event_id),),
            source=parsed.source,
            correlation_id=parsed.correlation_id,
            causation_id=parsed.causation_id,
            imported=True,
            recorded_us=self._recorded(parsed.recorded_at) if self._trust else None,
            withheld=parsed.personal is not None,
            count=parsed.events,
        )

    def _event(self, name: str, data: bytes) -> Event:
        try:
            return self._validators[name](data, strict=True)
        except (KeyError, ValueError):  # the first of its type, or wrong, which the codec explains
            event = self._codec.validate_json(name, data)
        self._validators[name] = making(type(event)).validator.validate_json
        return event

    def _key(self, line: bytes) -> str:
        digest = hashlib.sha256(line).digest()
        count = self._counts[digest] = self._counts.get(digest, 0) + 1
        return f"sha256:{digest.hex()}:{count}"

    @staticmethod
    def _recorded(moment: datetime | None) -> int:
        if moment is None or moment.utcoffset() is None:
            raise InvalidEvent("recorded_at has no time zone; add one, like Z or +01:00")
        return to_microseconds(moment)


def _parse(line: bytes) -> _Line:
    try:
        parsed = _decode_line(line)
        repeated = None if _names_each_once(line, parsed) else _repeated_name(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(_reason(error)) from None
    if repeated is not None:
        raise InvalidEvent(f"the field {quoted(repeated)} stands there twice; which one is meant?")
    return parsed


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, RecursionError):
        return "not a JSON object: it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        text = text.replace("Object contains", "the line has").replace("Object missing", "missing")
        return text if len(text) <= 200 and text.isprintable() else quoted(text)
    return f"not a JSON object: {text[:120]}"


def _names_each_once(line: bytes, parsed: _Line) -> bool:
    """Whether it is plain that no object in the line has a name twice.

    If no colon has space before it, `":` occurs at least once for each name (texts may hold it
    too). If the parser kept as many names, no name was repeated.
    """
    if b" :" in line or b"\t" in line or b"\r" in line or b"\n" in line:
        return False
    data = _decode(parsed.data)
    if type(data) is not dict:
        return False
    kept = len(parsed.__struct_fields__) - msgspec.structs.astuple(parsed).count(None)
    return line.count(b'":') == kept + _count_names(data)


def _repeated_name(line: bytes) -> str | None:
    """A name that an object in the line has twice; None if there is none.

    A parser keeps the last value without an error, so the sender's first value would be lost.
    """
    repeated: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)

    # Numbers stay text: Python refuses an integer of more than 4,300 digits.
    json.JSONDecoder(object_pairs_hook=check, parse_int=str).decode(line.decode())
    return repeated[0] if repeated else None


def _count_names(value: Any) -> int:
    """The number of names in all objects of a JSON value, which is an object or a list."""
    count = 0
    if type(value) is dict:
        count, value = len(value), value.values()
    for item in value:
        if type(item) is dict or type(item) is list:
            count += _count_names(item)
    return count


def export_lines(
    store: CaseStore, *, stream: str | None = None, reveal: bool = False
) -> Iterator[bytes]:
    """Every event as an NDJSON line in UTF-8, which ends in a newline.

    Args:
        store: the store to read.
        stream: export only this stream, in version order. If left out, export all events in
            position order.
        reveal: include personal text. This needs the key file. If the text is not included, or was
            erased, the line says so in `personal`.

    Raises:
        StreamNotFound: there is no such stream.
        InvalidStream: `stream` is not the name of a stream.
        KeyFileError: the key file is missing, or does not hold the right key.
        StoreUnavailable: the database does not answer.
        StoreDamaged: a stored event cannot be read.
    """
    events: Iterable[Recorded]
    if stream is None:
        events = store.read(reveal=reveal)
    else:
        events = store.history(stream, reveal=reveal).originals
    for recorded in events:
        yield export_line(recorded)


def export_line(recorded: Recorded) -> bytes:
    """An event as an NDJSON line in UTF-8, which ends in a newline."""
    event, metadata = recorded.event, recorded.metadata
    line = _Exported(
        recorded.stream,
        recorded.type,
        msgspec.Raw(making(type(event)).serializer.to_json(event, exclude_none=True)),
        metadata.key,
        recorded.uid,
        metadata.source,
        metadata.correlation_id,
        metadata.causation_id,
        recorded.recorded_at,
        recorded.privacy if recorded.privacy in ("withheld", "erased") else None,
        metadata.events if metadata.events != 1 else None,
    )
    return b"%s\n" % msgspec.json.encode(line)
