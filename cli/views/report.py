"""Prints a report, for people or for programs: its rows and their summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import chain
from typing import Any, get_args, get_origin, get_type_hints

import click

from casestore import Money
from casestore.streams.wording import counted, duration
from cli.terminal.options import settings
from cli.terminal.output import (
    Column,
    cell,
    for_documents,
    for_people,
    names_asked_for,
    print_long_object,
    print_rows,
)
from cli.terminal.text import visible
from projections.query.report import Report, Result


def warn_of_parked(count: int) -> None:
    """Say on stderr that a report lacks the rows of parked streams, if there are any."""
    if count:
        streams = f"{counted(count, 'stream')} {'is' if count == 1 else 'are'}"
        click.echo(
            f"casestore: {streams} missing here: their rows could not be made; "
            "`casestore projections status` tells why",
            err=True,
        )


def show(report: Report[Any], result: Result[Any], zone: tzinfo) -> None:
    """Print what a report answered, in the format that was asked for."""
    warn_of_parked(result.parked)
    names, rows = _named(report.line.__struct_fields__, result)
    if settings().format == "json":
        chosen = names_asked_for(list(map(Column, names)))
        print_long_object(
            {
                "report": result.report,
                "as_of": result.as_of,
                "known_at": result.known_at,
                "position": result.position,
                "rows": ({name: row[name] for name in chosen} for row in rows),
                "summary": result.summary,
            }
        )
        return
    shown = _in_order_of(report.shown.split(), names)
    columns = _columns(names, report, shown)
    if for_people() or for_documents():
        # What people are shown stands first, in the order in which the report has it for them.
        first = [columns[name] for name in shown]
        others = [columns[name] for name in names if name not in shown]
        asked = names_asked_for([*first, *others])
        readable = [{name: _for_people(name, row[name]) for name in asked} for row in rows]
        empty = "none" if result.total == 0 else f"there are {result.total}; --limit shows none"
        remarks = list(_remarks(result, zone))
        print_rows([*first, *others], readable, zone=zone, empty=empty, remarks=remarks)
    else:
        about = {
            "report": result.report,
            "as of": result.as_of,
            "known at": result.known_at,
            "position": result.position,
        }
        print_rows(list(columns.values()), rows, zone=zone, about=about)


def _in_order_of(shown: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that are shown; of a mapping, each of its entries."""
    return [
        name
        for field in shown
        for name in names
        if name == field or (field not in names and name.startswith(f"{field}_"))
    ]


def _named(names: Sequence[str], result: Result[Any]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """The names of columns, and the rows. A mapping has a column for each of its entries:
    closed_within becomes closed_within_3d and so on; but not where the rows may not decide on
    columns."""
    lines = iter(result.rows)
    first = next(lines, None)
    spread = {
        name: [*value]
        for name in names
        if isinstance(value := getattr(first, name, None), Mapping)
        and settings().format != "parquet"
    }
    columns = [
        column
        for name in names
        for column in ([f"{name}_{key}" for key in spread[name]] if name in spread else [name])
    ]

    def row(line: Any) -> dict[str, Any]:
        cells = {name: getattr(line, name) for name in names}
        for name in spread:
            cells |= {f"{name}_{key}": each for key, each in cells.pop(name).items()}
        return cells

    return columns, map(row, lines if first is None else chain([first], lines))


def _remarks(result: Result[Any], zone: tzinfo) -> Iterator[str]:
    """What people are told below a report's rows: how many are left out, and the summary."""
    if 0 < len(result.rows) < result.total:
        yield f"… the first {len(result.rows)} of {result.total}"
    yield ""
    yield "; ".join(_summary(result.summary, zone))
    known = "" if result.known_at is None else f", as known at {cell(result.known_at, zone)}"
    yield f"as of {cell(result.as_of, zone)}{known}, up to position {result.position}"


_GO_FIRST = (
    *("about", "outcome", "hours_since_received", "asked_for", "year_count", "earlier_by"),
    *("agents", "replies", "messages", "agents_per_case", "contacts_per_case", "reopened"),
    *("satisfaction", "working_median_s", "beyond_authority_share", "unasked_share", "within"),
    *("channel", "code", "resent_by", "first_opened_at", "stated_by", "earlier_at"),
    *("within_authority", "year_value", "given_by", "team", "customer_id", "subject"),
    *("issues_open", "late_by_s", "made_by", "agent", "median_s"),
)
"""Where not all columns of a report fit, these go first, in this order; then those on the right."""
_TEXTS = ("value", "earlier_value", "limit", "reason", "topic")
"""Fields that may hold several words."""


def _columns(names: Sequence[str], report: Report[Any], shown: Sequence[str]) -> dict[str, Column]:
    """The columns of a report by name; people are shown some of them."""
    hints = get_type_hints(report.line)
    columns = {}
    for name in names:
        hint = hints.get(name, int)  # of a mapping's entries, which count
        columns[name] = Column(
            name,
            right=_is_number(hint),
            people=name in shown,
            wraps=name in _TEXTS and not _is_money(hint),
            money=_is_money(hint),
            holds=hint,
            goes=len(_GO_FIRST) - _GO_FIRST.index(name) if name in _GO_FIRST else 0,
        )
    return columns


def _is_money(hint: Any) -> bool:
    return hint is Money or (Money in get_args(hint) and get_origin(hint) is not list)


def _is_number(hint: Any) -> bool:
    return hint in (int, float, int | None, float | None) or _is_money(hint)


def _for_people(name: str, value: Any) -> Any:
    """The value of a field, in the form that people read."""
    if value is None:
        return None
    if name.endswith(("_s", "seconds")):
        return duration(value)
    if name.endswith(("share", "rate")):
        return f"{value:.0%}"
    if isinstance(value, str) and name in ("kind", "state", "status", "reason", "ledger"):
        return value.replace("_", " ")
    return value


def _summary(summary: Mapping[str, Any], zone: tzinfo) -> Iterator[str]:
    for name, value in summary.items():
        if value is None or value in ([], {}):
            continue
        if isinstance(value, Mapping):
            inside = ", ".join(_summary(value, zone))
            yield f"{_column_words(name)}: {inside}"
        else:
            yield visible(f"{_column_words(name)} {cell(_for_people(name, value), zone)}")


def _column_words(name: str) -> str:
    return re.sub(r"_s$", "", name).replace("_", " ")
