"""Export as CloudEvents 1.0: NDJSON lines, each an event in structured mode.

    {"specversion":"1.0","id":"…","source":"/casestore/<store id>",
     "type":"org.casestore.PromiseMade.v1","subject":"case:4711","time":"…",
     "datacontenttype":"application/json","sequence":"0000000000000000017",
     "partitionkey":"case:4711","recordedtime":"…","streamversion":3,"correlationid":"…",
     "causationid":"…","personal":"withheld","data":{…}}

Formats: https://github.com/cloudevents/spec, JSON Event Format 1.0.2, and its documented extensions
sequence, partitioning, recordedtime and correlation. `sequence` is the position; its texts have to
be in order as texts, so that it is padded with zeros. `streamversion` and `personal` are ours:
the number in the stream, and that the personal text was withheld or erased.

`casestore.intake.cloudevents` reads them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from casestore.events import Event
from casestore.events.made import making
from casestore.store import CaseStore
from casestore.streams.history import Recorded

_DIGITS = 19
"""Of the largest position that a database gives."""


class _CloudEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    sequence: str | None = None
    partitionkey: str
    recordedtime: datetime | None = None
    streamversion: int
    correlationid: str | None = None
    causationid: str | None = None
    personal: str | None = None
    data: msgspec.Raw


def type_name(cls: type[Event]) -> str:
    """The CloudEvents type of an event class, like org.casestore.PromiseMade.v1."""
    return f"org.casestore.{cls.__name__}.v{cls.SCHEMA}"


def source_of(store_id: str) -> str:
    """The CloudEvents source of a store."""
    return f"/casestore/{store_id}"


def cloud_event(store_id: str, recorded: Recorded) -> bytes:
    """An event as a CloudEvent in JSON, in UTF-8, without a newline.

    Args:
        store_id: the store's id, `store.meta["store_id"]`.
        recorded: the event. Its personal text is in it as far as it was revealed.

    Raises StoreDamaged: its metadata cannot be read.
    """
    event, metadata = recorded.event, recorded.metadata
    position = recorded.position
    made = _CloudEvent(
        specversion="1.0",
        id=recorded.uid,
        source=source_of(store_id),
        type=type_name(type(event)),
        subject=recorded.stream,
        time=recorded.occurred_at,
        datacontenttype="application/json",
        sequence=None if position is None else f"{position:0{_DIGITS}}",
        partitionkey=recorded.stream,
        recordedtime=recorded.recorded_at,
        streamversion=recorded.version,
        correlationid=metadata.correlation_id or None,
        causationid=metadata.causation_id or None,
        personal=recorded.privacy if recorded.privacy in ("withheld", "erased") else None,
        data=msgspec.Raw(making(type(event)).serializer.to_json(event, exclude_none=True)),
    )
    return msgspec.json.encode(made)


def cloud_event_lines(
    store: CaseStore, *, stream: str | None = None, reveal: bool = False
) -> Iterator[bytes]:
    """Every event as a line with a CloudEvent, which ends in a newline.

    The arguments and errors are those of `casestore.transfer.ndjson.export_lines`.
    """
    events: Iterable[Recorded]
    if stream is None:
        events = store.read(reveal=reveal)
    else:
        events = store.history(stream, reveal=reveal).originals
    for recorded in events:
        yield cloud_event(store.meta["store_id"], recorded) + b"\n"
