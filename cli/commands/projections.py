"""`casestore projections`: the tables that reports read, and keeping them up to date."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM, signal
from threading import Event as StopSignal
from typing import TYPE_CHECKING, Any

import click

from casestore import CaseStore, StoreUnavailable
from casestore.relay import relays
from casestore.streams.wording import duration
from cli.commands.engine_options import (
    check_master,
    chosen_engine,
    engine_options,
    processes_for,
)
from cli.terminal.extras import with_extra
from cli.terminal.options import REFUSED, Code, Usage, settings, shared
from cli.terminal.output import Column, for_people, print_lines, print_rows, table, tabular
from cli.terminal.progress import progress
from projections import PROJECTIONS, Parked, Runner, Tick
from projections.engine.live import LiveTables

if TYPE_CHECKING:
    from projections.folding.engines import EngineName
    from projections.folding.tasks import Engine


@click.group()
@shared
def projections() -> None:
    """Look after the tables that reports read.

    Reports bring them up to date by themselves; a runner saves them the time. The tables can
    always be made anew from the events.

    \b
    Examples:
      casestore projections status
      casestore projections run
    """


_STATUS = (
    Column("projection"),
    Column("version", right=True),
    Column("position", right=True),
    Column("lag_events", right=True),
    Column("lag_s", "lag", right=True),
    Column("parked", right=True),
    Column("rows", right=True),
    Column("noted", people=False),
    Column("last_error", people=False),
)
_RELAYS = (
    Column("relay"),
    Column("state"),
    Column("position", right=True),
    Column("lag_events", right=True),
    Column("lag_s", "lag", right=True),
    Column("parked", right=True),
    Column("last_error"),
)
_PARKED = (Column("projection"), Column("stream"), Column("error"))


@projections.command()
@tabular
def status() -> None:
    """Show how far each projection and each relay is, and what is parked.

    To programs a relay NAME is a row too, as the projection "relay NAME", with its last_error. A
    stream whose rows cannot be made is parked, alone, and missing from reports until its next
    event or a retry heals it. Rows that are not as many as were made were changed by somebody.

    \b
    Example:
      casestore projections status
    """
    with settings().open_store() as store, Runner(store) as runner:
        rows = [projection._asdict() for projection in runner.status()]
        parked = runner.parked()
        relaying: list[dict[str, Any]] = []
        with suppress(StoreUnavailable):  # who may read the tables may not read everything
            relaying = [each._asdict() for each in relays(store)]
    if not for_people():
        told = [{**row, "projection": f"relay {row['relay']}", "version": None} for row in relaying]
        print_rows(_STATUS, [*({**row, "last_error": None} for row in rows), *told])
        return
    for row in (*rows, *relaying):
        row["lag_s"] = duration(int(row["lag_s"])) if row["lag_events"] else ""
    for row in rows:
        row["position"] = "not built" if row["position"] is None else row["position"]
        if row["noted"] not in (None, row["rows"]):
            row["rows"] = f"{row['rows']} of {row['noted']}"
    print_rows(_STATUS, rows)
    if parked:
        print_lines(["", *table(_PARKED, [stream._asdict() for stream in parked])])
    if relaying:
        print_lines(["", *table(_RELAYS, relaying)])


@projections.command()
@click.option("--once", is_flag=True, help="Catch up with what there is now, and end.")
@shared
def run(once: bool) -> None:
    """Keep the projections up to date until stopped.

    SIGTERM ends it with exit code 0. While the database does not answer it waits, and says so.

    \b
    Examples:
      casestore projections run
      casestore projections run --once
    """
    with settings().open_store() as store, Runner(store) as runner:
        head = runner.head()
        with progress("events", head or None) as tick:
            position = runner.catch_up(processes=processes_for(head), tick=tick)
        stop = StopSignal()
        if not once:
            signal(SIGTERM, lambda *_: stop.set())
        if for_people() and not settings().quiet:
            click.echo(f"up to date with position {position}")
        if not once:
            runner.run(stop=stop)


_NAMES = [projection.name for projection in PROJECTIONS]


@projections.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, type=Code(_NAMES))
@engine_options
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where Spark puts the rows; all its machines see it. Default: a folder here, for a while.",
)
@shared
def rebuild(
    names: tuple[str, ...],
    engine_name: EngineName,
    processes: int | None,
    master: str | None,
    out: Path | None,
) -> None:
    """Build projections anew, beside those that reports read meanwhile.

    With Spark, which takes the extra 'casestore[spark]', a rebuild that is broken off goes on in
    the folder that --out names; `archive load` loads one that is whole.

    \b
    Examples:
      casestore projections rebuild
      casestore projections rebuild promises goodwill
      casestore projections rebuild --engine spark --master spark://HOST:7077 --out /srv/tables
    """
    check_master(engine_name, master)
    if out is not None and engine_name != "spark":
        raise Usage("--out is for --engine spark: processes put rows into the tables themselves")
    if master is not None and not master.startswith("local") and out is None:
        raise Usage(
            "--master of a cluster needs --out: its machines put rows into a folder, which each of "
            "them must reach"
        )
    with settings().open_store() as store, Runner(store) as runner:
        head = runner.head()
        number = processes or processes_for(head)
        with progress("events", head or None) as tick:
            if engine_name == "processes":
                runner.rebuild(names or None, processes=number, tick=tick)
            else:
                _rebuild_by(chosen_engine(engine_name, number, master), store, names, out, tick)
        parked = runner.parked()
    if for_people() and not settings().quiet:
        click.echo(f"built {', '.join(names or _NAMES)}")
    _exit_if_parked(parked)


def _rebuild_by(
    engine: Engine, store: CaseStore, names: Sequence[str], out: Path | None, tick: Tick | None
) -> None:
    from projections.folding.rebuilding import rebuild_by  # noqa: PLC0415  (few have an engine)

    with LiveTables(store, PROJECTIONS) as live, with_extra():
        rebuild_by(live, names or _NAMES, engine, out, tick)


_VERIFIED = (
    Column("projection"),
    Column("result"),
    Column("position", right=True),
    Column("rows", right=True),
    Column("noted", people=False),
    Column("differences", people=False),
)
_DIFFERENCES = (Column("projection"), Column("stream"), Column("what"))
_NEXT = "find out who changed them; `casestore projections rebuild` makes them anew"
_UNKNOWN = (
    "unknown: made by a release that kept no checksum; `casestore projections rebuild` makes one"
)


@projections.command()
@click.option("--from-events", is_flag=True, help="Also make all rows anew, and name what differs.")
@tabular
def verify(from_events: bool) -> None:
    """Check that nobody changed the tables that reports read.

    A count and a checksum are kept with each table. Exits 1 if a table differs, or none is known.

    \b
    Examples:
      casestore projections verify
      casestore projections verify --from-events
    """
    with settings().open_store() as store, Runner(store) as runner:
        head = runner.head() if from_events else 0
        with progress("events", head or None) as tick:
            found = runner.verify(from_events=from_events, tick=tick)
    rows = [
        {**each._asdict(), "differences": [one._asdict() for one in each.differences]}
        for each in found
    ]
    print_rows(_VERIFIED, rows)
    results = {each.result for each in found}
    if for_people():
        told = [{"projection": e.projection, **d._asdict()} for e in found for d in e.differences]
        lines = ["", *table(_DIFFERENCES, told), _NEXT] if told else []
        print_lines([*lines, *([_UNKNOWN] if "unknown" in results else [])])
    if results & {"differs", "unknown"}:
        raise click.exceptions.Exit(REFUSED)


@projections.command()
@shared
def retry() -> None:
    """Try again to make the rows of parked streams. Exits 1 if any stay parked.

    \b
    Example:
      casestore projections retry
    """
    with settings().open_store() as store, Runner(store) as runner:
        before = len(runner.parked())
        parked = runner.retry()
    if not for_people():
        print_rows(_PARKED, [stream._asdict() for stream in parked])
    elif before == 0:
        click.echo("nothing is parked")
    else:
        click.echo(f"{before - len(parked)} of {before} are well again")
    _exit_if_parked(parked)


def _exit_if_parked(parked: list[Parked]) -> None:
    """If streams stay parked, list them for people, and exit with 1."""
    if parked:
        if for_people():
            print_lines(["", *table(_PARKED, [stream._asdict() for stream in parked])])
        raise click.exceptions.Exit(REFUSED)
