"""`casestore report`: all reports of one moment, as pages to look at or in a file for tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from importlib.util import find_spec
from os import cpu_count
from pathlib import Path
from typing import Any

import click

from casestore import CaseStore
from casestore.streams.wording import counted
from cli.commands.case import reveal_option
from cli.commands.reports import MANY, SELECTS, check_that_they_exist
from cli.terminal.files import check_writable
from cli.terminal.options import Code, Usage, settings, shared
from cli.terminal.output import for_people, print_object
from cli.terminal.progress import progress
from cli.terminal.text import visible
from cli.terminal.time_options import as_of_option, known_at_option, zone_option
from cli.views.report import warn_of_parked
from projections.query.asking import Ask, asking
from projections.query.measures import STEPS, Step
from projections.query.report import CannotAsk
from projections.query.selection import Selection, part_options

PART = ("customer", "agent", "team", "product", "region", "category")
"""The fields of a selection that choose the part of a store that pages and exports are about."""
_WRITTEN = ("page", "list", "case", "customer")


@click.group()
@shared
def report() -> None:
    """Put all reports into pages to look at, or into a file for other tools.

    \b
    Examples:
      casestore report pages complaints --team north
      casestore report export sqlite complaints.sqlite
    """


def part_of_store(command: Any) -> Any:
    """Decorate a command with the options that choose a part of the store."""
    for name in reversed(PART):
        option = click.option(f"--{name}", metavar="ID", multiple=True, help=SELECTS[name])
        command = option(command)
    return command


@report.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--by",
    type=Code(STEPS),
    default="month",
    help="The length of the overview's periods; month, if left out.",
)
@part_of_store
@reveal_option
@as_of_option
@known_at_option
@zone_option
@shared
def pages(
    *,
    folder: Path,
    by: Step,
    reveal: bool,
    as_of: datetime | None,
    known_at: datetime | None,
    tz: tzinfo,
    **parts: tuple[str, ...],
) -> None:
    """Write pages to look at into a folder: files that need no server.

    An overview, in which each number leads to the rows that it counts; the lists of these rows; a
    file for each case in them and for each customer; the policy and the lessons. Open
    DIR/index.html. The pages run no script and fetch nothing: they can be mailed, printed, or kept
    beside an audit. It takes the extra: pip install 'casestore[pages]'.

    A list shows its first 1,000 rows, and says how many more there are. Pages about more than
    10,000 cases have files for those of the first 100 rows of each list, and say so.

    DIR is new or empty, or has pages that were written before: they are replaced. Words by and
    about persons are withheld unless --reveal is given. The foot of each page says which options
    write the same pages again.

    \b
    Examples:
      casestore report pages complaints
      casestore report pages complaints --team north --by week --as-of 2026-09-01
    """
    if find_spec("jinja2") is None:
        raise Usage("pages need Jinja2: pip install 'casestore[pages]'")
    selection = _selection(as_of, known_at, tz, parts)
    with settings().open_store() as store:
        check_that_they_exist(store, selection)
        try:
            written = _written(store, selection, folder, by, reveal=reveal)
        except CannotAsk as error:
            raise Usage(str(error)) from None
    if not for_people():
        print_object({**written, "folder": str(folder)})
    elif not settings().quiet:
        pages_, *others = (counted(written[f"{noun}s"], noun) for noun in _WRITTEN)
        click.echo(f"wrote {pages_}, of {', '.join(others)}; open {folder / 'index.html'}")
        if (rows := written["rows_with_files"]) is not None:
            click.echo(
                f"there are many cases: only the first {rows} rows of each list lead to files"
            )


@report.group()
@shared
def export() -> None:
    """Put all reports into one file, for other tools.

    \b
    Example:
      casestore report export sqlite complaints.sqlite
    """


@export.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@part_of_store
@as_of_option
@known_at_option
@zone_option
@shared
def sqlite(
    *,
    file: Path,
    as_of: datetime | None,
    known_at: datetime | None,
    tz: tzinfo,
    **parts: tuple[str, ...],
) -> None:
    """Write a SQLite file with a table for each report, all of one moment.

    For Datasette, Metabase, dbt and whatever reads SQLite. Tables are named after reports, with _
    for spaces: goodwill_given; lapses_by is `lapses --by`. Times are text in UTC, durations are
    seconds, money is an exact decimal as text with its currency beside it. The tables manifest,
    manifest_tables and manifest_columns say what the file is of, which reports are left out and
    why, and what each column means; summaries has what reports say below their rows.

    No personal text is in it. The file is complete or absent, can be read by its owner alone, and
    is replaced if it is an earlier export. With --as-of, the same store gives the same bytes.

    \b
    Examples:
      casestore report export sqlite complaints.sqlite
      casestore report export sqlite north.sqlite --team north --as-of 2026-09-01
    """
    from projections.exports.sqlite import check_place, write_sqlite  # noqa: PLC0415  (slow)

    selection = _selection(as_of, known_at, tz, parts)
    file = file.resolve()
    check_writable(file)
    check_place(file)
    with settings().open_store() as store, ExitStack() as opened:
        check_that_they_exist(store, selection)
        ask = _asking(opened, store, selection)
        with progress("rows", None) as tick:
            written = write_sqlite(store, ask, file, list(_options(ask.selection)), tick)
    if not for_people():
        print_object({"file": str(file), **written._asdict()})
    elif not settings().quiet:
        tables, rows = counted(written.tables, "table"), counted(written.rows, "row")
        click.echo(visible(f"wrote {file}: {tables} of {rows}"))


def _selection(
    as_of: datetime | None,
    known_at: datetime | None,
    tz: tzinfo,
    parts: Mapping[str, tuple[str, ...]],
) -> Selection:
    asked: Any = {name: values for name, values in parts.items() if values}
    return replace(Selection(as_of=as_of, known_at=known_at, tz=tz), **asked)


def _asking(opened: ExitStack, store: CaseStore, selection: Selection) -> Ask:
    """Bring the tables up to date, with a progress bar, and open them."""
    events = store._recorder.last_position()
    processes = (cpu_count() or 1) if events > MANY else 1
    with progress("events", events or None) as tick:
        ask = opened.enter_context(asking(store, selection, processes=processes, tick=tick))
    warn_of_parked(ask.parked)
    return ask


def _written(
    store: CaseStore, selection: Selection, folder: Path, by: Step, *, reveal: bool
) -> dict[str, Any]:
    """Write the pages. Gives how many of what."""
    from projections.pages.links import StaticLinks  # noqa: PLC0415  (only pages wait for it)
    from projections.pages.page import Pages  # noqa: PLC0415  (the same: it needs an extra)
    from projections.pages.site import write_site  # noqa: PLC0415  (the same)
    from projections.query.seal import newest_seal  # noqa: PLC0415  (the same)

    with ExitStack() as opened:
        ask = _asking(opened, store, selection)
        asked = Pages(
            store,
            ask,
            StaticLinks(),
            newest_seal(store),
            reveal=reveal,
            options=[
                *_options(ask.selection),
                f"--by {by}",
                *(["--reveal"] if reveal else []),
            ],
        )
        with progress("pages", None) as tick:
            return write_site(asked, folder, by, tick)._asdict()


def _options(asked: Selection) -> Iterator[str]:
    """The options that ask for the same again: as of the same moment, in the same zone."""
    for name in ("as_of", "known_at"):
        moment: datetime | None = getattr(asked, name)
        if moment is not None:
            yield f"--{name.replace('_', '-')} {moment.astimezone(UTC).isoformat()}"
    yield from part_options((name, asked.wanted(name)) for name in PART)
    yield f"--tz {asked.tz}"
