"""The reports: each command is made from a report's declaration.

For programs, JSON is one object with the rows and what they come to; NDJSON and CSV are the rows.
For people, a table of the fields that matter most, and below it what the rows come to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo
from os import cpu_count
from typing import Any

import click

from casestore import CaseStore
from cli.terminal.options import (
    as_of_option,
    known_at_option,
    moment,
    settings,
    shared,
    zone_option,
)
from cli.terminal.output import (
    for_people,
    print_lines,
)
from cli.terminal.progress import progress
from cli.views.lapses import explained_lapses
from cli.views.report import show, warn_of_parked
from projections import reports
from projections.query.report import Option, Report, Result
from projections.query.selection import Selection

MANY = 200_000
"""Events from which on several processes build faster than one."""


_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Duration(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,5})([mhdw])", value)
        if found is None:
            self.fail(f"{value!r} is not a duration; write one like 90m, 12h, 7d or 2w", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


_SELECTS = {
    "customer": "Of one customer, and whoever is merged with them.",
    "case": "Of one case, and what is merged into it.",
    "agent": "Of one agent.",
    "team": "Of one team.",
    "product": "Of one product.",
    "region": "Of one region.",
    "category": "Of one category.",
}


Explain = Callable[[Result[Any], CaseStore, tzinfo], Iterator[str]]


def _command(report: Report[Any], explain: Explain | None = None) -> click.Command:
    """The command of a report; with --explain, where its rows can be told in words."""

    def run(
        since: datetime | None,
        until: datetime | None,
        sort: str | None,
        limit: int | None,
        explained: bool = False,
        **given: Any,
    ) -> None:
        own = {each.name: given.pop(each.name) for each in report.options}
        selection = Selection(since=since, until=until, **given)
        others = (each.instead for each in report.options if each.instead and own[each.name])
        asked = next(others, report)
        known = {each.name for each in asked.options if each.instead is None}
        own = {name: value for name, value in own.items() if name in known}
        with settings().open_store() as store:
            _see_that_they_exist(store, selection)
            result = answered(asked, store, selection=selection, sort=sort, limit=limit, **own)
            if explain is not None and explained and asked is report and for_people():
                warn_of_parked(result.parked)
                print_lines(explain(result, store, selection.tz))
                return
        show(asked, result, selection.tz)

    def sort_by(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
        fields = report.line.__struct_fields__
        if value is not None and value.removeprefix("-") not in fields:
            raise click.BadParameter(f"{value!r} is no field; sort by one of {', '.join(fields)}")
        return value

    decorators = [
        *([] if report.argument is None else [click.argument(report.argument, metavar="ID")]),
        *map(_option, report.options),
        *([] if explain is None else [_EXPLAIN]),
        as_of_option,
        known_at_option,
        *(
            click.option(
                name,
                key,
                type=moment,
                metavar="TIME",
                help=f"Only rows whose own time is {what}.",
            )
            for name, key, what in (
                ("--from", "since", "not before this one"),
                ("--to", "until", "before this one"),
            )
        ),
        *(
            click.option(f"--{name}", metavar="ID", help=what)
            for name, what in _SELECTS.items()
            if name in report.selects and name != report.argument
        ),
        click.option(
            "--sort",
            metavar="FIELD",
            callback=sort_by,
            help="Sort by a field; -FIELD puts the largest first.",
        ),
        click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows."),
        zone_option,
        shared,
    ]
    command: Any = run
    for decorate in reversed(decorators):
        command = decorate(command)
    help_ = f"{report.help}\n\n\b\nExample:\n  casestore {report.example}"
    made: click.Command = click.command(name=report.name.rpartition(" ")[2], help=help_)(command)
    return made


_EXPLAIN = click.option(
    "--explain", "explained", is_flag=True, help="In words: the rule, its numbers, the evidence."
)


def _option(option: Option) -> Any:
    name = f"--{option.name}"
    known: dict[str, Any] = {"help": option.help}
    if option.kind is bool:
        return click.option(name, is_flag=True, **known)
    more = {"required": option.required, **known}
    if option.default is not None:
        more["default"] = option.default
    if isinstance(option.kind, tuple):
        listed = "|".join(option.kind)
        more["metavar"] = listed if len(listed) < _LONG else option.name.upper()
        return click.option(name, type=click.Choice(option.kind), **more)
    return click.option(name, type=_Duration() if option.kind is timedelta else str, **more)


_LONG = 80
"""Codes that take more room than this in a help page are not listed there."""


def _see_that_they_exist(store: CaseStore, selection: Selection) -> None:
    """An id that was mistyped shall not look like a customer without complaints."""
    for kind, given in (("case", selection.case), ("customer", selection.customer)):
        if given is not None:
            store.history(f"{kind}:{given}", at_version=1)


def answered(report: Report[Any], store: CaseStore, **asked: Any) -> Result[Any]:
    """Ask a report, with a progress bar where it takes long."""
    events = store.recorder.last_position()
    workers = (cpu_count() or 1) if events > MANY else 1
    with progress("events", events or None) as tick:
        return report(store, workers=workers, tick=tick, **asked)


# --- showing ---------------------------------------------------------------------------------


# --- the commands ----------------------------------------------------------------------------


@click.group()
@shared
def goodwill() -> None:
    """Show what customers were given: gestures and remedies.

    \b
    Examples:
      casestore goodwill history C-2207
      casestore goodwill spend --by team
    """


for _each in (reports.goodwill_history, reports.goodwill_spend, reports.goodwill_allowance):
    goodwill.add_command(_command(_each))

cases = _command(reports.cases)
promises = _command(reports.promises)
undelivered = _command(reports.undelivered)
waiting = _command(reports.waiting)
overdue = _command(reports.overdue)
ageing = _command(reports.ageing)
repeats = _command(reports.repeats)
lapses = _command(reports.lapses, explained_lapses)
conflicts = _command(reports.conflicts)
consistency = _command(reports.consistency)
breakdown = _command(reports.breakdown)
