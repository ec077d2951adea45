"""What the machine is asked: the options of `python -m tests.torture`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

Backend = Literal["sqlite", "postgres"]
FAULTS = {
    "kill": "kill -9 a worker, and start it anew",
    "restart": "stop the server, fast, at once (immediate) or by kill -9, and start it again",
    "cut": "cut connections: at a proxy, or by the server",
    "diskfull": "no file may grow, or be longer than so many bytes, for some operations",
    "pause": "stop a worker for up to some seconds (SIGSTOP, SIGCONT)",
    "fork": "fork a worker that has the store open; both go on",
    "clock": "a worker's clock jumps by minutes, hours or days",
    "signal": "a signal whose handler raises, in the midst of an operation",
}
"""Every kind of fault, and what it is."""
ONLY_POSTGRES = {"restart", "cut"}


class Options(NamedTuple):
    backend: Backend
    seconds: float
    writers: int
    threads: int
    """Of every second writer; they share its store."""
    seed: int
    faults: tuple[str, ...]
    keep: Path | None
    """A new folder for what is left of a run that failed; None to keep nothing."""
    sabotage: str | None
    """A name, "all", or None."""
    settings: tuple[str, ...]
    """NAME=VALUE, of our PostgreSQL server."""


def possible(backend: Backend) -> tuple[str, ...]:
    """The kinds of fault that a backend can have."""
    return tuple(kind for kind in FAULTS if backend == "postgres" or kind not in ONLY_POSTGRES)


def parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind:9} {what}" for kind, what in FAULTS.items())
    made = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description="Torture a store: many processes, and faults at random moments. Then check.",
        epilog=f"faults:\n{kinds}\n\n{', '.join(sorted(ONLY_POSTGRES))}: only on PostgreSQL. "
        "Exit codes: 0 clean, 1 something is wrong, 2 wrong usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--backend", choices=["sqlite", "postgres"], default="sqlite")
    made.add_argument("--seconds", type=float, default=20, help="how long faults go on (20)")
    made.add_argument("--writers", type=int, default=4, help="processes that append (4)")
    made.add_argument(
        "--threads",
        type=int,
        default=1,
        help="threads of every second writer, which share a store (1)",
    )
    made.add_argument("--seed", type=int, default=1, help="of the plan: operations and faults (1)")
    made.add_argument("--faults", help="kinds with commas between them (all), or none")
    made.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the logs and the store here, if it failed"
    )
    made.add_argument(
        "--sabotage",
        metavar="NAME",
        help="after a clean run, break one thing (or all, each in "
        "turn) and see that its check finds it; list names them",
    )
    made.add_argument(
        "--server-setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of our PostgreSQL server, like commit_delay=2000; can be repeated",
    )
    return made


def parse(arguments: Sequence[str] | None, sabotages: Sequence[str]) -> Options:
    """Read the options. Wrong ones end the program with 2, as argparse does.

    Args:
        arguments: those of the command line; None for sys.argv's.
        sabotages: the names that --sabotage takes, beside "all" and "list".
    """
    made = parser()
    given = made.parse_args(arguments)
    can = possible(given.backend)
    faults = can if given.faults is None else tuple(filter(None, given.faults.split(",")))
    if faults == ("none",):
        faults = ()
    if wrong := [kind for kind in faults if kind not in can]:
        made.error(f"--faults: {given.backend} has no {wrong[0]!r}; it has {', '.join(can)}")
    if given.seconds <= 0 or given.writers < 1 or given.threads < 1:
        made.error("--seconds, --writers and --threads must be more than 0")
    if given.keep is not None and given.keep.exists():
        made.error(f"--keep: {given.keep} is there already; name a new folder")
    if given.sabotage not in (None, "all", "list", *sabotages):
        made.error(f"--sabotage: there is no {given.sabotage!r}; `--sabotage list` names them")
    settings = tuple(given.server_setting)
    if wrong := [each for each in settings if "=" not in each]:
        made.error(f"--server-setting: {wrong[0]!r} is not NAME=VALUE")
    if settings and given.backend != "postgres":
        made.error("--server-setting is for --backend postgres")
    return Options(
        given.backend,
        given.seconds,
        given.writers,
        given.threads,
        given.seed,
        faults,
        given.keep,
        given.sabotage,
        settings,
    )
