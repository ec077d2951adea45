"""What stands at the other end of standard output: a terminal, how large it is, its colours."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from cli.terminal.options import settings


def on_terminal() -> bool:
    """Whether a person reads the output: standard output is a terminal, and no -o was given."""
    return settings().output is None and sys.stdout.isatty()


def width() -> int:
    """The characters in a line of the terminal; COLUMNS goes before what the terminal says."""
    from shutil import get_terminal_size  # noqa: PLC0415  (a pipe has no width)

    return get_terminal_size().columns


def height() -> int:
    """The lines of the terminal; LINES goes before what the terminal says."""
    from shutil import get_terminal_size  # noqa: PLC0415  (a pipe has no height)

    return get_terminal_size().lines


def is_dumb() -> bool:
    """Whether the terminal knows nothing but text."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def has_styles(stream: IO[Any] | None = None) -> bool:
    """Whether to write bold and colours to a stream; standard output, if left out.

    The first of these that is there decides: -o, --no-color, NO_COLOR, FORCE_COLOR, TERM=dumb, and
    whether it is a terminal. See https://no-color.org and https://force-color.org.
    """
    own = settings()
    if stream is None and own.output is not None:
        return False
    if own.no_color or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return not is_dumb() and (stream or sys.stdout).isatty()
