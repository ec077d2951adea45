"""Which values stand where: what a shell may complete after an option, or as an argument.

A parameter is known by its name, so that a command says nothing of it: any `--team`, of whichever
command, takes a team. This is imported only where a value is to be completed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any, Literal, get_origin

import click

from casestore import CaseStore
from casestore.events import VOCABULARY
from casestore.events.base import Known, New, Personal
from casestore.events.currencies import CURRENT
from casestore.events.markers import brings, fields_of, marker, parts
from cli.terminal.options import Settings
from projections.query import seen_names
from projections.query.report import Report
from projections.reports import REPORTS

Source = Callable[[click.Context, str], Iterable[str]]
"""Gives the values that begin with what was typed."""


def _store(ctx: click.Context) -> CaseStore:
    return ctx.find_root().ensure_object(Settings).open_store()


def _cases(ctx: click.Context, typed: str) -> Iterable[str]:
    if typed.startswith(("case:", "customer:")):
        return _streams(ctx, typed)
    return _ids(ctx, "case", typed)


def _customers(ctx: click.Context, typed: str) -> Iterable[str]:
    return _ids(ctx, "customer", typed)


def _ids(ctx: click.Context, kind: str, typed: str) -> list[str]:
    with _store(ctx) as store:
        found = seen_names.streams(store, f"{kind}:{typed}")
    return [name.removeprefix(f"{kind}:") for name in found]


def _streams(ctx: click.Context, typed: str) -> Iterable[str]:
    if ":" not in typed:
        return _beginning(typed, ("case:", "customer:", "policy"))
    with _store(ctx) as store:
        return seen_names.streams(store, typed)


def _seen(name: str) -> Source:
    def names(ctx: click.Context, typed: str) -> Iterable[str]:
        with _store(ctx) as store:
            return seen_names.seen(store, name, typed)

    return names


def _actors(ctx: click.Context, typed: str) -> Iterable[str]:
    kinds = [f"{kind}:" for kind in _codes("actor.kind", VOCABULARY[0])]
    if ":" not in typed:
        return _beginning(typed, kinds)
    with _store(ctx) as store:
        return _beginning(typed, seen_names.actors(store))


def _zones(_: click.Context, typed: str) -> Iterable[str]:
    from zoneinfo import available_timezones  # noqa: PLC0415  (it looks through a folder)

    return _beginning(typed, sorted(available_timezones() - {"Factory", "localtime"}))


def _report(ctx: click.Context) -> Report[Any] | None:
    """The report that answers a command; some options ask another one."""
    names = ctx.command_path.split(" ")[1:]
    report = next((each for each in REPORTS if each.name == " ".join(names)), None)
    for option in () if report is None else report.options:
        if option.instead is not None and ctx.params.get(option.name.replace("-", "_")):
            return option.instead
    return report


def _sort_names(ctx: click.Context, typed: str) -> Iterable[str]:
    report = _report(ctx)
    return [] if report is None else _beginning(typed, report.line.__struct_fields__)


def _columns(ctx: click.Context, typed: str) -> Iterable[str]:
    before, comma, last = typed.rpartition(",")
    report = _report(ctx)
    names: Iterable[str] = () if report is None else report.line.__struct_fields__
    if ctx.command_path.endswith("case timeline"):
        from cli.views import timeline  # noqa: PLC0415  (only for this one)

        with ctx.scope(cleanup=False):  # it looks at the settings
            names = [column.name for column in timeline.columns(UTC)]
    named = before.split(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, names) if name not in named]


def _fields(ctx: click.Context, typed: str) -> Iterable[str]:
    """FIELD= of the type that was typed before, and after the = what can stand there."""
    by_name = {each.__name__: each for each in VOCABULARY}
    cls = by_name.get(str(ctx.params.get("type_")))
    if cls is None:
        return []
    field, equals, value = typed.partition("=")
    if not equals:
        given = {each.partition("=")[0] for each in ctx.params.get("fields") or ()}
        return [f"{name}=" for name in _beginning(field, _written(cls)) if name not in given]
    before, comma, last = value.rpartition(",")
    return [f"{field}={before}{comma}{each}" for each in _values(ctx, cls, field, last)]


def _written(cls: type[Any], outer: str = "") -> Iterator[str]:
    """The names of a type's fields, as `record` takes them: value.amount for one inside another."""
    for name, hint in fields_of(cls).items():
        inner = _inner(hint)
        if name == "actor" and not outer:  # there is --actor
            continue
        if inner is None:
            yield f"{outer}{name}"
        else:
            yield from _written(inner, f"{outer}{name}.")


def _inner(hint: Any) -> type[Any] | None:
    several = any(get_origin(part) is tuple for part in parts(hint))
    inside = [
        part for part in parts(hint) if isinstance(part, type) and dataclasses.is_dataclass(part)
    ]
    return inside[0] if inside and not several else None


def _hint(cls: type[Any], field: str) -> Any:
    """The declared type of a field, by its dotted name; None where there is none."""
    name, _, rest = field.partition(".")
    hint = fields_of(cls).get(name)
    inner = _inner(hint)
    return hint if not rest or inner is None else _hint(inner, rest)


def _codes(field: str, cls: type[Any]) -> list[str]:
    """The codes that a field may have, if they are fixed."""
    hint = _hint(cls, field)
    if field.endswith("currency"):
        return sorted(CURRENT)
    if any(part is bool for part in parts(hint)):
        return ["true", "false"]
    return [code for part in parts(hint) if get_origin(part) is Literal for code in part.__args__]


def _values(ctx: click.Context, cls: type[Any], field: str, typed: str) -> Iterable[str]:
    if codes := _codes(field, cls):
        return _beginning(typed, codes)
    hint, name = _hint(cls, field), field.rpartition(".")[2]
    if hint is None or marker(hint, Personal) is not None or marker(hint, New) is not None:
        return []
    if (known := marker(hint, Known)) is not None:
        return _beginning(typed, _known_ids(ctx, known.kind))
    if name in SOURCES:
        return SOURCES[name](ctx, typed)
    with _store(ctx) as store:
        return _beginning(typed, seen_names.values(store, cls.__name__, field))


def _known_ids(ctx: click.Context, kind: str) -> list[str]:
    """The ids of a kind in the stream that was typed before."""
    with _store(ctx) as store:
        events = store.history(str(ctx.params.get("stream"))).originals
        return [each for event in events for of, each in brings(event.event) if kind in (of, "*")]


def _beginning(typed: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(typed)]


SOURCES: dict[str, Source] = {
    "case": _cases,
    "case_id": _cases,
    "customer": _customers,
    "customer_id": _customers,
    "stream": _streams,
    **{name: _seen(name) for name in seen_names.NAMES},
    "actor": _actors,
    "actor_text": _actors,
    "fields": _fields,
    "tz": _zones,
    "zone": _zones,
    "sort": _sort_names,
    "columns": _columns,
}
"""By the name of a parameter, as the command's function has it."""
