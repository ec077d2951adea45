"""The vocabulary as schemas for other programs: JSON Schema, and AsyncAPI for what a relay sends.

Formats: https://json-schema.org/draft/2020-12, https://www.asyncapi.com/docs/reference/specification/v3.0.0.
"""

from __future__ import annotations

from importlib.metadata import version
from inspect import cleandoc
from typing import Any

from casestore.events import EVENTS, VOCABULARY, Event
from casestore.events.meanings import schema_of
from casestore.transfer.cloudevents import type_name

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS = {
    "case": "What happened to a case.",
    "customer": "What is known of a customer.",
    "policy": "Which policies were adopted.",
}
_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_PERSONAL = {
    "enum": ["withheld", "erased"],
    "description": "The event has personal text, which is not told here, or was erased.",
}
_STREAM = {
    "type": "string",
    "pattern": "^(case:.+|customer:.+|policy)$",
    "description": "The stream, like case:4711.",
}


def json_schema(cls: type[Event] | None = None) -> dict[str, Any]:
    """The JSON Schema of an event class, or of the lines of NDJSON that hold any event.

    `$defs` of the latter has the event classes, and the values in them.
    """
    if cls is not None:
        return {"$schema": _DIALECT, **schema_of(cls)}
    data = [
        {
            "properties": {
                "type": {"const": each.__name__},
                "data": {"$ref": f"#/$defs/{each.__name__}"},
            }
        }
        for each in VOCABULARY
    ]
    return {
        "$schema": _DIALECT,
        "title": "casestore event",
        "description": "A line of `casestore export`, which `casestore import` takes.",
        "type": "object",
        "required": ["stream", "type", "data"],
        "properties": {
            "stream": _STREAM,
            "type": {"enum": [each.__name__ for each in VOCABULARY]},
            "data": {"type": "object", "description": "The event's fields."},
            "key": _TEXT | {"description": "The key of its append."},
            "event_id": {"type": "string", "format": "uuid"},
            "source": _TEXT | {"description": "Where it came from."},
            "correlation_id": _TEXT,
            "causation_id": _TEXT,
            "recorded_at": _TIME | {"description": "When the store took it."},
            "personal": _PERSONAL,
            "events": {"type": "integer", "description": "How many events the append had."},
        },
        "additionalProperties": False,
        "oneOf": data,
        "$defs": _definitions("#/$defs/"),
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of what a relay sends: a channel for each kind of stream."""
    kinds = {name: _KINDS[name] for name in EVENTS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "casestore",
            "version": version("casestore"),
            "description": (
                "Events as a relay sends them: by POST, one CloudEvent a request in structured "
                "mode, or several as application/cloudevents-batch+json; signed as Standard "
                "Webhooks say. Each comes at least once, and those of one stream in order."
            ),
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {name: _channel(name, said) for name, said in kinds.items()},
        "operations": {
            f"send_{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": said,
            }
            for name, said in kinds.items()
        },
        "components": {
            "messages": {cls.__name__: _message(cls) for cls in VOCABULARY},
            "messageTraits": {"webhook": _WEBHOOK},
            "schemas": {"CloudEvent": _ENVELOPE, **_definitions("#/components/schemas/")},
        },
    }


def _channel(kind: str, said: str) -> dict[str, Any]:
    names = [cls.__name__ for cls in EVENTS[kind]]
    return {
        "address": None,  # it is the receiver's
        "description": said,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _message(cls: type[Event]) -> dict[str, Any]:
    return {
        "name": type_name(cls),
        "title": cls.__name__,
        "summary": cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        "traits": [{"$ref": "#/components/messageTraits/webhook"}],
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": type_name(cls)},
                        "data": {"$ref": f"#/components/schemas/{cls.__name__}"},
                    },
                },
            ]
        },
    }


_WEBHOOK = {
    "headers": {
        "type": "object",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": _TEXT | {"description": "The event's id: the same when it comes again."},
            "webhook-timestamp": _TEXT | {"description": "When it was sent, in seconds of Unix."},
            "webhook-signature": _TEXT | {"description": "v1, and the HMAC-SHA256 in base64."},
        },
    }
}
_ENVELOPE = {
    "type": "object",
    "description": "The envelope of CloudEvents 1.0.",
    "required": [
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype"),
        *("partitionkey", "streamversion", "data"),
    ],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "The event's id."},
        "source": {
            "type": "string",
            "format": "uri-reference",
            "pattern": "^/casestore/.+$",
            "description": "/casestore/ and the store's id.",
        },
        "type": _TEXT | {"description": "org.casestore.<Type>.v<schema>"},
        "subject": _STREAM,
        "time": _TIME | {"description": "When it happened."},
        "datacontenttype": {"const": "application/json"},
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]{19}$",
            "description": "The position in the store; in order as text.",
        },
        "partitionkey": _STREAM,
        "recordedtime": _TIME | {"description": "When the store took it."},
        "streamversion": {
            "type": "integer",
            "minimum": 1,
            "description": "The number in its stream: 1, 2, …, without gaps.",
        },
        "correlationid": _TEXT,
        "causationid": _TEXT,
        "personal": _PERSONAL,
        "data": {"type": "object", "description": "The event's fields."},
    },
}


def _definitions(place: str) -> dict[str, Any]:
    """The schemas of all event classes and of the values in them, with references to `place`."""
    found: dict[str, Any] = {}
    for cls in VOCABULARY:
        schema = schema_of(cls)
        found |= {name: _placed(inner, place) for name, inner in schema.pop("$defs", {}).items()}
        found[cls.__name__] = _placed(schema, place)
    return dict(sorted(found.items()))


def _placed(schema: Any, place: str) -> Any:
    """A schema whose references lead to where the definitions are."""
    if isinstance(schema, list):
        return [_placed(each, place) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: place + each.removeprefix("#/$defs/")
        if name == "$ref" and isinstance(each, str)
        else _placed(each, place)
        for name, each in schema.items()
    }
