"""`casestore archive`: the history as Parquet files, which stand for themselves."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from casestore.archive import Archive, archived_lines, verify_archive, write_archive
from casestore.archive.manifest import MOST_BUCKETS
from casestore.archive.writing import BUCKETS
from casestore.streams.wording import counted
from casestore.tlog.note import Verifier
from cli.commands.archive_fold import fold, load
from cli.terminal.checkpoints import HELD, KEYS, read_checkpoints
from cli.terminal.extras import with_extra
from cli.terminal.files import whole_file
from cli.terminal.options import LINES_TO, ONE_STREAM, settings, shared
from cli.terminal.output import for_people, print_object, readable
from cli.terminal.progress import progress
from cli.terminal.text import visible
from cli.views.verified import print_verified

DIR = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
"""The folder of an archive."""


@click.group()
@shared
def archive() -> None:
    """Keep the history as Parquet files, proven without the store.

    An archive holds every event as it is stored, sealed text too, but never a key. It is divided by
    customer, ordered by stream, and grows by position. It takes the extra:
    pip install 'casestore[parquet]'.

    \b
    Examples:
      casestore archive write /srv/archive
      casestore archive verify /srv/archive --key verifier.txt
      casestore archive read /srv/archive --stream case:4711
      casestore archive fold /srv/archive --out /srv/rows
    """


archive.add_command(fold)
archive.add_command(load)


@archive.command()
@DIR
@click.option(
    "--buckets",
    type=click.IntRange(1, MOST_BUCKETS),
    metavar="N",
    help=f"How many parts the customers are divided into, for good; {BUCKETS} if left out.",
)
@shared
def write(folder: Path, buckets: int | None) -> None:
    """Write the events that DIR does not hold yet.

    DIR is made, or gone on with: a write adds a file for each bucket that has new events. What is
    killed leaves the archive as it was, and is done again by the next write. A store that was
    restored to before the archive's end is refused. The newest seal is copied in.

    \b
    Examples:
      casestore archive write /srv/archive
      casestore --db postgresql:///desk archive write /srv/archive --buckets 256
    """
    with with_extra(), settings().open_store() as store, progress("events", None) as tick:
        done = write_archive(store, folder, buckets=buckets, progress=tick)
    manifest = done.manifest
    seal = {"sealed": manifest.seal.size if manifest.seal else None}
    if not for_people():
        told = {"new": done.new, "files": done.parts, "events": manifest.events}
        print_object({"folder": str(folder), **told, "position": manifest.last, **seal})
    elif not settings().quiet:
        files, events = counted(done.parts, "file"), counted(manifest.events, "event")
        click.echo(visible(f"wrote {counted(done.new, 'event')} in {files} to {folder}"))
        sealed = f"{manifest.seal.size:,}" if manifest.seal else "none"
        click.echo(f"it holds {events} up to position {manifest.last:,}, {sealed} of them sealed")


@archive.command()
@DIR
@HELD
@KEYS
@readable
def verify(folder: Path, held: Sequence[Path], keys: Sequence[Verifier]) -> None:
    """Prove that DIR holds what was signed, without the store.

    Compares the files with the manifest, and the tree of all events with the checkpoint that was
    copied in and those given with --held. Without --key the keys in the store's audit folder count,
    where it is at hand. Exits 0 if all is as it was signed, 1 if something was altered, 3 if it
    cannot tell: nothing was sealed, or no key is known. Takes 32 bytes an event in a temporary
    file.

    \b
    Examples:
      casestore archive verify /srv/archive
      casestore archive verify /srv/archive --key verifier.txt
      casestore archive verify /srv/archive --key verifier.txt --held checkpoint-of-march
    """
    with with_extra(), progress("events", Archive(folder).manifest.events) as tick:
        verified = verify_archive(
            folder,
            held=read_checkpoints(held),
            keys=keys,
            url=settings().db,
            progress=tick,
        )
    if code := print_verified(verified):
        raise click.exceptions.Exit(code)


@archive.command()
@DIR
@ONE_STREAM
@LINES_TO
@shared
def read(folder: Path, stream: str | None, output: Path | None) -> None:
    """Give the events of DIR as NDJSON again, in the order of positions.

    The lines are those of `casestore export` of the store at that time, to the byte. Personal text
    is withheld: the keys for it are with the store. `casestore import --trust-recorded-at` makes a
    store of them. Takes as much temporary space (TMPDIR) as the lines have, unless --stream is
    given.

    \b
    Examples:
      casestore archive read /srv/archive > events.ndjson
      casestore archive read /srv/archive --stream case:4711
    """
    with with_extra():
        lines = archived_lines(Archive(folder), stream=stream)
        if output is None:
            sys.stdout.buffer.writelines(lines)
            sys.stdout.buffer.flush()
            return
        with whole_file(output, private=True) as file:
            file.writelines(lines)
