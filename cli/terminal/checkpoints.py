"""Options that name checkpoints which somebody keeps, and verifier keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from casestore.audit.held import HeldCheckpoint
from casestore.errors import InvalidNote
from casestore.tlog.note import MAX_NOTE, Verifier

F = TypeVar("F", bound=Callable[..., Any])


class VerifierKey(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A verifier key, or a file that holds one."""

    name = "key"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Verifier:
        """Read it, or say what is wrong with it."""
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
    """The checkpoints in some files, opened by nobody yet."""
    return [HeldCheckpoint(str(path), beginning(path)) for path in paths]


def beginning(path: Path) -> bytes:
    """Of a file, as much as tells that it is longer than any note."""
    with path.open("rb") as file:
        return file.read(MAX_NOTE + 1)


_KEY_HELP = "The verifier key (as `audit key` prints it), or a file with it."


def _held(told: str) -> Callable[[F], F]:
    kept = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("--held", metavar="FILE", multiple=True, type=kept, help=told)


HELD = _held("A checkpoint that somebody kept; may be given several times.")
OLDER = _held("An older checkpoint: also, that the history begins with what it signs.")
KEYS = click.option(
    "--key", "keys", metavar="KEY", multiple=True, type=VerifierKey(), help=_KEY_HELP
)
