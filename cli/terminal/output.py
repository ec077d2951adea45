"""Prints rows and objects, in the format and to the place that were asked for.

Rows are mappings from a column's name to a plain value: text, number, flag, datetime, Money, or
a list or mapping of these. One declaration of columns serves every format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, tzinfo
from functools import wraps
from typing import IO, Any, TypeVar, cast

import click
from click.core import ParameterSource

from cli.terminal import formats
from cli.terminal.columns import Cells, Column, chosen
from cli.terminal.files import check_writable, whole_file
from cli.terminal.options import FILES, Usage, destination_options, settings, shared, table_options
from cli.terminal.screen import has_styles, on_terminal, width
from cli.terminal.tables import Table, blocks, cell, heading, table_of, wrapped

__all__ = (  # what commands need in one place; tables and columns are made elsewhere
    "Cells",
    "Column",
    "cell",
    "for_documents",
    "for_people",
    "heading",
    "names_asked_for",
    "on_terminal",
    "paragraph",
    "print_lines",
    "print_long_object",
    "print_object",
    "print_rows",
    "prints_while_reading",
    "readable",
    "table",
    "tabular",
    "text",
    "zone_named",
)

F = TypeVar("F", bound=Callable[..., Any])
_DOCUMENTS = ("markdown", "html")
_SHEETS = ("csv", "tsv")
_LEAST = 20
"""Characters in a line of text, however narrow the terminal is."""


def print_rows(
    columns: Sequence[Column],
    rows: Iterable[Cells],
    *,
    zone: tzinfo = UTC,
    empty: str = "none",
    remarks: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> None:
    """Print rows in the format that was asked for.

    Args:
        columns: what to print of each row, in order.
        rows: a table needs them all at once; JSON, NDJSON, CSV and TSV are written while they come.
        zone: the time zone of the times in a table, a document or a workbook.
        empty: what is printed in place of a table without rows.
        remarks: lines for people below the table. They tell times, like those of a report.
        about: what a workbook's sheet About and a Parquet file's metadata say, beside the command
            and its options.
    """
    form = settings().format
    own = _asked_for(columns)
    if form in _DOCUMENTS:
        rows = list(rows)
        remarks = [*remarks, *(zone_named(zone) if remarks or _has_times(own, rows) else [])]
    if form == "table":
        print_lines([*table_lines(own, list(rows), zone=zone, empty=empty, remarks=remarks)])
    elif form == "markdown":
        _write(formats.markdown_lines(own, rows, zone))
        _write(f"\n{formats.markdown(line)}\n" for line in remarks if line)
    elif form == "html":
        _write(formats.html_lines(own, rows, zone))
        _write(formats.html_text(line) for line in remarks if line)
    elif form in FILES:
        _write_file(form, own, list(rows), zone, {"command": _command(), **(about or {})})
    elif form in _SHEETS:
        _write(["\ufeff"] if settings().bom else [])
        lines = formats.csv_lines if form == "csv" else formats.tsv_lines
        given = click.get_current_context().get_parameter_source("tz")
        _write(lines(own, rows, zone if given is ParameterSource.COMMANDLINE else UTC))
    else:
        _write((formats.json_lines if form == "json" else formats.ndjson_lines)(own, rows))


def table_lines(
    columns: Sequence[Column],
    rows: Sequence[Cells],
    *,
    zone: tzinfo,
    empty: str = "none",
    remarks: Sequence[str] = (),
) -> Iterator[str]:
    """A table for people, or one row a block, and remarks; last, what the table does not show."""
    own = settings()
    if not rows:
        yield empty
        yield from text(remarks)
        yield from zone_named(zone) if remarks else []
    elif own.block:
        yield from blocks(columns, rows, zone)
        yield from text(remarks)
        yield from zone_named(zone) if remarks or _has_times(columns, rows) else []
    else:
        made = table_of(columns, rows, zone, fits=not own.wide)
        yield from made.lines
        yield from text(remarks)
        if zone is not UTC and (remarks or _has_times(columns, rows)):
            made = made._replace(names_zone=True)
        yield from notes(made, zone)


def zone_named(zone: tzinfo) -> list[str]:
    """The line that names the zone of times, which tell their offset; UTC is named by each."""
    return [] if zone is UTC else [f"times are in {zone}"]


def _has_times(columns: Sequence[Column], rows: Sequence[Cells]) -> bool:
    return any(isinstance(row.get(each.name), datetime) for row in rows for each in columns)


def print_object(value: Mapping[str, Any]) -> None:
    """Print one object for programs; sheets and documents have a line for each of its leaves."""
    plain = formats.to_json(value)
    form = settings().format
    if form == "ndjson":
        _write([formats.json_text(plain), "\n"])
    elif form in (*_SHEETS, *FILES, *_DOCUMENTS):
        leaves = ({"field": path, "value": leaf} for path, leaf in formats.flatten(plain))
        with _all_columns():
            print_rows([Column("field"), Column("value")], leaves)
    else:
        _write([formats.json_text(plain, indent=2), "\n"])


def print_long_object(value: Mapping[str, Any]) -> None:
    """Print one object as JSON. A value that is an iterator is printed while it is read."""
    _write(formats.object_lines(value))


@contextmanager
def _all_columns() -> Iterator[None]:
    own = settings()
    kept, own.columns = own.columns, None
    try:
        yield
    finally:
        own.columns = kept


def _asked_for(columns: Sequence[Column]) -> list[Column]:
    own = settings()
    people = own.format in ("table", *_DOCUMENTS)
    return chosen(columns, own.columns, everything=own.wide or own.block, people=people)


def names_asked_for(columns: Sequence[Column]) -> list[str]:
    """The names of the columns that are printed, for who has to make their values."""
    return [column.name for column in _asked_for(columns)]


def for_people() -> bool:
    """Whether a table was asked for, and not a format for programs or documents."""
    return settings().format == "table"


def for_documents() -> bool:
    """Whether a document was asked for, which people read too, but elsewhere."""
    return settings().format in _DOCUMENTS


def prints_while_reading() -> bool:
    """Whether rows are printed one after the other, and nobody looks at them meanwhile."""
    own = settings()
    rows = own.format in (*_SHEETS, "json", "ndjson")
    return rows and (own.writer is None or own.output is not None)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for people."""
    _write(f"{line}\n" for line in lines)


def table(columns: Sequence[Column], rows: Sequence[Cells], *, zone: tzinfo = UTC) -> list[str]:
    """The lines of a table that is a part of a page. Its columns cannot be chosen."""
    made = table_of([column for column in columns if column.people], rows, zone)
    return [*made.lines, *made.note(zone, "a wider terminal shows them")]


def text(lines: Iterable[str]) -> Iterator[str]:
    """Lines of text for people, broken between words where a terminal would break them anywhere."""
    for line in lines:
        if on_terminal():
            words = line.lstrip(" ")
            indent = line[: len(line) - len(words)]
            yield from (
                f"{indent}{each}" for each in wrapped(words, max(width() - len(indent), _LEAST))
            )
        else:
            yield line


def paragraph(words: str, most: int = 100) -> list[str]:
    """A paragraph in lines of so many characters at most, and no more than a terminal has."""
    from textwrap import wrap  # noqa: PLC0415  (rows need none)

    return wrap(" ".join(words.split()), min(most, width()) if on_terminal() else most)


def notes(made: Table, zone: tzinfo) -> Iterator[str]:
    """What a table does not show, and how to see it."""
    see = "--wide or --block shows all, --columns chooses"
    yield from text(made.note(zone, see))


# --- where it goes -------------------------------------------------------------------------


def readable(command: F) -> F:
    """Add the global options and -o to a command that people read, with a pager on a terminal."""

    @wraps(command)
    def to_its_place(*args: Any, **values: Any) -> Any:
        with _in_place():
            return command(*args, **values)

    return shared(destination_options(cast(F, to_its_place)))


def tabular(command: F) -> F:
    """Do as `readable`, and add the options that choose what a table shows."""
    return table_options(readable(command))


@contextmanager
def _in_place() -> Iterator[None]:
    """Open the file of -o, or a pager, for as long as a command runs."""
    own = settings()
    if own.writer is not None:  # a command within another: the demo's reports
        yield
        return
    _check(own.format)
    with ExitStack() as places:
        if own.output is not None:
            private = bool(click.get_current_context().params.get("reveal"))
            file = places.enter_context(whole_file(own.output, private=private))
            own.writer = _into(file)
        elif on_terminal():
            from cli.terminal.pager import Paged, pager  # noqa: PLC0415  (a pipe needs none)

            if (command := pager()) is not None:
                paged = Paged(command)
                places.callback(paged.close)
                own.writer = paged.write
        yield


def _into(file: IO[bytes]) -> Callable[[str | bytes], None]:
    def write(data: str | bytes) -> None:
        file.write(data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))

    return write


def _check(form: str) -> None:
    """Raise Usage for options that contradict one another, or would be ignored."""
    own = settings()
    for option, given, fitting in (
        ("--block", own.block, ("table",)),
        ("--wide", own.wide, ("table", *_DOCUMENTS)),
        ("--bom", own.bom, _SHEETS),
    ):
        if given and form not in fitting:
            raise Usage(f"{option} is for {', '.join(fitting)}; leave it or --format {form} out")
    if own.wide and own.block:
        raise Usage("--wide and --block are two ways to show all; give one of them")
    if own.wide and own.columns:
        raise Usage("--wide shows all columns, and --columns some; give one of them")
    if own.output is not None:
        check_writable(own.output)


def _write(lines: Iterable[str]) -> None:
    """Write text, many lines at a time: as UTF-8 for programs, whatever the locale."""
    own = settings()
    for chunk in _chunks(lines):
        if own.writer is not None:
            own.writer(chunk)
        elif own.format == "table":
            click.echo(chunk, nl=False, color=has_styles())
        else:
            click.echo(chunk.encode(), nl=False)


def _write_file(
    form: str, columns: Sequence[Column], rows: Sequence[Cells], zone: tzinfo, about: Cells
) -> None:
    write = settings().writer
    assert write is not None  # noqa: S101  (there is none of these without -o)
    if form == "xlsx":
        from cli.terminal.excel import workbook  # noqa: PLC0415  (it is seldom asked for)

        options = {name: _told(value, zone) for name, value in _given().items()}
        write(workbook(_command(), columns, rows, {**about, **options}, zone))
    else:
        from cli.terminal.parquet import parquet_file  # noqa: PLC0415  (the same)

        write(parquet_file(columns, rows, {**about, "options": _given()}))


def _chunks(lines: Iterable[str], size: int = 1 << 16) -> Iterator[str]:
    chunk: list[str] = []
    length = 0
    for line in lines:
        chunk.append(line)
        length += len(line)
        if length >= size:
            yield "".join(chunk)
            chunk, length = [], 0
    if chunk:
        yield "".join(chunk)


# --- what was asked ------------------------------------------------------------------------


def _command() -> str:
    return click.get_current_context().command_path.removeprefix("casestore ")


def _given() -> dict[str, Any]:
    """The options and arguments that were given, by the names by which they are given."""
    ctx = click.get_current_context()
    given = {
        param: ctx.params[str(param.name)]
        for param in ctx.command.params
        if param.name in ctx.params
        and ctx.get_parameter_source(param.name) is not ParameterSource.DEFAULT
    }
    return {
        param.opts[0] if isinstance(param, click.Option) else str(param.name): value
        for param, value in given.items()
    }


def _told(value: Any, zone: tzinfo) -> str:
    return cell([_told(each, zone) for each in value] if isinstance(value, tuple) else value, zone)
