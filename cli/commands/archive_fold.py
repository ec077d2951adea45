"""`casestore archive fold` and `archive load`: rows out of an archive, and into the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casestore.archive import Archive
from cli.commands.engine_options import chosen_engine, engine_options, processes_for
from cli.main import if_stopped
from cli.terminal.extras import with_extra
from cli.terminal.options import REFUSED, Code, settings
from cli.terminal.output import Column, for_people, print_lines, print_rows, table, tabular
from cli.terminal.progress import progress
from projections import PROJECTIONS
from projections.engine.live import LiveTables

if TYPE_CHECKING:
    from projections.folding.engines import EngineName
    from projections.folding.plan import Manifest

_NAMES = [each.name for each in PROJECTIONS]
_ROWS = (
    Column("projection"),
    Column("version", right=True),
    Column("position", right=True),
    Column("rows", right=True),
    Column("parked", right=True),
)
_PARKED = (Column("projection"), Column("stream"), Column("error"))
_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@_FOLDER
@click.option(
    "--projection",
    "names",
    metavar="NAME",
    multiple=True,
    type=Code(_NAMES),
    help="What to make rows of, several times if you like. Default: all.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder for the rows. All machines of a cluster see it, and the archive.",
)
@engine_options
@tabular
def fold(
    *,
    folder: Path,
    names: Sequence[str],
    out: Path,
    engine_name: EngineName,
    processes: int | None,
    master: str | None,
) -> None:
    """Make the rows of projections from the archive in DIR.

    They are the rows that `projections rebuild` makes, without the store and as Parquet, in
    OUT/NAME/part-*.parquet, which DuckDB, pandas and Spark read; other files there begin with "_".
    A fold that was broken off is run again with the same options, and goes on. Exits 1 if the rows
    of a stream cannot be made.

    \b
    Examples:
      casestore archive fold /srv/archive --projection promises --out /srv/promises
      casestore archive fold /srv/archive --out /srv/rows --engine spark --master spark://HOST:7077
    """
    from projections.folding.folding import fold_archive  # noqa: PLC0415  (load does without)

    projections = [each for each in PROJECTIONS if each.name in (names or _NAMES)]
    with with_extra():
        archive = Archive(folder)
        events = archive.manifest.events
        engine = chosen_engine(engine_name, processes or processes_for(events), master)
        again = if_stopped(lambda: "; run the same again, and the fold goes on")
        with again, progress("events", events or None) as tick:
            manifest = fold_archive(archive, projections, out, engine, tick)
    _tell(manifest)


@click.command()
@_FOLDER
@tabular
def load(folder: Path) -> None:
    """Load a fold in DIR into the tables that reports read.

    It must be of this store and of the same versions of projections. The tables are made beside
    those that reports read meanwhile, brought up to date, and put in their place at once.

    \b
    Example:
      casestore archive load /srv/rows
    """
    from projections.folding.loading import load as into_tables  # noqa: PLC0415  (fold does without)

    with (
        with_extra(),
        settings().open_store() as store,
        LiveTables(store, PROJECTIONS) as live,
        progress("events", None) as tick,
    ):
        manifest = into_tables(live, folder, tick)
    _tell(manifest)


def _tell(manifest: Manifest) -> None:
    parked = manifest.parked
    rows: list[dict[str, Any]] = [
        {
            "projection": name,
            "version": version,
            "position": manifest.position,
            "rows": manifest.rows(name),
            "parked": len(parked.get(name, ())),
        }
        for name, version in manifest.projections.items()
    ]
    if not (for_people() and settings().quiet):
        print_rows(_ROWS, rows)
    if parked and for_people():
        told = [
            {"projection": name, "stream": stream, "error": error}
            for name, streams in parked.items()
            for stream, error in streams
        ]
        print_lines(["", *table(_PARKED, told)])
    if parked:
        raise click.exceptions.Exit(REFUSED)
