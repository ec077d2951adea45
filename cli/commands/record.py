"""`casestore record`: one event, from the fields given on the command line."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import click
import msgspec

from casestore import CaseStore, Event, InvalidEvent, StreamNotFound
from casestore.errors import quoted
from casestore.events import VOCABULARY
from casestore.events.markers import fields_of, parts
from casestore.streams.codec import Codec
from cli.terminal.actor import read_actor
from cli.terminal.nearest import did_you_mean
from cli.terminal.options import EVENT_TYPE, Usage, settings, shared
from cli.terminal.output import for_people, print_object
from cli.terminal.text import visible


@click.command
@click.argument("stream", metavar="STREAM")
@click.argument("type_", metavar="TYPE", type=EVENT_TYPE)
@click.argument("fields", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option(
    "--json",
    "json_text",
    metavar="TEXT",
    help="The fields as a JSON object; - reads standard input.",
)
@click.option(
    "--actor",
    metavar="KIND:ID[:ROLE[:TEAM]]",
    help="Who did it, like agent:anna. Default: CASESTORE_ACTOR.",
)
@click.option("--key", metavar="KEY", help="Makes a retry safe: the same key appends once.")
@click.option(
    "--expected-version",
    type=click.IntRange(min=0),
    metavar="N",
    help="Refuse unless the stream is at this version.",
)
@click.option("--source", metavar="NAME", help="Where the event comes from.")
@click.option("--correlation-id", metavar="ID", help="What ties it to other messages.")
@click.option("--causation-id", metavar="ID", help="The message that caused it.")
@shared
def record(
    *,
    stream: str,
    type_: str,
    fields: tuple[str, ...],
    json_text: str | None,
    actor: str | None,
    **append_options: Any,
) -> None:
    """Record one event.

    STREAM is case:ID, customer:ID or policy; `casestore events` lists the types and their fields.
    A field inside another is written with a dot, a list with commas or as JSON. The event
    happens now, unless occurred_at is given. FIELD=VALUE overrides the same field in --json.

    \b
    Examples:
      casestore record case:4711 CaseOpened customer_id=C-1 channel=email --actor agent:anna
      casestore record case:4711 PromiseMade promise_id=p1 kind=callback \\
          due_at=2026-03-02T17:00:00+01:00 --actor agent:anna --key crm-99812
      casestore record case:4711 GestureGiven gesture_id=g1 kind=voucher issue_ids=i1,i2 \\
          value.amount=25.00 value.currency=USD
      casestore record case:4711 MessageReceived --json - <message.json
    """
    cls = _event_class(type_)
    data = _read_json(json_text) if json_text is not None else {}
    for name, text in map(_split, fields):
        _put(data, name.split("."), text, cls)
    for name in data.keys() - fields_of(cls).keys():
        raise Usage(_no_field(cls, name))
    if "actor" not in data or actor is not None:
        data["actor"] = read_actor(actor)
    with settings().open_store() as store:
        if "occurred_at" not in data:
            data["occurred_at"] = _occurred_at(store, stream, append_options["key"])
        try:
            event = Codec().validate_json(cls.__name__, _as_json(data))
        except InvalidEvent as error:
            raise Usage(f"{error}; `casestore events {cls.__name__}` lists its fields") from None
        receipt = store.append(stream, event, **append_options)
    placed = {
        "stream": stream,
        "version": receipt.versions[0],
        "position": receipt.position,
        "event_id": receipt.event_ids[0],
    }
    if not for_people():
        print_object(placed)
    elif not settings().quiet:
        click.echo(
            visible(
                "{stream} version {version}, position {position}, event {event_id}".format(**placed)
            )
        )


def _event_class(name: str) -> type[Event]:
    classes = {cls.__name__: cls for cls in VOCABULARY}
    if name not in classes:
        hint = did_you_mean(name, classes) or "; `casestore events` lists them"
        raise Usage(f"there is no event type {quoted(name)}{hint}")
    return classes[name]


def _no_field(cls: type[Any], name: str) -> str:
    fields = fields_of(cls)
    hint = did_you_mean(name, fields) or f"; its fields are {', '.join(fields)}"
    return f"{cls.__name__} has no field {quoted(name)}{hint}"


def _read_json(json_text: str) -> dict[str, Any]:
    source: str | bytes = sys.stdin.buffer.read() if json_text == "-" else json_text
    try:
        return msgspec.json.decode(source, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Usage(f"--json is not a JSON object: {error}") from None


def _as_json(data: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError as error:  # Python has lone surrogates for bytes that are no UTF-8
        raise Usage(f"{quoted(error.object)} is not UTF-8, as a field must be") from None


def _split(field: str) -> tuple[str, str]:
    name, equals, text = field.partition("=")
    if not equals or not name:
        raise Usage(f"{quoted(field)} is not FIELD=VALUE; write it like kind=callback")
    return name, text


def _put(data: dict[str, Any], path: list[str], text: str, cls: type[Any]) -> None:
    """Set a field to the value that the text means in the field's declared type.

    The path has more than one name for a field inside another.
    """
    name, *rest = path
    hint = fields_of(cls).get(name)
    if hint is None:
        raise Usage(_no_field(cls, name))
    if not rest:
        data[name] = _read(text, hint, name)
        return
    inner: Any = next(filter(dataclasses.is_dataclass, parts(hint)), None)
    if inner is None or get_origin(_bare(hint)) is tuple:
        raise Usage(f"{cls.__name__}.{name} has no field {quoted('.'.join(rest))} inside")
    inner_data = data.setdefault(name, {})
    if not isinstance(inner_data, dict):
        raise Usage(f"{name} is given whole and in parts; give it once")
    _put(inner_data, rest, text, inner)


def _read(text: str, hint: Any, name: str) -> Any:
    """The JSON value that a text means in a field whose declared type is `hint`."""
    bare = _bare(hint)
    kind = get_origin(bare) or bare
    if kind is bool:
        if text not in ("true", "false"):
            raise Usage(f"{name} is {quoted(text)}; write true or false")
        return text == "true"
    if kind is tuple and not text.startswith("["):
        return text.split(",") if text else []
    if kind in _WRITTEN_AS_TEXT:  # read as JSON, the id 007 would be wrong and the word true a flag
        return text
    has_parts = isinstance(kind, type) and dataclasses.is_dataclass(kind)
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        if not has_parts:
            raise Usage(f"{name} is not JSON ({error})") from None
        value = None
    if has_parts and not isinstance(value, dict):
        examples = _EXAMPLES | (_OF_ACTORS if "team" in fields_of(kind) else {})
        parts_of = " ".join(f"{name}.{part}={examples.get(part, '…')}" for part in fields_of(kind))
        raise Usage(f"{name} is {text!r}, and has parts; write {parts_of}")
    return value


_EXAMPLES = {"amount": "25.00", "currency": "EUR", "kind": "reply", "id": "r1"}
"""What the part of a value may look like, by its name."""
_OF_ACTORS = {"kind": "agent", "id": "anna"}


_WRITTEN_AS_TEXT = (str, Literal, datetime, Decimal, UUID)


def _bare(hint: Any) -> Any:
    """A type hint without its markers, and without None as an alternative."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    others = [arg for arg in get_args(hint) if arg is not type(None)]
    if type(None) in get_args(hint) and len(others) == 1:
        return _bare(others[0])
    return hint


def _occurred_at(store: CaseStore, stream: str, key: str | None) -> str:
    """The present time; for a retry, whose key is on record already, that of the first attempt.

    With another time, the same key would stand for another event, and the retry be refused.
    """
    if key is not None:
        try:
            for recorded in store.history(stream).originals:
                if recorded.metadata.key == key:
                    return recorded.occurred_at.isoformat()
        except StreamNotFound:
            pass
    return datetime.now(UTC).isoformat()
