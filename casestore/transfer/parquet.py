"""Export as a Parquet file, for DuckDB, pandas and BI tools. Needs the extra `parquet`.

One row an event, as it was recorded, in the order of position: corrections are rows too, and are
not applied. `data` is the same JSON as in an export as NDJSON, to the byte.

The columns are written down here. They do not come from what a store holds, so that the files of
two stores, or of two months, can be read as one table; nor from the whole vocabulary, which would
make each new type of event another schema. A field of the vocabulary has a column, by its own name,
if it is an id that other events name, or what reports count, group or measure by. What has none
stands in `data`, where DuckDB finds it by `data->>'$.topic'`. New columns come at the end.

Personal text stands in `data` alone, and only where it is revealed: so the schema is the same.

The file's metadata (key `casestore.…`) says from which store and up to which position it is. The
same store, options, casestore and pyarrow give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import Any

from casestore.errors import StoreDamaged
from casestore.events import EventCorrected
from casestore.events.base import Money, Personal
from casestore.events.made import making
from casestore.events.markers import fields_of, marker, parts, per_class
from casestore.store import CaseStore
from casestore.streams.history import Recorded

ENVELOPE = {
    "position": "integer",
    "stream": "text",
    "stream_kind": "text",  # case, customer or policy
    "stream_id": "text",  # of a case its case_id; none of the policy stream
    "version": "integer",
    "type": "text",
    "event_id": "text",
    "customer_id": "text",  # whom it is about
    "occurred_at": "time",
    "recorded_at": "time",
    "actor_kind": "text",
    "actor_id": "text",
    "actor_role": "text",
    "actor_team": "text",
    "source": "text",
    "key": "text",
    "correlation_id": "text",
    "causation_id": "text",
    "privacy": "text",  # of an event with personal text: withheld, revealed or erased
}
"""What every event has."""
FIELDS = {
    **dict.fromkeys(
        (
            *("message_id", "ask_id", "issue_id", "reply_id", "promise_id", "statement_id"),
            *("finding_id", "refusal_id", "request_id", "consultation_id", "escalation_id"),
            *("decision_id", "apology_id", "remedy_id", "gesture_id", "offer_id", "option_id"),
            *("hold_id", "resend_of", "into", "out_of"),
            *("kind", "reason", "channel", "purpose", "category", "product", "region"),
            *("agent", "team", "sentiment", "outcome", "fault", "root_cause"),
        ),
        "text",
    ),
    "issue_ids": "texts",
    "received_at": "time",
    "due_at": "time",
    "automated": "flag",
    "asked_for": "flag",
    "remedy_owed": "flag",
    "agreed_by_customer": "flag",
    "rating": "integer",
    "scale": "integer",
}
"""Fields of the vocabulary, which docs/events.md explains. `type` says whose they are."""
OTHERS = {
    "amount": "amount",  # the event's one amount of money: a value, a loss, what was asked for
    "currency": "text",
    "corrects": "text",  # of an EventCorrected, the event_id of what it corrects
    "data": "text",  # all fields as JSON, also those above
}
COLUMNS = ENVELOPE | FIELDS | OTHERS
"""By the name of a column what it holds, as `arrow_types` knows it."""

_UNIQUE = ("position", "event_id", "occurred_at", "recorded_at", "key", "data")
WRITING = {"compression": "zstd", "use_dictionary": [n for n in COLUMNS if n not in _UNIQUE]}
MOST_ROWS = 65_536
"""Rows of a group, which readers read or pass over as a whole. It is held in memory."""
MOST_BYTES = 16 * 1024 * 1024
"""Bytes after which a group ends, however few rows it has."""
_ROWS = 2_048
_BYTES = 1024 * 1024
"""The same of a chunk: what is held as Python's objects, which take ten times the room."""


def pyarrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet. Raises ImportError, which says how to get them."""
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415  (it is an extra)
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: PLC0415  (the same)
    except ImportError:
        raise ImportError("parquet needs pyarrow: pip install 'casestore[parquet]'") from None
    return pyarrow, pyarrow.parquet


def arrow_types(pa: Any) -> dict[str, Any]:
    """Arrow's types by our words for them.

    Times are instants in UTC, to the microsecond. An amount keeps all its digits: 16 before the
    point and 8 after it are the most of an event, and sums have 30.
    """
    amount = pa.decimal128(38, 8)
    return {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "amount": amount,
        "amounts": pa.list_(pa.struct([("amount", amount), ("currency", pa.string())])),
    }


def write_parquet(
    store: CaseStore, path: Path, *, stream: str | None = None, reveal: bool = False
) -> int:
    """Write every event into a Parquet file. Gives their number.

    Args:
        store: the store to read.
        path: the file, which is replaced.
        stream: only this stream, in version order. If left out, all, in position order.
        reveal: include personal text, in `data`. This needs the key file.

    Raises:
        ImportError: pyarrow is not installed.
        StreamNotFound: there is no such stream.
        InvalidStream: `stream` is not the name of a stream.
        KeyFileError: the key file is missing, or does not hold the right key.
        StoreUnavailable: the database does not answer.
        StoreDamaged: a stored event cannot be read.
        OSError: the file cannot be written.
    """
    pa, parquet = pyarrow()
    types = arrow_types(pa)
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    events: Iterable[Recorded]
    if stream is None:
        events = store.read(reveal=reveal)
    else:
        events = store.history(stream, reveal=reveal).originals
    count, first, last = 0, None, None
    with path.open("wb") as file, parquet.ParquetWriter(file, schema, **WRITING) as writer:
        for group in _groups(_chunks(events, pa, schema)):
            writer.write_table(pa.Table.from_batches(group))
            count += sum(len(chunk) for chunk in group)
            first = group[0]["position"][0] if first is None else first
            last = group[-1]["position"][-1]
        about = {
            "version": version("casestore"),
            "store_id": store.meta["store_id"],
            "stream": stream,
            "events": count,
            "first_position": first,
            "last_position": last,
            "personal": "revealed" if reveal else "withheld",
        }
        writer.add_key_value_metadata(
            {f"casestore.{name}": str(said) for name, said in about.items() if said is not None}
        )
    return count


def _groups(chunks: Iterable[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    rows = size = 0
    for chunk in chunks:
        group.append(chunk)
        rows, size = rows + len(chunk), size + chunk.nbytes
        if rows >= MOST_ROWS or size >= MOST_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _chunks(events: Iterable[Recorded], pa: Any, schema: Any) -> Iterator[Any]:
    chunk = _Chunk()
    for recorded in events:
        chunk.add(recorded)
        if len(chunk.rows) == _ROWS or chunk.size >= _BYTES:
            yield chunk.batch(pa, schema)
            chunk = _Chunk()
    if chunk.rows:
        yield chunk.batch(pa, schema)


class _Chunk:
    """Some events, column by column."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        """The values of ENVELOPE, and `data`."""
        self.size = 0
        """The bytes of `data`."""
        self._few: dict[str, list[Any]] = {}
        """The other columns, each up to the last row that has a value in it."""

    def add(self, recorded: Recorded) -> None:
        event, metadata = recorded.event, recorded.metadata
        data = making(type(event)).serializer.to_json(event, exclude_none=True)
        for name, read in _readers(type(event)):
            if (value := read(event)) is not None:
                column = self._few.setdefault(name, [])
                column += [None] * (len(self.rows) - len(column))
                column.append(value)
        kind, _, each = recorded.stream.partition(":")
        actor = event.actor
        self.rows.append(
            (
                recorded.position,
                recorded.stream,
                kind,
                each or None,
                recorded.version,
                recorded.type,
                recorded.uid,
                recorded.customer_id,
                event.occurred_at,
                recorded.recorded_us,
                actor.kind,
                actor.id,
                actor.role,
                actor.team,
                metadata.source,
                metadata.key,
                metadata.correlation_id,
                metadata.causation_id,
                recorded.privacy,
                data,
            )
        )
        self.size += len(data)

    def batch(self, pa: Any, schema: Any) -> Any:
        """The events as a pyarrow.RecordBatch. Raises StoreDamaged."""
        columns: dict[str, Any] = dict(
            zip((*ENVELOPE, "data"), zip(*self.rows, strict=True), strict=True)
        )
        columns |= self._few
        arrays = []
        for field in schema:
            values, count = columns.get(field.name, ()), len(self.rows)
            array = _array(pa, values, field.type)
            if array is None:
                fits = [_array(pa, [value], field.type) is not None for value in values]
                position = self.rows[fits.index(False)][0]
                raise StoreDamaged(
                    f"the event at position {position} was altered: no event has such a value for "
                    f"{field.name}; an export as ndjson shows it"
                )
            missing = pa.nulls(count - len(values), field.type)
            arrays.append(pa.concat_arrays([array, missing]) if len(missing) else array)
        return pa.record_batch(arrays, schema=schema)


def _array(pa: Any, values: list[Any], kind: Any) -> Any:
    """The values as an array; None where one does not fit the type, as with too many decimals."""
    try:
        return pa.array(values, kind)
    except (ValueError, OverflowError):
        return None


@per_class
def _readers(cls: type[Any]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """What takes the values of columns out of the events of a class, by column."""
    hints = {name: hint for name, hint in fields_of(cls).items() if not marker(hint, Personal)}
    found: list[tuple[str, Callable[[Any], Any]]]
    found = [(name, attrgetter(name)) for name in FIELDS if name in hints]
    for name, hint in hints.items():
        if Money in parts(hint):
            found += [("amount", _amount_of(name)), ("currency", _currency_of(name))]
    if cls is EventCorrected:
        found.append(("corrects", _corrects))
    return tuple(found)


def _amount_of(name: str) -> Callable[[Any], Any]:
    return lambda event: None if (money := getattr(event, name)) is None else money.amount


def _currency_of(name: str) -> Callable[[Any], Any]:
    return lambda event: None if (money := getattr(event, name)) is None else money.currency


def _corrects(event: EventCorrected) -> str:
    return str(event.event_id)
