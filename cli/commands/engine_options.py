"""The options that choose what shares the work of making rows."""

from __future__ import annotations

from collections.abc import Callable
from os import cpu_count
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.commands.reports import MANY
from cli.terminal.extras import with_extra
from cli.terminal.options import Code, Usage

if TYPE_CHECKING:
    from projections.folding.engines import EngineName
    from projections.folding.tasks import Engine

_F = TypeVar("_F", bound=Callable[..., Any])
_OPTIONS = (
    click.option(
        "--engine",
        "engine_name",
        type=Code(["processes", "spark"]),
        default="processes",
        show_default=True,
        metavar="ENGINE",
        help="What shares the work: processes of this machine, or spark.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(min=1),
        metavar="N",
        help="How many. Default: one a processor, for many events.",
    ),
    click.option(
        "--master",
        metavar="URL",
        help="Of a Spark cluster, like spark://HOST:7077. Default: Spark on this machine.",
    ),
)


def engine_options(command: _F) -> _F:
    """Add --engine, --processes and --master."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_engine(name: EngineName, processes: int, master: str | None) -> Engine:
    """The engine that the options name. Raises Usage."""
    from projections.folding.engines import engine  # noqa: PLC0415  (only where it is used)

    check_master(name, master)
    with with_extra():
        return engine(name, processes, master)


def check_master(name: EngineName, master: str | None) -> None:
    """Raises Usage where a master is given, and the engine has none."""
    if master is not None and name != "spark":
        raise Usage("--master is for --engine spark")


def processes_for(events: int) -> int:
    """How many processes share the work, unless somebody says."""
    return (cpu_count() or 1) if events > MANY else 1
