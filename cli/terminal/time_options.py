"""Options for points in time, and for the zone in which times are read and told.

A command gets its times as instants: `zone_option` reads what was said.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import wraps
from typing import Any, NamedTuple, TypeVar, cast

import click

from cli.terminal.options import Usage, settings, zone_by_name

F = TypeVar("F", bound=Callable[..., Any])


class Zone(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A time zone by its IANA name."""

    name = "zone"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tzinfo:
        """Read it."""
        if isinstance(value, tzinfo):
            return value
        try:
            return zone_by_name(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Said(NamedTuple):
    """A time as somebody said it. `zone_option` reads it, because the zone may be the store's."""

    text: str
    param: click.Parameter | None
    ends: bool = False
    """Whether the end is meant of the day, month and so on that is named."""

    def read(self, zone: tzinfo, now: datetime) -> datetime:
        """The instant that is meant. Raises click.BadParameter."""
        from cli.terminal import moments  # noqa: PLC0415  (help must not wait for it)

        try:
            return (moments.end if self.ends else moments.begin)(self.text, zone, now)
        except ValueError as error:
            raise click.BadParameter(str(error), param=self.param) from None


class _Moment(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A time as people say it: cli.terminal.moments says what that may be."""

    name = "time"

    def __init__(self, *, ends: bool = False) -> None:
        self._ends = ends

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002  (click's interface)
    ) -> Said:
        if isinstance(value, Said):
            return value
        said = Said(value, param, self._ends)
        said.read(
            UTC, datetime.now(UTC)
        )  # what nobody understands is told before a store is opened
        return said


class Point(NamedTuple):
    """The point at which a history is read: the values of --as-of, --known-at and --at-version."""

    as_of: datetime | None = None
    known_at: datetime | None = None
    at_version: int | None = None


def zone_option(command: F) -> F:
    """Add --tz to a command, which gets the zone as `tz`, and its times as instants.

    The zone that is not given is that of CASESTORE_TZ, else of the policy in force, else UTC.
    """

    @wraps(command)
    def in_zone(*args: Any, tz: tzinfo | None, **values: Any) -> Any:
        ctx, own = click.get_current_context(), settings()
        zone, now = tz or own.default_zone(), own.now()
        read = {
            name: value.read(zone, now) for name, value in values.items() if isinstance(value, Said)
        }
        given = {
            name: value.text if isinstance(value, Said) else value
            for name, value in ctx.params.items()
        }
        ctx.params.update({**given, **read, "tz": zone})  # a workbook tells what was asked
        return command(*args, tz=zone, **{**values, **read})

    option = click.option(
        "--tz",
        type=Zone(),
        metavar="ZONE",
        help="Read and tell times in this zone, like Europe/Berlin. Default: CASESTORE_TZ, else "
        "that of the policy in force, else UTC.",
    )
    return cast(F, option(in_zone))


moment = _Moment()
as_of_option = click.option(
    "--as-of",
    type=moment,
    metavar="TIME",
    help="Only what had happened by then. TIME is like 2026-03-02T17:00Z, 2026-03-02, 2026-W10, "
    "2026-03, yesterday, monday, last-month or 7d (ago): where that begins.",
)
known_at_option = click.option(
    "--known-at",
    type=moment,
    metavar="TIME",
    help="Only what was on record by then, with the corrections known by then.",
)


def window_options(since: str, until: str) -> Callable[[F], F]:
    """Add --from, --to and --period to a command, which gets the times `since` and `until`.

    Stands above `zone_option`.

    Args:
        since: the help of --from.
        until: the help of --to.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def bounded(*args: Any, period: Said | None, **values: Any) -> Any:
            if period is not None:
                if values["since"] is not None or values["until"] is not None:
                    raise Usage("--period is a --from and a --to; leave it or them out")
                values |= {"since": period._replace(ends=False), "until": period}
            return command(*args, **values)

        with_options: Any = bounded
        for name, key, kind, metavar, told in (
            ("--period", "period", _Moment(ends=True), "PERIOD", _PERIOD),
            ("--to", "until", moment, "TIME", until),
            ("--from", "since", moment, "TIME", since),
        ):
            option = click.option(name, key, type=kind, metavar=metavar, help=told)
            with_options = option(with_options)
        return cast(F, with_options)

    return decorate


_PERIOD = "From where that begins to where it ends: 2026-03, 2026-W10, 2026-Q1, last-month."


def points(command: F) -> F:
    """Add --as-of, --known-at and --at-version to a command, which gets them as a Point `at`.

    Adds --tz too, which the command gets as `tz`: the zone in which times are read and told.
    """

    @wraps(command)
    def bundled(
        *args: Any,
        as_of: datetime | None,
        known_at: datetime | None,
        at_version: int | None,
        **rest: Any,
    ) -> Any:
        return command(*args, at=Point(as_of, known_at, at_version), **rest)

    with_options: Any = bundled
    for option in (
        zone_option,
        click.option(
            "--at-version",
            type=click.IntRange(min=1),
            metavar="N",
            help="Only the first N events on record.",
        ),
        known_at_option,
        as_of_option,
    ):
        with_options = option(with_options)
    return cast(F, with_options)
