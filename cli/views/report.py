"""Prints a report, for people or for programs: its rows and their summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any, get_type_hints

import click
from msgspec.structs import asdict

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
    rows = map(asdict, result.rows)
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
                    "rows": list(rows),
                    "summary": result.summary,
                }
            )
        case _:
            print_rows([Column(name) for name in report.line.__struct_fields__], rows)


def lines(
    report: Report[Any], result: Result[Any], zone: tzinfo = UTC, *, without: str = ""
) -> Iterator[str]:
    """A report as text for people: a table of its rows, and their summary.

    Args:
        without: names of fields to leave out, with spaces between them.
    """
    names = [name for name in report.shown.split() if name not in without.split()]
    rows = [{name: _for_people(name, getattr(row, name)) for name in names} for row in result.rows]
    columns = [_column(name, report) for name in names]
    yield from table(columns, rows, zone=zone) if rows else ["none"]
    if len(result.rows) < result.total:
        yield f"… the first {len(result.rows)} of {result.total}"
    yield ""
    yield "; ".join(_summary(result.summary, zone))
    known = "" if result.known_at is None else f", as known at {cell(result.known_at, zone)}"
    yield f"as of {cell(result.as_of, zone)}{known}, up to position {result.position}"


def _column(name: str, report: Report[Any]) -> Column:
    words = re.sub(r"_(s|id|at|share)$", "", name).replace("_", " ")
    return Column(name, words, right=_is_number(get_type_hints(report.line)[name]))


def _is_number(hint: Any) -> bool:
    return hint in (int, float, int | None, float | None, Money | None)


def _for_people(name: str, value: Any) -> Any:
    """The value of a field, in the form that people read."""
    if value is None:
        return None
    if name.endswith("_s"):
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
