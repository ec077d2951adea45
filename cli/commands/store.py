"""`casestore init` and `casestore doctor`: making a store, and looking after it."""

from __future__ import annotations

import click

from casestore import CaseStore
from casestore.doctor.examine import DoctorFinding, examine
from casestore.journal.url import SQLiteUrl, parse_url, without_password
from casestore.privacy.erasure import finish
from cli.terminal.options import REFUSED, settings, shared
from cli.terminal.output import Column, for_people, print_lines, print_object, print_rows, tabular
from cli.terminal.progress import progress
from cli.terminal.text import visible
from projections.engine.doctor import tables_of_reports


@click.command
@click.option(
    "--unsealed",
    is_flag=True,
    help="Keep personal text as it is, without a key file. It can then never be erased.",
)
@click.option("--group", metavar="NAME", help="Let a group use the file too, not its owner alone.")
@shared
def init(unsealed: bool, group: str | None) -> None:
    """Make a new store.

    Personal text is sealed with a key from a key file, which is made too: beside a SQLite store,
    or where CASESTORE_KEY_FILE says. Without that file nobody can read the text again.

    \b
    Examples:
      casestore init
      casestore --db sqlite:///complaints.db init
      CASESTORE_KEY_FILE=/etc/casestore.key casestore --db postgresql:///desk?schema=acme init
    """
    db = settings().db
    with CaseStore.create(db, sealed=not unsealed, group=group) as store:
        key_file = store._vault.key_file if store._vault.is_sealed else None
    where = parse_url(db)
    place = str(where.path) if isinstance(where, SQLiteUrl) else without_password(where.url)
    if not for_people():
        print_object({"store": place, "key_file": None if key_file is None else str(key_file)})
    elif not settings().quiet:
        click.echo(f"made the store {place}")
        if key_file is not None:
            click.echo(f"its key file is {key_file}")
            click.echo("back it up, apart from the store: without it nobody can read again what")
            click.echo("customers said")


_FINDINGS = (
    Column("level"),
    Column("check"),
    Column("finding", programs=False),
    *(Column(name, people=False) for name in ("where", "what", "do")),
)


@click.command
@click.option(
    "--fix", is_flag=True, help="First finish what was interrupted: erasures, a rotation's end."
)
@tabular
def doctor(fix: bool) -> None:
    """Check that a store is whole.

    Reads every event, and counts the rows that reports read. Exits 1 if it found damage, 3 if it
    could not look; warnings alone are 0. With --quiet, what is in order is not listed.

    \b
    Examples:
      casestore doctor
      casestore --format json doctor
      casestore doctor --fix
    """
    with settings().open_store() as store:
        if fix:
            for problem in finish(store):
                click.echo(f"casestore: not finished yet: {visible(problem)}", err=True)
        last = store._recorder.last_position()
        with progress("events", last) as tick:
            findings = [*examine(store, progress=tick), *tables_of_reports(store)]
    shown = [finding for finding in findings if finding.level != "ok" or not settings().quiet]
    print_rows(_FINDINGS, map(_row, shown), empty="the store is whole")
    if for_people() and not settings().quiet:
        print_lines([_verdict(findings)])
    if any(finding.level == "error" for finding in findings):
        raise click.exceptions.Exit(REFUSED)


def _row(finding: DoctorFinding) -> dict[str, str]:
    what = f"{finding.where}: {finding.what}; {finding.do}"
    return {**finding._asdict(), "finding": what.strip(":; ")}


def _verdict(findings: list[DoctorFinding]) -> str:
    errors, warnings = (
        sum(finding.level == level for finding in findings) for level in ("error", "warning")
    )
    if errors == warnings == 0:
        return "the store is whole"
    return f"errors: {errors}, warnings: {warnings}"
