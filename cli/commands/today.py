"""`casestore today`: what a desk has to do, in one screen of a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo
from typing import Any

import click

from cli.commands.reports import report_command
from cli.terminal.options import REFUSED, settings
from cli.terminal.output import for_documents, for_people, on_terminal
from cli.terminal.screen import height
from cli.views.report import show
from projections import reports
from projections.query.report import Report, Result

_AROUND = 12
"""Lines of a screen that are not rows: the head, the summary, what there was no room for, and the
shell's next prompt."""
_FEWEST = 5


def _show(report: Report[Any], result: Result[Any], zone: tzinfo) -> None:
    ctx = click.get_current_context()
    if result.total or not settings().quiet or not (for_people() or for_documents()):
        show(report, _fitted(result, ctx), zone)
    if result.total and ctx.meta.get(_EXIT_CODE):
        raise click.exceptions.Exit(REFUSED)


def _fitted(result: Result[Any], ctx: click.Context) -> Result[Any]:
    """As many rows as a screen has room for, where nobody asked for a number of them."""
    own = settings()
    if not for_people() or not on_terminal() or own.block or ctx.params["limit"] is not None:
        return result
    return replace(result, rows=result.rows[: max(height() - _AROUND, _FEWEST)])


_EXIT_CODE = "casestore.exit_code"


def _keep(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001  (click's interface)
    ctx.meta[_EXIT_CODE] = value


today = click.option(
    "--exit-code",
    is_flag=True,
    expose_value=False,
    callback=_keep,
    help="Exit with 1 if there is anything to do. With --quiet nothing is printed if not.",
)(report_command(reports.today, shows=_show))
