"""The tables of an export: which reports they hold, and in which columns.

A report is a table, named after it: `goodwill given` is goodwill_given. Where an option makes other
lines of a report, these are a table too: `lapses --by` is lapses_by, `promises --rate` is
promises_rate. Where lines are grouped, the table has those of every grouping, and its first column,
grouped_by, says of which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from casestore.events import Money
from projections.query.asking import Ask
from projections.query.report import Line, Report
from projections.reports.declared.period import AGES
from projections.reports.every import REPORTS

Kind = Literal["TEXT", "INTEGER", "REAL"]
GROUPED_BY = "grouped_by"
_KEYS = {"closed_within": tuple(AGES.split(","))}
"""The entries of mappings: each is a column, also where a report has no rows."""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    field: str
    """The field of a line that it is made from."""
    kind: Kind
    form: str
    """How its values are to be read; "" where that is plain."""
    needed: bool
    """Whether each row has a value."""
    made: Callable[[Any], Any]
    """From the field's value to the column's; it is never given None."""


class Table(NamedTuple):
    """A report as a table."""

    name: str
    report: Report[Any]
    command: str
    """What asks for the same on the command line."""
    groups: tuple[str, ...] = ()
    """What its lines are grouped by, each in turn; () where they are not."""


class LeftOut(NamedTuple):
    """A report that is no table."""

    report: str
    why: str


class Rows(NamedTuple):
    """What was answered for a table: all lines, or those of one grouping."""

    group: str | None
    lines: Sequence[Line]
    summary: Mapping[str, Any]


def tables() -> Iterator[Table | LeftOut]:
    """Every report, in the order of the command line."""
    for report in REPORTS:
        if report.argument is not None:
            yield LeftOut(report.name, f"it is about one {report.argument}, who has to be named")
            continue
        yield _table(report, report.name)
        for option in report.options:
            if option.instead is not None:
                yield _table(option.instead, f"{report.name} --{option.name}")


def _table(report: Report[Any], command: str) -> Table:
    name = command.replace(" --", "_").replace(" ", "_").replace("-", "_")
    codes = (each.kind for each in report.options if each.required and isinstance(each.kind, tuple))
    groups = next(codes, ())
    if not groups:
        return Table(name, report, command)
    by = "" if command.endswith(" --by") else " --by"
    return Table(name, report, f"{command}{by} {'|'.join(groups)}", groups)


def asked(table: Table, ask: Ask, group: str | None) -> Rows:
    """Ask for a table's lines: those of one of its groupings, or None for all.

    Raises CannotAsk for a selection that the report does not take.
    """
    result = ask(table.report) if group is None else ask(table.report, by=group)
    return Rows(group, result.rows, result.summary)


# --- columns -------------------------------------------------------------------------------


def columns(table: Table) -> list[Column]:
    """The columns of a table."""
    first = [Column(GROUPED_BY, "", "TEXT", "", True, str)] if table.groups else []
    hints = get_type_hints(table.report.line)
    fields = table.report.line.__struct_fields__
    return [*first, *(column for name in fields for column in _columns(name, hints[name]))]


def values(table_columns: Sequence[Column], rows: Rows) -> Iterator[list[Any]]:
    """The values of each line, as a database takes them."""
    of_lines = [column for column in table_columns if column.field]
    before = [] if rows.group is None else [rows.group]
    for line in rows.lines:
        found = ((column.made, getattr(line, column.field)) for column in of_lines)
        yield [*before, *(None if value is None else made(value) for made, value in found)]


def _columns(name: str, hint: Any) -> Iterator[Column]:
    parts = [each for each in get_args(hint) if each is not NoneType]
    needed = NoneType not in get_args(hint)
    kind = hint if needed else parts[0]
    if get_origin(kind) is Literal or kind is str:
        yield Column(name, name, "TEXT", "", needed, str)
    elif kind is bool:
        yield Column(name, name, "INTEGER", "0 or 1", needed, int)
    elif kind is int:
        form = "seconds" if name.endswith(("_s", "seconds")) else ""
        yield Column(name, name, "INTEGER", form, needed, int)
    elif kind is float:
        form = "from 0 to 1" if name.endswith(("share", "rate")) else ""
        yield Column(name, name, "REAL", form, needed, float)
    elif kind is datetime:
        yield Column(name, name, "TEXT", "a time in UTC, as in ISO 8601", needed, moment)
    elif kind is Money:
        form = f"an exact decimal, in the currency of {name}_currency"
        yield Column(name, name, "TEXT", form, needed, lambda money: f"{money.amount:f}")
        form = "a code of ISO 4217"
        yield Column(f"{name}_currency", name, "TEXT", form, needed, lambda money: money.currency)
    elif get_origin(kind) is dict:
        for key in _KEYS[name]:
            yield Column(f"{name}_{key}", name, "INTEGER", "", needed, itemgetter(key))
    else:
        yield Column(name, name, "TEXT", "a list as JSON", needed, as_json)


def moment(at: datetime) -> str:
    """A time in UTC. It is always as long, so that the order of texts is that of times."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def as_json(value: Any) -> str:
    """A value as JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """A value of a line or a summary as JSON has it: {"amount":"25.00","currency":"USD"}."""
    match value:
        case datetime():
            return moment(value)
        case Money():
            return {"amount": f"{value.amount:f}", "currency": value.currency}
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return value


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a summary, each with its path: rules.too-slow, given.0.amount."""
    told = plain(value)
    inside = enumerate(told) if isinstance(told, list) else getattr(told, "items", lambda: None)()
    if inside is None:
        yield path, int(told) if isinstance(told, bool) else told
    else:
        for name, each in inside:
            yield from leaves(each, f"{path}.{name}" if path else str(name))
