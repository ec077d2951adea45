"""The reports: each command is made from a report's declaration.

Programs get the rows: JSON is one object with the rows and their summary, NDJSON and CSV are the
rows alone. People get a table of the fields that matter most, and the summary below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from inspect import isfunction
from itertools import chain
from os import cpu_count
from typing import Any

import click
from click.core import ParameterSource

from casestore import CaseStore
from casestore.errors import quoted
from cli.terminal.durations import Duration
from cli.terminal.nearest import did_you_mean
from cli.terminal.options import Code, Usage, settings, shared
from cli.terminal.output import (
    for_people,
    print_lines,
    prints_while_reading,
    tabular,
    zone_named,
)
from cli.terminal.progress import progress
from cli.terminal.time_options import (
    as_of_option,
    known_at_option,
    moment,
    window_options,
    zone_option,
)
from cli.views.report import show, warn_of_parked
from projections import reports
from projections.query.known_names import not_known
from projections.query.report import CannotAsk, Option, Report, Result
from projections.query.selection import Selection

MANY = 200_000
"""With more events than this, several processes build the tables faster than one does."""


class _Read(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """What a report's own function reads."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or say what is wrong with it."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


SELECTS = {
    "customer": "Of one customer, and whoever is merged with them; may be repeated.",
    "case": "Of one case, and what it is merged with; may be repeated.",
    "agent": "Of one agent; may be repeated, and any will do.",
    "team": "Of one team; may be repeated.",
    "product": "Of one product; may be repeated.",
    "region": "Of one region; may be repeated.",
    "category": "Of one category; may be repeated.",
}
"""The options that select some rows of a report, and their help."""

Show = Callable[[Report[Any], Result[Any], tzinfo], None]
"""Prints what a report answered, with times in a zone."""


def report_command(
    report: Report[Any], *, in_words: bool = False, shows: Show = show
) -> click.Command:
    """Make the command of a report.

    Args:
        report: the report.
        in_words: whether it has the option --explain.
        shows: prints what the report answered.
    """

    def run(
        since: datetime | None,
        until: datetime | None,
        sort: str | None,
        limit: int | None,
        explained: bool = False,
        **values: Any,
    ) -> None:
        own = {name: values.pop(name) for name in map(_python_name, report.options)}
        # An option that may be given several times, and was not, is an empty tuple.
        selected = {name: value for name, value in values.items() if value != ()}
        selection = Selection(since=since, until=until, **selected)
        chosen = _chosen(report, explained)
        known = {_python_name(option) for option in chosen.options if option.instead is None}
        own = {name: value for name, value in own.items() if name in known}
        sort = None if sort is None else sort_field(chosen, sort)
        with settings().open_store() as store, ExitStack() as read:
            check_that_they_exist(store, selection)
            asked = {"selection": selection, "sort": sort, "limit": limit, **own}
            try:
                result = read.enter_context(reading(chosen, store, **asked))
            except CannotAsk as error:
                raise Usage(str(error)) from None
            if explained:
                # Only who asks for words waits for these.
                from cli.views.lapses import explained_lapses  # noqa: PLC0415  (see above)
                from projections.reports import explained as words  # noqa: PLC0415  (see above)

                if for_people():
                    warn_of_parked(result.parked)
                    lines = explained_lapses(result, store, selection.tz)
                    print_lines(chain(lines, zone_named(selection.tz)))
                    return
                rows = list(words.with_words(result, store, selection.tz))
                result = replace(result, rows=rows)
                chosen = replace(chosen, line=words.ExplainedLine)
            shows(chosen, result, selection.tz)

    decorators = [
        *([] if report.argument is None else [click.argument(report.argument, metavar="ID")]),
        *map(_option, report.options),
        *([_EXPLAIN] if in_words else []),
        as_of_option,
        known_at_option,
        window_options(
            "Only rows whose own time is not before this one.",
            "Only rows whose own time is before this one.",
        ),
        *(
            click.option(f"--{name}", metavar="ID", multiple=True, help=help_)
            for name, help_ in SELECTS.items()
            if name in report.selects and name != report.argument
        ),
        click.option(
            "--sort",
            metavar="FIELD",
            help="Sort by a field; -FIELD puts the largest first.",
        ),
        click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows."),
        zone_option,
        tabular,
    ]
    command: Any = run
    for decorate in reversed(decorators):
        command = decorate(command)
    page = f"{report.help}\n\n\b\nExample:\n  casestore {report.example}"
    made: click.Command = click.command(name=report.name.rpartition(" ")[2], help=page)(command)
    return made


def _chosen(report: Report[Any], explained: bool) -> Report[Any]:
    """The report that answers: some options ask another one instead.

    Raises Usage where options are given that it does not know, rather than leave them out.
    """
    ctx = click.get_current_context()
    given = [
        option
        for option in report.options
        if ctx.get_parameter_source(_python_name(option)) is ParameterSource.COMMANDLINE
    ]
    asking = next((option for option in given if option.instead is not None), None)
    if asking is None or asking.instead is None:
        return report
    known = {option.name for option in asking.instead.options}
    unknown = [f"--{each.name}" for each in given if each.name not in known and each is not asking]
    if explained:
        unknown.append("--explain")
    if unknown:
        raise Usage(
            f"--{asking.name} counts, and {unknown[0]} is about what is not shown then; "
            "leave one of them out"
        )
    return asking.instead


def sort_field(report: Report[Any], text: str) -> str:
    """The field to sort by, with its "-": by its name, which may lack its unit: opened, late_by.

    Raises Usage.
    """
    fields = report.line.__struct_fields__
    names = {re.sub(r"_(s|id|at|share)$", "", field): field for field in reversed(fields)}
    names |= {field: field for field in fields}
    wanted = re.sub(r"[\s-]", "_", text.removeprefix("-").strip()).lower()
    if wanted not in names:
        hint = did_you_mean(wanted, names) or f"; sort by one of {', '.join(fields)}"
        raise Usage(f"{quoted(text.removeprefix('-'))} is no field of this report{hint}")
    return f"{'-' if text.startswith('-') else ''}{names[wanted]}"


_EXPLAIN = click.option(
    "--explain", "explained", is_flag=True, help="In words: the rule, its numbers, the evidence."
)


def _python_name(option: Option) -> str:
    return option.name.replace("-", "_")


def _option(option: Option) -> Any:
    name = f"--{option.name}"
    if option.kind is bool:
        return click.option(name, is_flag=True, help=option.help)
    attributes: dict[str, Any] = {
        "help": option.help,
        "required": option.required,
        "multiple": option.multiple,
    }
    if option.default is not None:
        attributes["default"] = option.default
    if isinstance(option.kind, tuple):
        codes = "|".join(option.kind)
        attributes["metavar"] = codes if len(codes) < _LONG else option.name.upper()
        return click.option(name, type=Code(option.kind), **attributes)
    if isfunction(option.kind):
        return click.option(name, type=_Read(option.name, option.kind), **attributes)
    if option.kind is datetime:
        return click.option(name, type=moment, metavar="TIME", **attributes)
    kind = Duration() if option.kind is timedelta else str
    return click.option(name, type=kind, **attributes)


_LONG = 80
"""From this many characters on, an option's codes are too long to list them in a help page."""


def check_that_they_exist(store: CaseStore, selection: Selection) -> None:
    """Raise StreamNotFound if a case or a customer that is selected does not exist.

    Otherwise a customer whose id was mistyped would look like one without complaints. Raises Usage
    for an agent, a team and so on that no event has ever named.
    """
    for kind in ("case", "customer"):
        for selected_id in selection.wanted(kind) or ():
            store.history(f"{kind}:{selected_id}", at_version=1)
    if (mistyped := not_known(store, selection)) is not None:
        from projections.query.seen_names import seen  # noqa: PLC0415  (only when mistyped)

        field, name, at_present = mistyped
        known = [*at_present, *seen(store, field, "")]
        raise Usage(f"no event names the {field} {quoted(name)}{did_you_mean(name, known)}")


def answered(report: Report[Any], store: CaseStore, **arguments: Any) -> Result[Any]:
    """Ask a report, with a progress bar while projections are brought up to date for it."""
    with reading(report, store, **arguments) as result:
        return replace(result, rows=list(result.rows))


@contextmanager
def reading(report: Report[Any], store: CaseStore, **arguments: Any) -> Iterator[Result[Any]]:
    """Ask a report, for a context in which its rows are read.

    Where they are printed while they are read, they are made meanwhile. Elsewhere the database's
    snapshot is not kept for as long as somebody looks at them.
    """
    events = store._recorder.last_position()
    processes = (cpu_count() or 1) if events > MANY else 1
    with ExitStack() as opened:
        with progress("events", events or None) as tick:
            result = opened.enter_context(
                report.reading(store, processes=processes, tick=tick, **arguments)
            )
        if not prints_while_reading():
            result = replace(result, rows=list(result.rows))
            opened.close()
        yield result


# --- the commands ----------------------------------------------------------------------------


_GOODWILL = ("history", "given", "spend", "allowance")


class _Reports(click.Group):
    """A group of reports, each of which is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's interface)
        """Name them."""
        return sorted(_GOODWILL)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's interface)
        cmd_name: str,
    ) -> click.Command | None:
        """Make one."""
        return (
            report_command(getattr(reports, f"goodwill_{cmd_name}"))
            if cmd_name in _GOODWILL
            else None
        )


@click.group(cls=_Reports)
@shared
def goodwill() -> None:
    """Show what customers were given: gestures and remedies.

    \b
    Examples:
      casestore goodwill history C-2207
      casestore goodwill spend --by team
    """


def __getattr__(name: str) -> click.Command:
    """The command of a report, made when it is asked for: so that only this report is imported."""
    if name not in reports.__all__ or not isinstance(report := getattr(reports, name), Report):
        raise AttributeError(name)
    return report_command(report, in_words=name == "lapses")
