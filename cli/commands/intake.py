"""`casestore import`: NDJSON, or another system's files by a reader of casestore.intake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

from cli.commands.intake_given import read_options
from cli.commands.intake_mappings import mistakes_told, show_mappings, write_sample
from cli.commands.intake_options import Grouped, reader_options
from cli.commands.intake_reading import append, dry_run, write_lines
from cli.terminal.options import Code, Usage, shared
from cli.terminal.text import visible

_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


@click.command("import", cls=Grouped)
@click.argument(
    "paths", metavar="FILE…", nargs=-1, type=click.Path(allow_dash=True, path_type=Path)
)
@click.option(
    "--on-error",
    type=Code(["stop", "skip"]),
    default="stop",
    help="At a line that the store refuses: stop, keeping everything before it (the default), or "
    "skip it.",
)
@click.option(
    "--trust-recorded-at",
    is_flag=True,
    help="NDJSON: keep the times of recording, to move a store into a new, empty one.",
)
@reader_options
@shared
def import_(
    paths: Sequence[Path],
    on_error: Literal["stop", "skip"],
    trust_recorded_at: bool,
    reader: str | None,
    **given: Any,
) -> None:
    """Import events from NDJSON, or from another system's files.

    Without --from, FILE is NDJSON, one event a line, or - for standard input. With --from, FILE is
    a file, a folder or an archive (zip, tar, gz) of that system. Importing the same again appends
    nothing; a later, longer export extends. Exits 1 if anything was refused.

    \b
    A line of NDJSON:
      {"stream":"case:4711","type":"NoteAdded","data":{"occurred_at":"2026-03-02T17:00:00Z",
       "actor":{"kind":"agent","id":"anna"},"text":"Rang back."},"key":"crm-1"}

    \b
    Examples:
      casestore import events.ndjson
      casestore import --from mail --ours help@example.com archive.mbox --dry-run
      casestore import --from zendesk --instance acme audits.json tickets.json users.json
      casestore import --from csv --sample tickets.csv --mapping tickets.toml
      casestore import --from csv --mapping tickets.toml tickets.csv
    """
    if given["mappings"]:
        show_mappings([str(path) for path in paths])
    elif given["sample"] is not None:
        write_sample(given["sample"], given["mapping"])
    elif given["undo"] is not None:
        _undo(given)
    elif reader is None:
        _import_ndjson(paths, on_error, trust_recorded_at, given)
    else:
        if trust_recorded_at:
            raise Usage("--trust-recorded-at is for NDJSON; leave it or --from out")
        _import_from(reader, paths, on_error, given)


def _undo(given: Mapping[str, Any]) -> None:
    from cli.commands.undo import undo  # noqa: PLC0415  (an import needs none)

    undo(
        given["undo"],
        given["reason"],
        actor=given["actor"],
        authorised_by=given["authorised_by"],
        dry_run=given["dry_run"],
        yes=given["yes"],
    )


def _import_ndjson(
    paths: Sequence[Path],
    on_error: Literal["stop", "skip"],
    trust_recorded_at: bool,
    given: Mapping[str, Any],
) -> None:
    from cli.commands.transfer import import_ndjson  # noqa: PLC0415  (a reader needs none)

    ctx = click.get_current_context()
    for param in ctx.command.params:
        if param.name in given and ctx.get_parameter_source(param.name) in _GIVEN:
            raise Usage(f"{param.opts[0]} is for --from; without it an import reads NDJSON")
    if len(paths) != 1:
        what = "one FILE" if paths else "a FILE"
        raise Usage(f"an import of NDJSON takes {what}; --from NAME reads several")
    import_ndjson(paths[0], on_error, trust_recorded_at)


def _import_from(
    reader: str,
    paths: Sequence[Path],
    on_error: Literal["stop", "skip"],
    given: Mapping[str, Any],
) -> None:
    if not paths:
        raise Usage(f"name what to read: casestore import --from {reader} FILE…")
    for path in paths:
        if str(path) != "-" and not path.exists():
            raise Usage(f"{visible(str(path))}: there is no such file or folder")
    options = read_options(reader, given)
    with mistakes_told(given["mapping"]):
        if given["dry_run"]:
            if given["destination"] is not None:
                raise Usage("--dry-run shows the lines and --to writes them; leave one of them out")
            dry_run(reader, paths, options, given["show"])
        elif given["destination"] is not None:
            write_lines(reader, paths, options, given["destination"], given["strict"])
        else:
            append(reader, paths, options, on_error, given["strict"])
