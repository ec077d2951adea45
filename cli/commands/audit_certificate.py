"""`casestore audit verify-certificate`: checking the certificate of an erasure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import click
import msgspec

from casestore.audit.certificate import Certificate
from casestore.audit.certificate import verify_certificate as check
from casestore.streams.wording import counted, instant
from casestore.tlog.note import MAX_NOTE, Checkpoint, Verifier
from cli.terminal.checkpoints import (
    NEEDED_KEYS,
    OLDER,
    begins_with,
    cannot_tell_if_not_signed,
    read_checkpoints,
)
from cli.terminal.options import settings, shared
from cli.terminal.output import for_people, print_lines, print_object
from cli.terminal.text import visible


@click.command()
@click.argument("file", metavar="FILE", type=click.File("rb"))
@NEEDED_KEYS
@OLDER
@shared
def verify_certificate(file: IO[bytes], keys: Sequence[Verifier], held: Sequence[Path]) -> None:
    """Check the certificate of an erasure, without any store.

    It proves that the erasure is in the sealed history, with its time and basis. That no copy of a
    destroyed key is left anywhere, the signer says, and nothing proves. Exits 0 if it holds, 1 if
    it does not, 3 if another key signed it or it says nothing about a checkpoint that is held.

    \b
    Examples:
      casestore audit verify-certificate C-3318.erased --key verifier.txt
      casestore audit verify-certificate C-3318.erased --key verifier.txt --held checkpoint-of-march
    """
    with cannot_tell_if_not_signed(getattr(file, "name", "<stdin>")):
        certificate, checkpoint = check(file.read(MAX_NOTE + 1), keys, read_checkpoints(held))
    if not for_people():
        told = msgspec.structs.asdict(certificate)
        told = {name: told[name] for name in told if name not in ("proof", "state")}
        signed = {"size": checkpoint.size, "root": checkpoint.root.hex()}
        print_object({**told, **signed, "begins_with": [str(path) for path in held]})
    elif not settings().quiet:
        print_lines(map(visible, _in_words(certificate, checkpoint)))
        print_lines(begins_with(held))


def _in_words(certificate: Certificate, checkpoint: Checkpoint) -> Iterator[str]:
    keys = counted(len(certificate.destroyed_keys), "key")
    yield f"the words of customer {certificate.customer_id} were erased on"
    yield f"{instant(certificate.erased_at)}, basis {certificate.basis}"
    yield f"that is event {certificate.event_id} in the history of"
    yield f"{counted(checkpoint.size, 'event')} that {checkpoint.origin} signed"
    yield f"{keys} destroyed, as the signer says"
