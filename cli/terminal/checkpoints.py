"""Options of the audit: checkpoints that somebody keeps away from the store, and verifier keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from casestore.audit.held import HeldCheckpoint
from casestore.errors import CannotTell, InvalidNote, NotSigned
from casestore.tlog.note import MAX_NOTE, Verifier

F = TypeVar("F", bound=Callable[..., Any])


class VerifierKey(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A verifier key, or a file that holds one."""

    name = "key"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Verifier:
        """Read the key, or fail with what is wrong with it."""
        if isinstance(value, Verifier):
            return value
        text = str(value)
        if Path(text).is_file():
            text = beginning(Path(text)).decode(errors="replace").strip()
        try:
            return Verifier.parse(text)
        except InvalidNote as error:
            self.fail(str(error), param, ctx)


def read_checkpoints(paths: Sequence[Path]) -> list[HeldCheckpoint]:
    """Read files with checkpoints. Their signatures are checked later, where the keys are known."""
    return [HeldCheckpoint(str(path), beginning(path)) for path in paths]


def beginning(path: Path) -> bytes:
    """The first bytes of a file: one more than the longest note has.

    A file that is too long can thus be refused, and is never read to its end.
    """
    with path.open("rb") as file:
        return file.read(MAX_NOTE + 1)


_KEY_HELP = (
    "The verifier key (as `audit key` prints it), or a file with it. Give each one where the "
    "signing key was changed."
)


def _held(help_: str) -> Callable[[F], F]:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("--held", metavar="FILE", multiple=True, type=file, help=help_)


HELD = _held("A checkpoint that somebody kept; may be given several times.")
OLDER = _held("An older checkpoint, to prove also that the history begins with what it signs.")


def _keys(*, required: bool) -> Callable[[F], F]:
    return click.option(
        "--key",
        "keys",
        required=required,
        metavar="KEY",
        multiple=True,
        type=VerifierKey(),
        help=_KEY_HELP,
    )


KEYS = _keys(required=False)
NEEDED_KEYS = _keys(required=True)


@contextmanager
def cannot_tell_if_not_signed(name: str) -> Iterator[None]:
    """Turn NotSigned into CannotTell: only with the signer's key can anything be checked."""
    try:
        yield
    except NotSigned as error:
        raise CannotTell(f"{name}: {error}; give another one with --key") from None


def begins_with(held: Sequence[Path]) -> list[str]:
    """What is proven of older checkpoints, in words."""
    return [f"that history begins with what {path} signs" for path in held]
