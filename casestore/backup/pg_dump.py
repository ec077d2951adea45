"""Dumps of a store's schema by PostgreSQL's own programs, and reading the store's rows from one.

Nothing in a dump is ever run as SQL: the rows are read from its COPY text.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast

from casestore.backup.snapshot import Contents, connected, saying
from casestore.errors import StoreDamaged, StoreUnavailable
from casestore.journal.rows import COLUMNS
from casestore.journal.url import PostgresUrl

DUMP = b"PGDMP"
"""How a dump in the custom format begins."""


def dump(where: PostgresUrl, file: Path) -> tuple[int, int]:
    """Write a dump of a store's schema. Gives how many events are in it, and the last position.

    Raises StoreUnavailable.
    """
    with saying(f"schema {where.schema!r}"), connected(where) as connection:
        program = _program("pg_dump", connection.info.server_version // 10000)
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        sql = f'SELECT pg_export_snapshot(), count(*), max(position) FROM "{where.schema}"'
        snapshot, events, last = connection.execute(f"{sql}.stored_events").fetchone()
        made = subprocess.run(  # noqa: S603  (no shell, and the program is PostgreSQL's)
            [
                program,
                "--format=custom",
                "--encoding=UTF8",
                "--no-owner",
                "--no-privileges",
                "--no-password",
                f"--schema={where.schema}",
                f"--snapshot={snapshot}",
                f"--file={file}",
                f"--dbname={connection.info.dsn}",
            ],
            # Not on the command line, where everybody on the machine could read it.
            env={**os.environ, "PGPASSWORD": connection.info.password},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode:
        raise StoreUnavailable(f"the backup was not made: {_last_line(made.stderr)}")
    return events, last or 0


@contextmanager
def reading_dump(file: Path) -> Iterator[Contents]:
    """What the store in a dump holds. Raises StoreDamaged, StoreUnavailable."""
    program = _program("pg_restore", 0)
    command: list[str | Path] = [program, "--data-only", "--file=-", file]
    with (
        TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process,
    ):

        def ended() -> None:
            if process.wait():
                said.seek(0)
                why = _last_line(said.read().decode(errors="replace"))
                raise StoreDamaged(f"the backup {file} cannot be read: {why}")

        read = _Reading(file, cast(IO[bytes], process.stdout), ended)
        try:
            found = read.table("casestore_meta", "name, value", "tt")
            meta = {name: value for name, value in found}  # noqa: C416  (dict() knows no lists)
            keys = read.table("customer_keys", "customer_id, key_id, wrapped", "tbb")
            rows = read.table("stored_events", COLUMNS, "ititbbttib", last=True)
            yield Contents(meta, keys, rows)
        finally:
            process.kill()


class _Reading:
    """Reads tables from a dump as text, in which they stand in the order of their names."""

    def __init__(self, file: Path, text: IO[bytes], ended: Callable[[], None]) -> None:
        self._file = file
        self._text = text
        self._ended = ended

    def table(
        self, name: str, columns: str, kinds: str, *, last: bool = False
    ) -> Iterator[Sequence[Any]]:
        """The rows of the next table, which must be this one."""
        if self._next_table() != f"{name} ({columns})":
            raise self._foreign()
        read = [_KINDS[kind] for kind in kinds]
        for line in self._text:
            if line == b"\\.\n":
                break
            fields = line.removesuffix(b"\n").split(b"\t")
            try:
                yield [
                    None if field == b"\\N" else kind(field)
                    for kind, field in zip(read, fields, strict=True)
                ]
            except ValueError:
                raise StoreDamaged(f"a row of {name} in {self._file} cannot be read") from None
        if last and self._next_table():
            raise self._foreign()

    def _foreign(self) -> StoreDamaged:
        return StoreDamaged(f"{self._file} is a dump, but not of one casestore store alone")

    def _next_table(self) -> str | None:
        for line in self._text:
            # Those of our columns that are keywords stand in quotation marks.
            if found := _COPY.fullmatch(line.replace(b'"', b"")):
                return found[1].decode()
        self._ended()
        return None


_COPY = re.compile(rb"COPY \w+\.(\w+ \(.*\)) FROM stdin;\n")
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def _raw(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    return re.sub(rb"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), field)


def _bytes(field: bytes) -> bytes:
    raw = _raw(field)
    if raw.startswith(b"\\x"):
        return bytes.fromhex(raw[2:].decode())
    # As a server writes it where bytea_output is `escape`.
    return re.sub(rb"\\(\\|\d{3})", lambda m: m[1] if m[1] == b"\\" else bytes([int(m[1], 8)]), raw)


_KINDS: dict[str, Callable[[bytes], Any]] = {
    "i": int,
    "t": lambda field: _raw(field).decode(),
    "b": _bytes,
}


def _program(name: str, server: int) -> Path:
    """The newest of PostgreSQL's programs of a name; it must not be older than the server."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    if config := shutil.which("pg_config"):
        folders.append(Path(_told([config, "--bindir"])))
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    found = {path: _version(path) for each in folders if (path := each / name).is_file()}
    newest = max(found, key=lambda path: found[path], default=None)
    if newest is not None and found[newest] >= server:
        return newest
    what = "is not here" if newest is None else f"is older ({found[newest]}) than the server"
    raise StoreUnavailable(
        f"PostgreSQL's {name} {what}: install PostgreSQL's client programs"
        f"{f' {server} or later' if server else ''}, or put their folder on PATH; "
        "`casestore copy` keeps a store in a SQLite file, and back, without them"
    )


def _version(program: Path) -> int:
    found = re.search(r"\d+", _told([program, "--version"]))
    return int(found[0]) if found else 0


def _told(command: Sequence[str | Path]) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return ran.stdout.strip()


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["it does not say why"])[-1]
