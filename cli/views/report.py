"""Prints a report, for people or for programs: its rows and their summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, get_type_hints

import click

from casestore import Money
from casestore.streams.wording import counted
from cli.terminal.options import settings
from cli.terminal.output import Column, cell, print_lines, print_object, print_rows, table
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
    names, rows = _spread(report.line.__struct_fields__, result)
    match settings().format:
        case "table":
            print_lines(lines(report, result, zone))
        case "json":
            print_object(
                {
                    "report": result.report,
                    "as_of": result.as_of,
                    "known_at": result.known_at,
                    "position": result.position,
                    "rows": rows,
                    "summary": result.summary,
                }
            )
        case _:
            print_rows(list(map(Column, names)), rows)


def _spread(names: Sequence[str], result: Result[Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of columns, and the rows. A mapping has a column for each of its entries:
    closed_within becomes closed_within_3d and so on."""
    rows = [{name: getattr(row, name) for name in names} for row in result.rows]
    columns: list[str] = []
    for name in names:
        first = rows[0][name] if rows else None
        if not isinstance(first, Mapping):
            columns.append(name)
            continue
        columns += [f"{name}_{key}" for key in first]
        rows = [row | {f"{name}_{key}": each for key, each in row[name].items()} for row in rows]
    return columns, [{name: row[name] for name in columns} for row in rows]


def lines(
    report: Report[Any], result: Result[Any], zone: tzinfo = UTC, *, without: str = ""
) -> Iterator[str]:
    """A report as text for people: a table of its rows, and their summary.

    Args:
        without: names of fields to leave out, with spaces between them.
    """
    shown = [name for name in report.shown.split() if name not in without.split()]
    names, plain = _spread(shown, result)
    rows = [{name: _for_people(name, value) for name, value in row.items()} for row in plain]
    columns = [_column(name, report) for name in names]
    yield from table(columns, rows, zone=zone) if rows else ["none"]
    if len(result.rows) < result.total:
        yield f"… the first {len(result.rows)} of {result.total}"
    yield ""
    yield "; ".join(_summary(result.summary, zone))
    known = "" if result.known_at is None else f", as known at {cell(result.known_at, zone)}"
    yield f"as of {cell(result.as_of, zone)}{known}, up to position {result.position}"


def _column(name: str, report: Report[Any]) -> Column:
    kind = get_type_hints(report.line).get(name, int)  # of a mapping's entries, which count
    return Column(name, heading(name), right=_is_number(kind))


def heading(name: str) -> str:
    """The heading of a field's column."""
    return re.sub(r"_(s|id|at|share)$", "", name).replace("_", " ")


def _is_number(hint: Any) -> bool:
    return hint in (int, float, int | None, float | None, Money | None)


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


def duration(seconds: int) -> str:
    """Seconds in words: the largest unit, and the next smaller one if there are any: 3 d 4 h."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    units = ((days, "d"), (hours, "h"), (minutes, "min"))
    parts = [f"{number} {unit}" for number, unit in units if number]
    largest = next(index for index, (number, _) in enumerate(units) if number)
    next_number = units[largest + 1][0] if largest + 1 < len(units) else 0
    return " ".join(parts[: 2 if next_number else 1])


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
