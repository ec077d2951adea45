"""Options that several commands share: where the store is, how to print, points in time.

The global options may stand before or after the command. What is given after it wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from casestore import CaseStore

F = TypeVar("F", bound=Callable[..., Any])
REFUSED, USAGE, CANNOT_TELL = 1, 2, 3
"""Exit codes: refused or tampered; wrong usage; the question could not be answered."""
FORMATS = ("table", "json", "ndjson", "csv")


class Usage(click.UsageError):
    """Wrong usage, in a message that says by itself what to write."""


class Settings:
    """What the global options say."""

    def __init__(self) -> None:
        self.db: str | None = None
        self.format = "table"
        self.quiet = False
        self.no_color = False

    def open_store(self) -> CaseStore:
        """Open the store that --db, CASESTORE_URL or the default names."""
        from casestore import CaseStore  # noqa: PLC0415  (help must not wait for it)

        return CaseStore.open(self.db)


def settings() -> Settings:
    """The settings of the command that is running."""
    return click.get_current_context().find_root().ensure_object(Settings)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    given = ctx.find_root().ensure_object(Settings)
    if value and param.name:
        setattr(given, param.name, value)


def shared(command: F) -> F:
    """Give a command, or the group of them all, the global options."""
    for option in (
        click.option(
            "--no-color", is_flag=True, expose_value=False, callback=_keep, help="No colours."
        ),
        click.option(
            "--quiet",
            "-q",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="Only what was asked for: no progress bars, no remarks.",
        ),
        click.option(
            "--format",
            type=click.Choice(FORMATS),
            metavar="FORMAT",
            expose_value=False,
            callback=_keep,
            help="table (the default), json, ndjson or csv.",
        ),
        click.option(
            "--db",
            metavar="URL",
            expose_value=False,
            callback=_keep,
            help="The store. Default: CASESTORE_URL, else sqlite:///casestore.db.",
        ),
    ):
        command = option(command)
    return command


class _Zone(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    name = "zone"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tzinfo:
        if isinstance(value, tzinfo):
            return value
        from zoneinfo import ZoneInfo  # noqa: PLC0415  (seldom needed)

        try:
            return UTC if value == "UTC" else ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # not found; no such path; a folder's name
            self.fail(f"{value!r} is not a time zone; write one like Europe/Berlin", param, ctx)


class _Moment(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A time with its zone, or a date: its midnight in --tz."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        zone = (ctx.params.get("tz") if ctx else None) or UTC
        try:
            return read_moment(value, zone)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read_moment(text: str, zone: tzinfo = UTC) -> datetime:
    """Read a point in time. Raises ValueError, which says what to write."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write one like 2026-03-02T17:00:00Z, or a date"
        ) from None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return moment.replace(tzinfo=zone)
    if moment.utcoffset() is None:
        raise ValueError(f"{text!r} has no time zone; add one, like {text}Z or {text}+01:00")
    return moment


class Known(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A name that the shell completes.

    Args:
        name: what it is the name of.
        names: gives those that there are, once they are needed: help must not wait for them.
    """

    def __init__(self, name: str, names: Callable[[], Iterable[str]]) -> None:
        self.name = name
        self._names = names

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's interface)
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Names that begin so."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  (only to complete)

        begin = incomplete.lower()
        return [CompletionItem(name) for name in self._names() if name.lower().startswith(begin)]


def _event_types() -> list[str]:
    from casestore.events import VOCABULARY  # noqa: PLC0415  (help must not wait for it)

    return [cls.__name__ for cls in VOCABULARY]


EVENT_TYPE = Known("type", _event_types)


class Point(NamedTuple):
    """A point in a history, as --as-of, --known-at and --at-version give it."""

    as_of: datetime | None = None
    known_at: datetime | None = None
    at_version: int | None = None


zone_option = click.option(
    "--tz",
    type=_Zone(),
    default="UTC",
    is_eager=True,  # before the times, whose dates are read in it
    metavar="ZONE",
    help="Tell times in this zone, like Europe/Berlin. Default: UTC.",
)
moment = _Moment()
as_of_option = click.option(
    "--as-of",
    type=moment,
    metavar="TIME",
    help="Only what had happened by then. TIME is like 2026-03-02T17:00:00Z, or a date.",
)
known_at_option = click.option(
    "--known-at",
    type=moment,
    metavar="TIME",
    help="Only what was on record by then, with the corrections known by then.",
)


def points(command: F) -> F:
    """Give a command --as-of, --known-at and --at-version, bundled as `at`.

    And --tz as `tz`, in which dates are read and times are told.
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
