"""`casestore report`: reports as pages to look at."""

from __future__ import annotations

from collections.abc import Iterator
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
from cli.terminal.options import (
    Code,
    Usage,
    as_of_option,
    known_at_option,
    settings,
    shared,
    zone_option,
)
from cli.terminal.output import for_people, print_object
from cli.terminal.progress import progress
from cli.views.report import warn_of_parked
from projections.query.asking import asking
from projections.query.measures import STEPS, Step
from projections.query.report import CannotAsk
from projections.query.selection import Selection

PART = ("customer", "agent", "team", "product", "region", "category")
"""The fields of a selection that choose the part of a store that pages are about."""
_WRITTEN = ("page", "list", "case", "customer")


@click.group()
@shared
def report() -> None:
    """Make pages to look at: what there is to do, and how complaints were handled.

    \b
    Example:
      casestore report pages complaints --team north
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

    DIR is new or empty, or has pages that were written before: they are replaced. A list shows its
    first 1,000 rows, and says how many more there are. Words by and about persons are withheld
    unless --reveal is given. The foot of each page says which options write the same pages again.

    \b
    Examples:
      casestore report pages complaints
      casestore report pages complaints --team north --by week --as-of 2026-09-01
    """
    if find_spec("jinja2") is None:
        raise Usage("pages need Jinja2: pip install 'casestore[pages]'")
    asked: Any = {name: values for name, values in parts.items() if values}
    selection = replace(Selection(as_of=as_of, known_at=known_at, tz=tz), **asked)
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


def _written(
    store: CaseStore, selection: Selection, folder: Path, by: Step, *, reveal: bool
) -> dict[str, Any]:
    """Write the pages. Gives how many of what."""
    from projections.pages.links import StaticLinks  # noqa: PLC0415  (only pages wait for it)
    from projections.pages.page import Pages  # noqa: PLC0415  (the same: it needs an extra)
    from projections.pages.seal import newest_seal  # noqa: PLC0415  (the same)
    from projections.pages.site import write_site  # noqa: PLC0415  (the same)

    events = store._recorder.last_position()
    workers = (cpu_count() or 1) if events > MANY else 1
    with ExitStack() as opened:
        with progress("events", events or None) as tick:
            ask = opened.enter_context(asking(store, selection, workers=workers, tick=tick))
        warn_of_parked(ask.parked)
        asked = Pages(
            store,
            ask,
            StaticLinks(),
            newest_seal(store),
            reveal=reveal,
            options=list(_options(ask.selection, by, reveal=reveal)),
        )
        with progress("pages", None) as tick:
            return write_site(asked, folder, by, tick)._asdict()


def _options(asked: Selection, by: Step, *, reveal: bool) -> Iterator[str]:
    """The options that write the same pages again: as of the same moment, in the same zone."""
    from projections.pages.page import part_options  # noqa: PLC0415  (it needs an extra)

    for name in ("as_of", "known_at"):
        moment: datetime | None = getattr(asked, name)
        if moment is not None:
            yield f"--{name.replace('_', '-')} {moment.astimezone(UTC).isoformat()}"
    yield from part_options((name, asked.wanted(name)) for name in PART)
    yield f"--tz {asked.tz}"
    yield f"--by {by}"
    if reveal:
        yield "--reveal"
