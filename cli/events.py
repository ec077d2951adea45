"""`casestore events`: the vocabulary, read off the event classes themselves."""

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
from pydantic import TypeAdapter

from casestore.events import EVENTS, VOCABULARY, Event
from casestore.events.base import Id, Known, New, Personal
from casestore.links import fields_of, marker
from cli.options import EventType, shared
from cli.output import Column, for_people, heading, print_lines, print_object, print_rows, table


@click.command
@click.argument("type_", metavar="[TYPE]", required=False, type=EventType())
@shared
def events(type_: str | None) -> None:
    """List the events that a history can hold.

    With TYPE: its fields, and with --format json its JSON Schema too.

    \b
    Examples:
      casestore events
      casestore events PromiseMade
      casestore events PromiseMade --format json
    """
    if type_ is None:
        print_rows(_LIST, map(_listed, VOCABULARY))
        return
    found = {cls.__name__.lower(): cls for cls in VOCABULARY}.get(type_.lower())
    if found is None:
        raise click.UsageError(f"there is no event type {type_!r}; `casestore events` lists them")
    if not for_people():
        schema = TypeAdapter(found).json_schema()
        print_object({**_listed(found), "fields": list(_fields(found)), "schema": schema})
        return
    print_lines(_described(found))


_LIST = (
    Column("type"),
    Column("streams"),
    Column("doc", "what it says"),
    Column("fields", people=False),
)
_FIELDS = (Column("field"), Column("required"), Column("personal"), Column("type"))


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
    rows = [
        {**field, **{flag: "yes" if field[flag] else "" for flag in ("required", "personal")}}
        for field in _fields(cls)
    ]
    yield from table(_FIELDS, rows)


def _fields(cls: type[Event]) -> Iterator[dict[str, Any]]:
    hints = fields_of(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        yield {
            "field": field.name,
            "required": _is_required(field),
            "personal": marker(hint, Personal) is not None,
            "type": _in_words(hint),
        }


def _is_required(field: dataclasses.Field[Any]) -> bool:
    nothing = dataclasses.MISSING
    return field.default is nothing and field.default_factory is nothing


_NAMES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    datetime: "time, like 2026-03-02T17:00:00Z",
    Decimal: "amount, like 25.00",
    UUID: "UUID",
    dict: "object",
}


def _in_words(hint: Any) -> str:
    """A field's type for people: `list of id (known issue)`, `time`, `email or phone`."""
    mark = marker(hint, New) or marker(hint, Known)
    if mark is not None:
        what = "new" if isinstance(mark, New) else "known"
        of_kind = "one" if mark.kind == "*" else mark.kind
        return f"{_bare_words(hint)} ({what} {of_kind})"
    return _bare_words(hint)


def _bare_words(hint: Any) -> str:
    if hint == Id:  # which Code is too
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
        inner = (f"{name}: {_in_words(each)}" for name, each in fields_of(hint).items())
        return f"{hint.__name__} {{{'; '.join(inner)}}}"
    return _NAMES.get(origin or hint, "any JSON")
