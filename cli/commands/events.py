"""`casestore events`: the vocabulary, as the event classes themselves declare it."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from inspect import cleandoc
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import click

from casestore.errors import quoted
from casestore.events import EVENTS, VOCABULARY, Event
from casestore.events.base import FullId, Id, Known, New, Personal
from casestore.events.markers import fields_of, marker
from casestore.events.meanings import meanings, schema_of, values_in
from cli.terminal.nearest import did_you_mean
from cli.terminal.options import EVENT_TYPE, Code, Usage
from cli.terminal.output import (
    Column,
    for_people,
    heading,
    print_lines,
    print_object,
    print_rows,
    table,
    tabular,
)


@click.command
@click.argument("type_", metavar="[TYPE]", required=False, type=EVENT_TYPE)
@click.option(
    "--schema",
    type=Code(["json", "asyncapi"]),
    help="For other programs: the JSON Schema (2020-12) of what `export` writes, or of TYPE; or "
    "the AsyncAPI 3.0 document of what `relay` sends.",
)
@tabular
def events(type_: str | None, schema: str | None) -> None:
    """List the events that a history can hold.

    With TYPE: its fields and what each means, and with --format json its JSON Schema too.

    \b
    Examples:
      casestore events
      casestore events PromiseMade
      casestore events PromiseMade --format json
      casestore events --schema asyncapi
    """
    if schema is not None:
        _print_schema(schema, None if type_ is None else _class(type_))
    elif type_ is None:
        print_rows(_LIST, map(_listed, VOCABULARY))
    else:
        _print_type(_class(type_))


def _print_schema(schema: str, cls: type[Event] | None) -> None:
    from casestore.transfer.schemas import (  # noqa: PLC0415  (pydantic: only where it is asked for)
        asyncapi,
        json_schema,
    )

    if schema == "asyncapi" and cls is not None:
        raise Usage("an AsyncAPI document tells of all events; leave TYPE out")
    print_object(asyncapi() if schema == "asyncapi" else json_schema(cls))


def _class(type_: str) -> type[Event]:
    cls = {cls.__name__.lower(): cls for cls in VOCABULARY}.get(type_.lower())
    if cls is None:
        names = [cls.__name__ for cls in VOCABULARY]
        hint = did_you_mean(type_, names) or "; `casestore events` lists them"
        raise Usage(f"there is no event type {quoted(type_)}{hint}")
    return cls


def _print_type(cls: type[Event]) -> None:
    if not for_people():
        print_object(
            {**_listed(cls), "fields": list(fields_in_words(cls)), "schema": schema_of(cls)}
        )
        return
    print_lines(_described(cls))


_LIST = (
    Column("type"),
    Column("streams"),
    Column("doc", "what it says"),
    Column("fields", people=False),
)
_FIELDS = (
    Column("field"),
    Column("required"),
    Column("personal"),
    Column("type", wraps=True),
    Column("meaning", "what it says", wraps=True),
)
_INNER = tuple(column for column in _FIELDS if column.name != "personal")


def _listed(cls: type[Event]) -> dict[str, Any]:
    return {
        "type": cls.__name__,
        "streams": [kind for kind, classes in EVENTS.items() if cls in classes],
        "doc": cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        "fields": list(fields_of(cls)),
    }


def _described(cls: type[Event]) -> Iterator[str]:
    about = _listed(cls)
    yield heading(f"{cls.__name__} (on {' and '.join(about['streams'])} streams)")
    yield from cleandoc(cls.__doc__ or "").splitlines()
    yield ""
    fields = _marked(cls)
    yield from table(_FIELDS if any(each["personal"] for each in fields) else _INNER, fields)
    for inner in values_in(cls):
        yield ""
        yield heading(f"{inner.__name__.lower()}:")
        yield from table(_INNER, _marked(inner))


def _marked(cls: type[Any]) -> list[dict[str, Any]]:
    """The fields for a table: a flag shows its name if it is true, and nothing if it is false."""
    flags = ("required", "personal")
    return [
        field | {flag: flag if field[flag] else "" for flag in flags}
        for field in fields_in_words(cls)
    ]


def fields_in_words(cls: type[Any]) -> Iterator[dict[str, Any]]:
    """Of each field of an event or value class: whether it must be there, its type, its meaning."""
    hints, said = fields_of(cls), meanings(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        yield {
            "field": field.name,
            "required": _is_required(field),
            "personal": marker(hint, Personal) is not None,
            "type": _in_words(hint),
            "meaning": said[field.name],
        }


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


_NAMES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    datetime: "time, like 2026-03-02T17:00:00Z",
    Decimal: "amount, like 25.00",
    UUID: "UUID",
    dict: "object",
}


def _in_words(hint: Any) -> str:
    """A field's type for people: `list of id (known issue)`, `time`, `email or phone`."""
    mark = marker(hint, New) or marker(hint, Known)
    if mark is not None:
        adjective = "new" if isinstance(mark, New) else "known"
        kind = "one" if mark.kind == "*" else mark.kind
        return f"{_bare_words(hint)} ({adjective} {kind})"
    return _bare_words(hint)


def _bare_words(hint: Any) -> str:
    marks = getattr(hint, "__metadata__", ())
    if any(get_args(id_type)[1] in marks for id_type in (Id, FullId)):  # a Code is like an Id
        return "id"
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bare_words(args[0])
    if origin is Literal:
        return ", ".join(args[:-1]) + f" or {args[-1]}"
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        return f"list of {_in_words(args[0])}"
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint.__name__.lower()
    return _NAMES.get(origin or hint, "any JSON")
