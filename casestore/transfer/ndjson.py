"""Import and export: NDJSON, one event a line, each line an append of its own.

    {"stream":"case:4711","type":"PromiseMade","data":{…},"key":"…","event_id":"…","source":"…",
     "correlation_id":"…","causation_id":"…","recorded_at":"…","personal":"withheld","events":2}

`personal` says that the text was withheld or erased; `events`, that the event came in an append
of several, so that a service that appended them may still retry with its key in another store.

Importing a file twice appends nothing the second time: a line is known by its event_id, else by
its key, else by its sha256 and how often that very line has come before in the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

import msgspec

from casestore.append.request import Append
from casestore.errors import CaseStoreError, InvalidEvent
from casestore.store import CaseStore
from casestore.streams import kinds
from casestore.streams.history import Recorded, to_microseconds
from casestore.transfer.importing import Imported, OnError, Read, import_appends

MAX_LINE = 8 * 1024 * 1024
"""Bytes; a longer line is refused."""


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


_decode_line = msgspec.json.Decoder(_Line).decode


def import_lines(
    store: CaseStore,
    lines: Iterable[bytes],
    *,
    on_error: OnError = "stop",
    trust_recorded_at: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Import NDJSON lines. As `import_appends`, which see.

    Args:
        store: where to.
        lines: with or without their line ends.
        on_error: "stop" keeps everything before a bad line; "skip" goes on behind it.
        trust_recorded_at: keep each line's recorded_at (for moving a store).
        progress: told the number of lines done, after each commit.
    """
    read = _read(store, lines, trust_recorded_at)
    return import_appends(store, read, on_error=on_error, progress=progress)


def _read(store: CaseStore, lines: Iterable[bytes], trust_recorded_at: bool) -> Iterator[Read]:
    reader = _Reader(store, trust_recorded_at)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, reader.read(line, first=number == 1)
            except CaseStoreError as error:
                yield number, error


class _Reader:
    """From a line to an append."""

    def __init__(self, store: CaseStore, trust_recorded_at: bool) -> None:
        self._validate = store.journal.codec.validate_json
        self._trust = trust_recorded_at
        self._seen: dict[bytes, int] = {}

    def read(self, line: bytes, *, first: bool) -> Append:
        """Raises InvalidEvent, InvalidStream."""
        line = line.removeprefix(b"\xef\xbb\xbf").strip() if first else line.strip()
        if len(line) > MAX_LINE:
            raise InvalidEvent("the line is longer than 8 MiB; an event is never that long")
        said = _parse(line)
        kinds.parse(said.stream)
        event = self._validate(said.type, bytes(said.data))
        if self._trust and said.recorded_at is None:
            raise InvalidEvent(f"{said.stream}: the line has no recorded_at to trust")
        return Append(
            batches=((said.stream, (event,)),),
            key=self._key(line) if said.key is None and said.event_id is None else said.key,
            event_ids=() if said.event_id is None else (str(said.event_id),),
            source=said.source,
            correlation_id=said.correlation_id,
            causation_id=said.causation_id,
            imported=True,
            recorded_us=self._recorded(said.recorded_at) if self._trust else None,
            withheld=said.personal is not None,
            count=said.events,
        )

    def _key(self, line: bytes) -> str:
        digest = hashlib.sha256(line).digest()
        count = self._seen[digest] = self._seen.get(digest, 0) + 1
        return f"sha256:{digest.hex()}:{count}"

    @staticmethod
    def _recorded(moment: datetime | None) -> int:
        if moment is None or moment.utcoffset() is None:
            raise InvalidEvent("recorded_at has no time zone; add one, like Z or +01:00")
        return to_microseconds(moment)


def _parse(line: bytes) -> _Line:
    try:
        said = _decode_line(line)
        twice = _said_twice(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(_what_is_wrong(error)) from None
    if twice is not None:
        raise InvalidEvent(f"the field {twice!a} stands there twice; which one is meant?")
    return said


def _what_is_wrong(error: Exception) -> str:
    text = str(error)
    if isinstance(error, RecursionError):
        return "not a JSON object: it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return text.replace("Object contains", "the line has").replace("Object missing", "missing")
    return f"not a JSON object: {text[:120]}"


def _said_twice(line: bytes) -> str | None:
    """A field that an object names twice: parsers take the last and say nothing."""
    plain = not (b" :" in line or b"\t" in line or b"\r" in line)
    if plain and line.count(b'":') == _names(msgspec.json.decode(line)):
        return None  # every name stands right before its colon, and as many are left when read
    twice: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        twice.extend(name for name in names if names.count(name) > 1)

    json.JSONDecoder(object_pairs_hook=check).decode(line.decode())
    return twice[0] if twice else None


def _names(value: Any) -> int:
    """How many names the objects in a JSON value have."""
    inside = value.values() if type(value) is dict else value
    count = len(value) if type(value) is dict else 0
    for each in inside:
        if type(each) is dict or type(each) is list:
            count += _names(each)
    return count


def export_lines(
    store: CaseStore, *, stream: str | None = None, reveal: bool = False
) -> Iterator[bytes]:
    """Every event as an NDJSON line, in position order, or one stream's in version order.

    Personal text is withheld, and the line says so, unless `reveal`; what was erased is gone.
    Raises StreamNotFound, KeyFileError.
    """
    events: Iterable[Recorded]
    if stream is None:
        events = store.read(reveal=reveal)
    else:
        events = store.history(stream, reveal=reveal).originals
    for recorded in events:
        yield _export(recorded)


def _export(recorded: Recorded) -> bytes:
    event, said = recorded.event, recorded.metadata
    serializer = cast(Any, type(event)).__pydantic_serializer__
    line = _Exported(
        recorded.stream,
        recorded.type,
        msgspec.Raw(serializer.to_json(event, exclude_none=True)),
        said.key,
        recorded.uid,
        said.source,
        said.correlation_id,
        said.causation_id,
        recorded.recorded_at,
        recorded.privacy if recorded.privacy in ("withheld", "erased") else None,
        said.events if said.events != 1 else None,
    )
    return b"%s\n" % msgspec.json.encode(line)
