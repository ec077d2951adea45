"""The options of `casestore import`, and its help page, which shows them in groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from cli.terminal.options import Code
from cli.terminal.time_options import Zone, moment

F = TypeVar("F", bound=Callable[..., Any])
READERS = (
    *("mail", "csv", "zendesk", "zammad", "freshdesk", "chatwoot", "otrs", "jira"),
    "cloudevents",
)
"""The readers, as casestore.intake has them; a test compares. Help must not wait for those."""
_GROUPS = {
    "Options": (
        *("reader", "instance", "dry_run", "show", "destination", "strict", "since"),
        *("timezone", "changes", "on_error"),
    ),
    "Mail": ("ours", "tag", "join_days"),
    "Tables (csv)": ("mapping", "mappings", "sample"),
    "Helpdesks": ("states", "field_ids"),
    "NDJSON": ("trust_recorded_at",),
    "Taking an import back": ("undo", "reason", "actor", "authorised_by", "yes"),
}
"""The options by what they are for; all others are those of every command."""


class Grouped(click.Command):
    """A command whose help page shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its own heading."""
        records = {
            param.name: record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            and (record := param.get_help_record(ctx)) is not None
        }
        grouped = {name for names in _GROUPS.values() for name in names}
        others = tuple(name for name in records if name not in grouped)
        for title, names in {**_GROUPS, "Of every command": others}.items():
            with formatter.section(title):
                formatter.write_dl([records[name] for name in names])


def reader_options(command: F) -> F:
    """Add the options of the readers."""
    with_options: Any = command
    for option in reversed(_READER_OPTIONS):
        with_options = option(with_options)
    return cast(F, with_options)


_READER_OPTIONS = (
    click.option(
        "--from",
        "reader",
        type=Code(READERS),
        metavar="NAME",
        help=f"Read another system's files: {', '.join(READERS)}.",
    ),
    click.option(
        "--instance",
        metavar="NAME",
        help="Which of several like systems, like acme. Helpdesks need it: two of them have the "
        "same ticket numbers.",
    ),
    click.option("--dry-run", is_flag=True, help="Append nothing; show what would come of it."),
    click.option(
        "--show",
        type=click.IntRange(min=0),
        default=3,
        metavar="N",
        help="With --dry-run: the first N cases as timelines (3).",
    ),
    click.option(
        "--to",
        "destination",
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        help="Write the lines as NDJSON instead of appending them; - for standard output.",
    ),
    click.option(
        "--strict", is_flag=True, help="Append nothing if anything in the files is unreadable."
    ),
    click.option(
        "--since",
        type=moment,
        metavar="TIME",
        help="Leave out cases in which nothing happened since then.",
    ),
    click.option(
        "--timezone",
        "timezone",
        type=Zone(),
        metavar="ZONE",
        help="The zone of times that name none, like Europe/Berlin.",
    ),
    click.option(
        "--changes",
        type=Code(["note", "leave-out"]),
        default="note",
        help="A change that no event is made for becomes a note (the default), or is left out.",
    ),
    click.option(
        "--ours",
        multiple=True,
        metavar="ADDRESS",
        help="mail: an address of ours; *@example.com for all of a domain. May be repeated.",
    ),
    click.option(
        "--tag",
        metavar="REGEX",
        help=r"mail: join threads by a number in the subject, like \[#(\d+)\].",
    ),
    click.option(
        "--join-days",
        type=click.IntRange(min=0),
        metavar="N",
        help="mail: join threads of one customer and subject within N days.",
    ),
    click.option(
        "--mapping", metavar="FILE|NAME", help="csv: the mapping; see --mappings and --sample."
    ),
    click.option(
        "--mappings",
        is_flag=True,
        help="csv: list the mappings that are shipped, or print those that are named.",
    ),
    click.option(
        "--sample",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="csv: write a first mapping for this file, to --mapping or standard output.",
    ),
    click.option(
        "--states",
        metavar="closed=A,B;open=C",
        help="Helpdesks: which states are closed, where they were renamed.",
    ),
    click.option(
        "--fields",
        "field_ids",
        multiple=True,
        metavar="ID=NAME",
        help="Helpdesks: a field of theirs that is the case's category, product or region.",
    ),
    click.option(
        "--undo",
        metavar="NAME:INSTANCE",
        help="Void what an import has appended; its --reason is recorded.",
    ),
    click.option(
        "--reason",
        type=Code(["mistyped", "wrong_case", "duplicate", "misreported", "other"]),
        help="With --undo: why.",
    ),
    click.option(
        "--actor",
        metavar="KIND:ID[:ROLE[:TEAM]]",
        help="With --undo: who does it. Default: CASESTORE_ACTOR.",
    ),
    click.option(
        "--authorised-by",
        metavar="KIND:ID[:ROLE[:TEAM]]",
        help="With --undo: who allowed it, if that is somebody else.",
    ),
    click.option("--yes", is_flag=True, help="With --undo: do not ask."),
)
