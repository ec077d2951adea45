"""Options that several commands share: where the store is, how to print, points in time.

The global options may stand before or after the command. What is given after it wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

from cli.terminal.text import quoted

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from casestore import CaseStore

F = TypeVar("F", bound=Callable[..., Any])
REFUSED, USAGE, CANNOT_TELL = 1, 2, 3
"""Exit codes: refused or tampered; wrong usage; the question could not be answered."""
FORMATS = ("table", "json", "ndjson", "csv", "tsv", "markdown", "html", "xlsx")


class Usage(click.UsageError):
    """Wrong usage. The message itself says what to write instead."""


class Settings:
    """The values of the global options."""

    def __init__(self) -> None:
        self.db: str | None = None
        self.format = "table"
        self.quiet = False
        self.no_color = False
        self.no_pager = False
        self.output: Path | None = None
        self.bom = False
        self.columns: tuple[str, ...] | None = None
        self.wide = False
        self.block = False
        self.writer: Callable[[Any], None] | None = None
        """Takes what a command prints, where that is not simply standard output."""

    def open_store(self) -> CaseStore:
        """Open the store that --db, CASESTORE_URL or the default names."""
        from casestore import CaseStore  # noqa: PLC0415  (help must not wait for it)

        return CaseStore.open(self.db)


def settings() -> Settings:
    """The settings of the command that is running."""
    return click.get_current_context().find_root().ensure_object(Settings)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # An option left out after the command has no value: the one given before the command stays.
    if param.name == "db" and value is not None and not value.strip():
        raise click.BadParameter("it is empty; name a store, or leave --db out", ctx, param)
    if value and param.name:
        setattr(ctx.find_root().ensure_object(Settings), param.name, value)


class Code(click.Choice[str]):
    """One of some codes. What was mistyped gets the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it, or say which one may be meant."""
        if value not in self.choices:
            from cli.terminal.nearest import did_you_mean  # noqa: PLC0415  (only when mistyped)

            if meant := did_you_mean(value, self.choices):
                self.fail(f"{quoted(value)} is none of them{meant}", param, ctx)
        return super().convert(value, param, ctx)


def shared(command: F) -> F:
    """Add the global options to a command, or to the whole command line."""

    @wraps(command)
    def checked(*args: Any, **values: Any) -> Any:
        _check_that_it_can_be_made()
        return command(*args, **values)

    with_options: Any = checked
    for option in (
        click.option(
            "--no-color", is_flag=True, expose_value=False, callback=_keep, help="No colours."
        ),
        click.option(
            "--no-pager", is_flag=True, expose_value=False, callback=_keep, help="No pager."
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
            type=Code(FORMATS),
            metavar="FORMAT",
            expose_value=False,
            callback=_keep,
            help="table (the default), json, ndjson, csv, tsv, markdown, html or xlsx.",
        ),
        click.option(
            "--db",
            metavar="URL",
            expose_value=False,
            callback=_keep,
            help="The store: a URL, or a file. Default: CASESTORE_URL, else sqlite:///casestore.db.",
        ),
    ):
        with_options = option(with_options)
    return cast(F, with_options)


def _check_that_it_can_be_made() -> None:
    """Raise Usage for an .xlsx that nobody could read, before anything is done."""
    ctx, own = click.get_current_context(), settings()
    if own.format != "xlsx" or isinstance(ctx.command, click.Group) or own.output is not None:
        return
    if any("-o" in param.opts and param.name == "output" for param in ctx.command.params):
        raise Usage("xlsx is a file: give -o FILE.xlsx")
    raise Usage("this command makes no xlsx; leave --format out, or write json")


def destination_options(command: F) -> F:
    """Add the options that say where the output of a command goes, and how."""
    for option in (
        click.option(
            "--bom",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="Begin CSV and TSV with a mark by which spreadsheets know UTF-8.",
        ),
        click.option(
            "--output",
            "-o",
            metavar="FILE",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_keep,
            help="Write a file, whole or not at all, instead of standard output.",
        ),
    ):
        command = option(command)
    return command


def table_options(command: F) -> F:
    """Add the options that choose what a table shows."""
    for option in (
        click.option(
            "--block",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="All columns, each in a line of its own.",
        ),
        click.option(
            "--wide",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="All columns, however wide the table gets.",
        ),
        click.option(
            "--columns",
            metavar="A,B,C",
            expose_value=False,
            callback=_keep_names,
            help="These columns, in this order.",
        ),
    ):
        command = option(command)
    return command


def _keep_names(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names:
        raise click.BadParameter("names no column; write names with commas between them")
    _keep(ctx, param, names)


class _Zone(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    name = "zone"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tzinfo:
        if isinstance(value, tzinfo):
            return value
        from casestore.events.zones import zone  # noqa: PLC0415  (seldom needed)

        try:
            return UTC if value == "UTC" else zone(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Moment(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A time with its zone; or a date, which means its midnight in the zone of --tz."""

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
    """Read a time with its zone, or a date, which means its midnight in `zone`.

    Raises ValueError, with a message that says what to write.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not a time; write one like 2026-03-02T17:00:00Z, or a date"
        ) from None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        moment = moment.replace(tzinfo=zone)
    elif moment.utcoffset() is None:
        like = f"like {text[:40]}Z or {text[:40]}+01:00"
        raise ValueError(f"{quoted(text)} has no time zone; add one, {like}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            f"{quoted(text)} is not in the years 1 to 9999 of UTC; write a time that is"
        ) from None


class Known(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A name that the shell can complete.

    Args:
        name: the kind of thing that is named, like "rule".
        names: gives the names that exist. It is called only to complete, because help must not
            wait for the imports that it needs.
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
        """The names that begin with what was typed, in upper or lower case."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  (only to complete)

        prefix = incomplete.lower()
        return [CompletionItem(name) for name in self._names() if name.lower().startswith(prefix)]


def _event_types() -> list[str]:
    from casestore.events import VOCABULARY  # noqa: PLC0415  (help must not wait for it)

    return [cls.__name__ for cls in VOCABULARY]


EVENT_TYPE = Known("type", _event_types)


class Point(NamedTuple):
    """The point at which a history is read: the values of --as-of, --known-at and --at-version."""

    as_of: datetime | None = None
    known_at: datetime | None = None
    at_version: int | None = None


zone_option = click.option(
    "--tz",
    type=_Zone(),
    default="UTC",
    is_eager=True,  # read before the times: a date means midnight in this zone
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
    """Add --as-of, --known-at and --at-version to a command, which gets them as a Point `at`.

    Adds --tz too, which the command gets as `tz`: the zone that dates mean, and times are shown in.
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
