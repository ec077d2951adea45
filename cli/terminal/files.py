"""The file of -o: written whole or not at all."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from casestore.system.files import naming, part_of
from cli.terminal.options import Usage


def check_writable(path: Path) -> None:
    """Raise Usage if a file cannot be put at a path, so that nobody waits for nothing."""
    if path.is_dir():
        raise Usage(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise Usage(f"{path} is no ordinary file, which -o would replace; leave -o out, use >")
    if not path.parent.is_dir():
        raise Usage(f"cannot write {path}: the folder {path.parent} does not exist")
    if (what := _kept(path)) is not None:
        raise Usage(f"{path} is {what}, which would be replaced; name another file")


_BESIDE = ("-wal", "-shm", "-journal", ".key", ".key.erased", ".relays", ".projections")
"""How the names of files end that belong to the store beside them."""
_KEYS = (b"# The key of a casestore", b"# The key that signs", b"# store ", b"casestore-key-")
"""How key files begin."""


def _kept(path: Path) -> str | None:
    """What a file is, if it has to be kept: a store, a part of one, or a key."""
    if _is_a_store(path):
        return "a store"
    for end in _BESIDE:
        if path.name.endswith(end) and _is_a_store(path.with_name(path.name.removesuffix(end))):
            return "a part of the store beside it"
    try:
        with path.open("rb") as file:
            return "a key file" if file.read(32).startswith(_KEYS) else None
    except OSError:
        return None


def _is_a_store(path: Path) -> bool:
    """Whether a file holds a store. Only what begins as a SQLite file is opened."""
    try:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                return False
    except OSError:
        return False
    from casestore.journal.sqlite import holds_store  # noqa: PLC0415  (seldom needed)
    from casestore.journal.url import SQLiteUrl  # noqa: PLC0415  (the same)

    return holds_store(SQLiteUrl(path.absolute()))


@contextmanager
def whole_file(path: Path, *, private: bool) -> Iterator[IO[bytes]]:
    """Give a file to write, which is moved to `path` once all is written.

    If the context raises, nothing is changed; but what ends a command with an exit code of its own
    does not stop it. A file that was there before keeps its mode, and a link goes on to lead to it.

    Args:
        path: where the file is to be.
        private: whether a new one can be read by its owner alone.
    """
    target = path.resolve()
    check_writable(target)
    ended: click.exceptions.Exit | None = None
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    first = 0o600 if private or mode is not None else 0o666
    with naming(path), part_of(target, first, replace=True) as part, part.open("wb") as file:
        try:
            yield file
        except click.exceptions.Exit as end:
            ended = end
    if mode is not None:
        target.chmod(mode)
    if ended is not None:
        raise ended
