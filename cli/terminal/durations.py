"""Durations as options take them: 90m, 12h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

from casestore.errors import quoted

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Duration(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A length of time, in one unit."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"([0-9]{1,5})([smhdw])", value)
        if match is None:
            self.fail(
                f"{quoted(value)} is not a duration; write one like 90m, 12h, 7d or 2w", param, ctx
            )
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
