"""Options that several commands share: where the store is, how to print.

The global options may stand before or after the command. What is given after it wins.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from casestore import CaseStore

F = TypeVar("F", bound=Callable[..., Any])
REFUSED, USAGE, CANNOT_TELL = 1, 2, 3
"""Exit codes: refused or tampered; wrong usage; the question could not be answered."""
FORMATS = ("table", "json", "ndjson", "csv", "tsv", "markdown", "html", "xlsx", "parquet")
FILES = ("xlsx", "parquet")
"""The formats that are no text, and so can only be written into a file."""


class Usage(click.UsageError):
    """Wrong usage. The message itself says what to write instead."""


class Settings:
    """The values of the global options."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        """Args:
        clock: gives the present time; tests inject theirs.
        """
        self._clock = clock
        self._store: CaseStore | None = None
        """A store that was opened to know its zone, and that no command has taken yet."""
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
        """Open the store that --db, CASESTORE_URL or the default names.

        For a command with --reveal it is noted first that it shows words. Raises CannotTell where
        that cannot be noted.
        """
        store, self._store = self._store, None
        store = store or self._open()
        if _reveals():
            from cli.terminal.access import note_access  # noqa: PLC0415  (seldom needed)

            try:
                note_access(store.url, store_id=store.meta["store_id"])
            except BaseException:
                store.close()
                raise
        return store

    def _open(self) -> CaseStore:
        from casestore import CaseStore  # noqa: PLC0415  (help must not wait for it)

        if self._clock is None:
            return CaseStore.open(self.db)
        return CaseStore.open(self.db, clock=self._clock)

    def _close_what_nobody_took(self) -> None:
        if self._store is not None:
            self._store.close()

    def now(self) -> datetime:
        """The present time."""
        return datetime.now(UTC) if self._clock is None else self._clock()

    def default_zone(self) -> tzinfo:
        """The zone without --tz: CASESTORE_TZ, else that of the policy in force, else UTC.

        Raises Usage for a CASESTORE_TZ that is no zone.
        """
        if name := os.environ.get("CASESTORE_TZ"):
            try:
                return zone_by_name(name)
            except ValueError as error:
                raise Usage(f"CASESTORE_TZ: {error}") from None
        if self._store is None:
            self._store = self._open()
            click.get_current_context().call_on_close(self._close_what_nobody_took)
        return zone_by_name(self._store.policies().at(self.now()).calendar.timezone)


def _reveals() -> bool:
    """Whether the command that is running shows words, and does not itself note to whom."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or ctx.resilient_parsing or "access_log" in ctx.params:
        return False
    return bool(ctx.params.get("reveal"))


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
            from casestore.errors import quoted  # noqa: PLC0415  (only when mistyped)
            from cli.terminal.nearest import did_you_mean  # noqa: PLC0415  (the same)

            if meant := did_you_mean(value, self.choices):
                self.fail(f"{quoted(value)} is none of them{meant}", param, ctx)
        return super().convert(value, param, ctx)


def shared(command: F) -> F:
    """Add the global options to a command, or to the whole command line."""
    return shared_with(
        FORMATS, "table (the default), json, ndjson, csv, tsv, markdown, html, xlsx or parquet."
    )(command)


def shared_with(formats: tuple[str, ...], help_: str) -> Callable[[F], F]:
    """Add the global options to a command that has formats of its own.

    Args:
        formats: what may be given as --format.
        help_: the help of --format.
    """
    return partial(_shared, formats=formats, help_=help_)


def _shared(command: F, *, formats: tuple[str, ...], help_: str) -> F:
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
            type=Code(formats),
            metavar="FORMAT",
            expose_value=False,
            callback=_keep,
            help=help_,
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
    """Raise Usage for a file that nobody could read, before anything is done."""
    ctx, own = click.get_current_context(), settings()
    if own.format not in FILES or isinstance(ctx.command, click.Group):
        return
    if own.output is not None or ctx.params.get("output") is not None:
        return
    if any("-o" in param.opts and param.name == "output" for param in ctx.command.params):
        raise Usage(f"{own.format} is a file: give -o FILE.{own.format}")
    raise Usage(f"this command makes no {own.format}; leave --format out, or write json")


ONE_STREAM = click.option("--stream", metavar="STREAM", help="Only this one, like case:4711.")
LINES_TO = click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file, whole or not at all, instead of standard output.",
)
"""Where a command writes the lines of events, if not to standard output."""


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


def zone_by_name(name: str) -> tzinfo:
    """The zone with a name. Raises ValueError."""
    from casestore.events.zones import zone  # noqa: PLC0415  (seldom needed)

    return UTC if name == "UTC" else zone(name)


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
