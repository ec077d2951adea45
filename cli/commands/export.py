"""`casestore export`: events as files for other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click

from casestore.streams.wording import counted
from casestore.system.files import naming, part_of
from cli.terminal.files import check_writable
from cli.terminal.options import LINES_TO, ONE_STREAM, Usage, settings, shared_with
from cli.terminal.text import visible


class _Format(NamedTuple):
    where: str
    """The module and the name of what makes it. With `lines`, a function `(store, *, stream,
    reveal)` that gives a line for each event. Else a function `(store, path, *, stream, reveal)`
    that fills the empty file at `path` and gives the number of events. Neither takes `reveal`
    where the format never holds personal text."""
    lines: bool = False
    """Whether it has a line for each event. If not, it can only be written into a file."""
    personal: bool = True
    """Whether it may hold personal text."""
    sqlite: str | None = None
    """What makes it instead where the file's name ends in .sqlite."""


_FORMATS = {
    "ndjson": _Format("casestore.transfer.ndjson:export_lines", lines=True),
    "parquet": _Format("casestore.transfer.parquet:write_parquet"),
    "cloudevents": _Format("casestore.transfer.cloudevents:cloud_event_lines", lines=True),
    "ocel": _Format(
        "casestore.transfer.ocel:write_ocel",
        personal=False,
        sqlite="casestore.transfer.ocel_sqlite:write_ocel_sqlite",
    ),
    "xes": _Format("casestore.transfer.xes:write_xes", personal=False),
}
_HELP = "ndjson (the default), cloudevents, parquet, ocel or xes."


@click.command()
@ONE_STREAM
@click.option("--reveal", is_flag=True, help="Personal text too. Needs the key file.")
@LINES_TO
@shared_with(tuple(_FORMATS), _HELP)
def export(stream: str | None, reveal: bool, output: Path | None) -> None:
    """Export events as NDJSON, one a line, or in a format of other programs.

    Personal text is withheld unless --reveal is given; `casestore import` reads either, and
    cloudevents too (--from cloudevents). A file written with --output can be read by its owner
    alone.

    parquet: a table with a row for each event, for DuckDB, pandas and BI tools; it takes the extra:
    pip install 'casestore[parquet]'. ocel (2.0; in SQLite if FILE ends in .sqlite) and xes are logs
    for process mining: corrections are applied, and personal text is never in them.

    \b
    Examples:
      casestore export --output events.ndjson
      casestore export --format parquet --output events.parquet
      casestore export --stream case:4711 --reveal
      casestore export --format ocel --output log.sqlite
    """
    name = "ndjson" if settings().format == "table" else settings().format
    if name not in _FORMATS:
        raise Usage(f"an export is no {name}; --format is one of {', '.join(_FORMATS)}")
    form = _FORMATS[name]
    if output is None and not form.lines:
        raise Usage(f"{name} is a file: give -o FILE")
    if reveal and not form.personal:
        raise Usage(f"{name} never holds personal text; leave --reveal out")
    asked: dict[str, Any] = {"stream": stream} | ({"reveal": reveal} if form.personal else {})
    target = Path() if output is None else output.resolve()  # a link goes on to lead to its file
    if output is not None:
        check_writable(target)
    as_sqlite = output is not None and output.suffix == ".sqlite"
    where = form.sqlite if as_sqlite and form.sqlite is not None else form.where
    module, _, function = where.partition(":")
    make: Callable[..., Any] = getattr(import_module(module), function)
    with settings().open_store() as store:
        if output is None:
            sys.stdout.buffer.writelines(make(store, **asked))
            sys.stdout.buffer.flush()
            return
        with naming(output), part_of(target, 0o600, replace=True) as part:
            if form.lines:
                with part.open("wb") as file:
                    events = _count(make(store, **asked), file.write)
            else:
                events = _made(make, store, part, **asked)
    if not settings().quiet:
        click.echo(visible(f"wrote {output}: {counted(events, 'event')}"))


def _made(make: Callable[..., int], *given: Any, **asked: Any) -> int:
    """Make a file. Raises Usage where that takes an extra which is not installed."""
    try:
        return make(*given, **asked)
    except ImportError as error:
        raise Usage(str(error)) from None


def _count(lines: Iterator[bytes], write: Callable[[bytes], object]) -> int:
    """Write lines; gives their number."""
    number = 0
    for number, line in enumerate(lines, 1):  # noqa: B007  (it is the number of the last one)
        write(line)
    return number
