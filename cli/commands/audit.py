"""`casestore audit`: sealing the history, verifying it, and proving parts of it to others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import click
import msgspec

from casestore.audit import sealing
from casestore.audit.bundle import verify_bundle as bundle_verify
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.leaf import Leaf
from casestore.audit.proof import LARGEST
from casestore.audit.proof import verify_proof as proof_verify
from casestore.audit.proving import find_row, prover
from casestore.audit.rows import origin
from casestore.audit.tlog_export import export_log
from casestore.audit.verifying import verify as verify_store
from casestore.streams.wording import counted
from casestore.tlog.note import Checkpoint, Verifier
from cli.commands.audit_certificate import verify_certificate
from cli.terminal.checkpoints import (
    HELD,
    KEYS,
    NEEDED_KEYS,
    OLDER,
    begins_with,
    cannot_tell_if_not_signed,
    read_checkpoints,
)
from cli.terminal.options import settings, shared
from cli.terminal.output import for_people, print_lines, print_object, readable
from cli.terminal.progress import progress
from cli.views.verified import print_verified


@click.group()
@shared
def audit() -> None:
    """Seal the history, verify it, and prove it to others.

    A seal is a signed checkpoint of all events. Hand checkpoints and the verifier key to somebody
    independent: against what they hold, no event can be changed, removed or slipped in unnoticed.

    \b
    Examples:
      casestore audit key
      casestore audit seal
      casestore audit verify --held checkpoint-of-march
    """


audit.add_command(verify_certificate)


@audit.command()
@shared
def key() -> None:
    """Make the signing key, or show its verifier key.

    The signing key stands in the audit folder (CASESTORE_AUDIT_DIR, else FILE.audit beside a
    SQLite store), or where CASESTORE_AUDIT_KEY says. Back it up, and keep it from those who can
    change the database. The verifier key is for everybody.

    \b
    Examples:
      casestore audit key
      CASESTORE_AUDIT_DIR=/srv/audit casestore --db postgresql:///desk audit key
    """
    with settings().open_store() as store:
        folder = Folder.of(store.url)
        verifier, new = folder.make_key(origin(store))
    if not for_people():
        print_object({"verifier": str(verifier), "key_file": str(folder.key_file), "new": new})
        return
    if new and not settings().quiet:
        click.echo(f"made the signing key {folder.key_file}", err=True)
    click.echo(str(verifier))


@audit.command()
@shared
def seal() -> None:
    """Sign what the history is now.

    Reads only what is new. Refuses if the store is an older copy of what was sealed, or a copy that
    got other events since. Prints where a copy of the checkpoint is: deposit it with somebody
    independent.

    \b
    Examples:
      casestore audit seal
      casestore --format json audit seal
    """
    with settings().open_store() as store:
        last = store._recorder.last_position()
        with progress("events", last) as tick:
            sealed = sealing.seal(store, progress=tick)
    checkpoint = sealed.checkpoint
    if not for_people():
        signed = {"size": checkpoint.size, "root": checkpoint.root.hex(), "new": sealed.new}
        print_object({**signed, "checkpoint": sealed.note, "file": str(sealed.file)})
    elif not settings().quiet:
        click.echo(f"sealed {counted(checkpoint.size, 'event')}, {sealed.new:,} of them new")
        click.echo(f"the checkpoint is {sealed.file}")


@audit.command()
@HELD
@KEYS
@click.option(
    "--incremental",
    is_flag=True,
    help="Begin where the last one ended, trusting what was verified then.",
)
@readable
def verify(held: Sequence[Path], keys: Sequence[Verifier], incremental: bool) -> None:
    """Compare every event with what was signed.

    Names the first event that was altered, removed or added, and says how many are newer than
    every checkpoint. Without --key the keys in the audit folder count. Exits 0 if all is as it was
    signed, 1 if something was tampered with, 3 if it cannot tell.

    \b
    Examples:
      casestore audit verify
      casestore audit verify --held checkpoint-of-march --key verifier.txt
      casestore audit verify --incremental
    """
    with settings().open_store() as store:
        last = store._recorder.last_position()
        with progress("events", last) as tick:
            verified = verify_store(
                store,
                held=read_checkpoints(held),
                keys=keys,
                incremental=incremental,
                progress=tick,
            )
    if code := print_verified(verified):
        raise click.exceptions.Exit(code)


@audit.command()
@click.argument("event", metavar="EVENT_ID|STREAM@VERSION")
@OLDER
@shared
def prove(event: str, held: Sequence[Path]) -> None:
    """Prove that an event is in the sealed history.

    Prints one JSON document, which `audit verify-proof` checks anywhere. It holds no words of the
    event, but hashes of them. For an auditor who holds an older checkpoint, name that with --held.

    \b
    Examples:
      casestore audit prove case:4711@3
      casestore audit prove 5f0c1c54-5a3c-4e0c-8d0e-7a3f1c9a7b11 > proof.json
      casestore audit prove case:4711@3 --held checkpoint-of-march > proof.json
    """
    with settings().open_store() as store:
        row = find_row(store, event)
        with prover(store, read_checkpoints(held)) as proving:
            proof = proving.prove(row)
    click.echo(msgspec.json.format(msgspec.json.encode(proof), indent=2))


@audit.command()
@click.argument("file", metavar="FILE", type=click.File("rb"))
@NEEDED_KEYS
@OLDER
@shared
def verify_proof(file: IO[bytes], keys: Sequence[Verifier], held: Sequence[Path]) -> None:
    """Check a proof, without any store.

    Exits 0 if it holds, 1 if it does not, 3 if another key signed it or it says nothing about a
    checkpoint that is held.

    \b
    Examples:
      casestore audit verify-proof proof.json --key verifier.txt
      casestore audit verify-proof proof.json --key verifier.txt --held checkpoint-of-march
      casestore audit prove case:4711@3 | casestore audit verify-proof - --key verifier.txt
    """
    with cannot_tell_if_not_signed(getattr(file, "name", "<stdin>")):
        leaf, checkpoint = proof_verify(file.read(LARGEST + 1), keys, read_checkpoints(held))
    if not for_people():
        proven = {"event": msgspec.structs.asdict(leaf), "size": checkpoint.size}
        more = {"signed_by": checkpoint.origin, "begins_with": [str(path) for path in held]}
        print_object({**proven, "root": checkpoint.root.hex(), **more})
    elif not settings().quiet:
        click.echo(f"{_leaf(leaf)} is in the history of {counted(checkpoint.size, 'event')} that")
        click.echo(f"{checkpoint.origin} signed")
        print_lines(begins_with(held))


def _leaf(leaf: Leaf) -> str:
    return f"{leaf.topic}, {leaf.stream} version {leaf.version}, event id {leaf.event_id},"


@audit.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@shared
def export(folder: Path) -> None:
    """Write the sealed history as a static transparency log.

    Its layout is that of C2SP tlog-tiles, which public tools read: checkpoint, tile/ and
    tile/entries/. It holds no words of any event, but hashes of them. DIR may hold an earlier
    export.

    \b
    Example:
      casestore audit export log
    """
    with settings().open_store() as store:
        last = store._recorder.last_position()
        with progress("events", last) as tick:
            checkpoint = export_log(store, folder, progress=tick)
    _say(
        {"folder": str(folder)},
        checkpoint,
        f"wrote {counted(checkpoint.size, 'event')} to {folder}",
    )


@audit.command(name="case")
@click.argument("case_id", metavar="ID")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--reveal", is_flag=True, help="Personal text too. Needs the key file.")
@click.option(
    "--maker",
    default="",
    envvar="CASESTORE_ACTOR",
    help="Who makes it, as the page names them. Default: CASESTORE_ACTOR.",
)
@click.option(
    "--firm",
    default="",
    envvar="CASESTORE_FIRM",
    help="For which firm, as the page names it. Default: CASESTORE_FIRM.",
)
@OLDER
@shared
def case_(
    case_id: str, out: Path, held: Sequence[Path], *, reveal: bool, maker: str, firm: str
) -> None:
    """Write one case as evidence, with proofs and a page to read.

    OUT is a new folder, readable by its owner alone. It can be verified on a machine without the
    store, with `audit verify-bundle`. Personal text is withheld unless --reveal is given.

    \b
    Examples:
      casestore audit case 4711 case-4711
      casestore audit case 4711 case-4711 --reveal
      casestore audit case 4711 case-4711 --maker "Anna Ahrens" --firm "Kettles Ltd"
      casestore audit case 4711 case-4711 --held checkpoint-of-march
    """
    with settings().open_store() as store:
        name = case_id.removeprefix("case:")
        said = {"maker": maker, "firm": firm}
        bundle = write_bundle(store, name, out, reveal=reveal, held=read_checkpoints(held), **said)
    if not for_people():
        print_object(
            {"folder": str(out), "events": len(bundle.events), "verifier": bundle.verifier}
        )
    elif not settings().quiet:
        click.echo(
            f"wrote {counted(len(bundle.events), 'event')} to {out}; read {out / 'page.html'}"
        )


@audit.command()
@click.argument(
    "folder", metavar="OUT", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@KEYS
@OLDER
@shared
def verify_bundle(folder: Path, keys: Sequence[Verifier], held: Sequence[Path]) -> None:
    """Check the evidence of one case, without any store.

    Give the verifier key that you have by another way; without --key the bundle's own is taken,
    which proves nothing before you have compared it. Exits 0 if all holds, 1 if not, 3 if another
    key signed it or it says nothing about a checkpoint that is held.

    \b
    Examples:
      casestore audit verify-bundle case-4711 --key verifier.txt
      casestore audit verify-bundle case-4711 --key verifier.txt --held checkpoint-of-march
      casestore audit verify-bundle case-4711
    """
    with cannot_tell_if_not_signed(str(folder)):
        proven = bundle_verify(folder, keys, read_checkpoints(held))
    remarks = begins_with(held)
    if not keys:
        remarks.append(f"signed by the bundle's own key; compare it: {proven.verifier}")
    if proven.proven:
        what = "the words that it reveals are proven to be what was recorded"
        remarks.append(f"{counted(proven.proven, 'event')}: {what}")
    if proven.unproven:
        claim = (
            "words were deciphered by the store: that these are the words is its claim (they were "
            "recorded before casestore sealed a commitment to them)"
        )
        remarks.append(f"{counted(proven.unproven, 'event')}: {claim}")
    if proven.page != "ok":
        remarks.append("page.html was made by another version of casestore, and was not compared")
    values = {"stream": proven.stream, "events": proven.events, "remarks": remarks}
    result = f"{proven.stream}: {counted(proven.events, 'event')}, all as they were signed"
    _say(values, proven.checkpoint, result, *remarks)


def _say(values: dict[str, object], checkpoint: Checkpoint, *lines: str) -> None:
    """Print the values and the checkpoint for programs, or the lines for people."""
    if not for_people():
        print_object({**values, "size": checkpoint.size, "root": checkpoint.root.hex()})
    elif not settings().quiet:
        print_lines(lines)
