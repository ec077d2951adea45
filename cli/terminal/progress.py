"""Progress bars for long work: on a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cli.terminal.options import settings
from cli.terminal.screen import has_styles, is_dumb

Tick = Callable[[int], None]
"""Takes the number of things that are done so far."""


def is_visible() -> bool:
    """Whether a person would see a bar: standard error is a terminal that can redraw."""
    return sys.stderr.isatty() and not is_dumb()


@contextmanager
def progress(
    things: str, total: int | None, amount: Callable[[int], int] | None = None
) -> Iterator[Tick | None]:
    """Show a bar on stderr once something is done; gives None where nobody would see it.

    Args:
        things: what is counted, like "lines".
        total: how much there is to do, in the unit of `amount`; None if that is not known.
        amount: how much of the total is done after so many things, like the bytes after so many
            lines. If left out, the total is a number of things.
    """
    if settings().quiet or not is_visible():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  (a pipe does not wait for it)
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415  (the same)

    colours: Any = "auto" if has_styles(sys.stderr) else None
    console = Console(stderr=True, force_terminal=True, color_system=colours)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task("", total=total)

    def tick(done: int) -> None:
        completed = amount(done) if amount else done
        bar.update(task, completed=completed, description=f"{done:,} {things}")
        if done:  # where there is nothing to do, there is no bar
            bar.start()

    try:
        yield tick
    finally:
        if bar.live.is_started:
            bar.stop()
