"""Dumps of a store's schema by PostgreSQL's own programs, and reading a store's rows from a dump.

A dump may come from anybody, so nothing in it is run as SQL: pg_restore turns it into text, and the
rows are read from its COPY blocks.
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

from casestore.backup.snapshot import Contents, connected, database_errors
from casestore.errors import StoreDamaged, StoreUnavailable
from casestore.journal.place import backend
from casestore.journal.rows import COLUMNS
from casestore.journal.url import PostgresUrl

DUMP = b"PGDMP"
"""The first bytes of a dump in pg_dump's custom format."""


def dump(where: PostgresUrl, file: Path) -> tuple[int, int]:
    """Write a dump of a store's schema. Gives the number of events in it, and the last position.

    Raises StoreUnavailable, also where pg_dump is missing or older than the server.
    """
    with database_errors(f"schema {where.schema!r}"), connected(where) as connection:
        program = _program("pg_dump", connection.info.server_version // 10000)
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        sql = f'SELECT pg_export_snapshot(), count(*), max(position) FROM "{where.schema}"'
        snapshot, events, last = connection.execute(f"{sql}.stored_events").fetchone()
        backend(where).flush(where)
        # As the URL gives it: what psycopg's libpq would add, an older pg_dump does not know.
        conninfo = backend(where).psycopg.conninfo
        given = conninfo.conninfo_to_dict(where.direct)
        secret = given.pop("password", None)
        password = {} if secret is None else {"PGPASSWORD": str(secret)}
        result = subprocess.run(  # noqa: S603  (no shell, and the program is PostgreSQL's)
            [
                program,
                "--format=custom",
                "--encoding=UTF8",
                "--no-owner",
                "--no-privileges",
                "--no-password",
                f"--schema={where.schema}",
                # How far relays are tells nothing of the store that this becomes.
                f"--exclude-table={where.schema}.relays*",
                f"--snapshot={snapshot}",
                f"--file={file}",
                f"--dbname={conninfo.make_conninfo(**given)}",
            ],
            # The password is not on the command line: every user of the machine can read that.
            env={**os.environ, **password},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise StoreUnavailable(f"the backup was not made: {_last_line(result.stderr)}")
    return events, last or 0


@contextmanager
def reading_dump(file: Path) -> Iterator[Contents]:
    """The contents of the store in a dump, while the context lasts.

    Raises StoreDamaged, and StoreUnavailable where pg_restore is missing.
    """
    program = _program("pg_restore", 0)
    command: list[str | Path] = [program, "--data-only", "--file=-", file]
    with (
        TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):

        def check_exit() -> None:
            if process.wait():
                errors.seek(0)
                why = _last_line(errors.read().decode(errors="replace"))
                raise StoreDamaged(f"the backup {file} cannot be read: {why}")

        reader = _Reader(file, cast(IO[bytes], process.stdout), check_exit)
        try:
            pairs = reader.table("casestore_meta", "name, value", "tt")
            meta = {name: value for name, value in pairs}  # noqa: C416  (to mypy, a row is not a pair)
            keys = reader.table("customer_keys", "customer_id, key_id, wrapped", "tbb")
            rows = reader.table("stored_events", COLUMNS, "ititbbttib", last=True)
            yield Contents(meta, keys, rows)
        finally:
            process.kill()


class _Reader:
    """Reads tables from the text of a dump, one after the other in the order of their names.

    Args:
        file: the dump, as messages name it.
        text: what pg_restore writes.
        check_exit: called at the end of the text; raises StoreDamaged if pg_restore failed.
    """

    def __init__(self, file: Path, text: IO[bytes], check_exit: Callable[[], None]) -> None:
        self._file = file
        self._text = text
        self._check_exit = check_exit

    def table(
        self, name: str, columns: str, kinds: str, *, last: bool = False
    ) -> Iterator[Sequence[Any]]:
        """The rows of the next table.

        Args:
            name: of the table.
            columns: its columns, as COPY lists them.
            kinds: the type of each column, a letter of _KINDS.
            last: whether no other table may follow.

        Raises:
            StoreDamaged: the next table is another one, or a row cannot be read.
        """
        if self._next_table() != f"{name} ({columns})":
            raise self._foreign()
        converters = [_KINDS[kind] for kind in kinds]
        for line in self._text:
            if line == b"\\.\n":
                break
            fields = line.removesuffix(b"\n").split(b"\t")
            try:
                yield [
                    None if field == b"\\N" else convert(field)
                    for convert, field in zip(converters, fields, strict=True)
                ]
            except ValueError:
                raise StoreDamaged(f"a row of {name} in {self._file} cannot be read") from None
        if last and self._next_table():
            raise self._foreign()

    def _foreign(self) -> StoreDamaged:
        return StoreDamaged(f"{self._file} is a dump, but not of one casestore store alone")

    def _next_table(self) -> str | None:
        """The next table, as `name (columns)`; None at the end."""
        for line in self._text:
            # COPY puts a column whose name is an SQL keyword in quotation marks.
            if match := _COPY.fullmatch(line.replace(b'"', b"")):
                return match[1].decode()
        self._check_exit()
        return None


_COPY = re.compile(rb"COPY \w+\.(\w+ \(.*\)) FROM stdin;\n")
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def _raw(field: bytes) -> bytes:
    """A field of a COPY block without its escapes."""
    if b"\\" not in field:
        return field
    return re.sub(rb"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), field)


def _bytes(field: bytes) -> bytes:
    """The value of a bytea field."""
    raw = _raw(field)
    if raw.startswith(b"\\x"):
        return bytes.fromhex(raw[2:].decode())
    # A server whose bytea_output is `escape` does not write hex.
    return re.sub(rb"\\(\\|\d{3})", lambda m: m[1] if m[1] == b"\\" else bytes([int(m[1], 8)]), raw)


_KINDS: dict[str, Callable[[bytes], Any]] = {
    "i": int,
    "t": lambda field: _raw(field).decode(),
    "b": _bytes,
}
"""The types of columns, and how the text of a field becomes a value."""


def _program(name: str, server: int) -> Path:
    """The newest of PostgreSQL's programs with a name.

    Raises StoreUnavailable where there is none, or it is older than the server's major version.
    """
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    if config := shutil.which("pg_config"):
        folders.append(Path(_output([config, "--bindir"])))
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    versions = {path: _version(path) for folder in folders if (path := folder / name).is_file()}
    newest = max(versions, key=lambda path: versions[path], default=None)
    if newest is not None and versions[newest] >= server:
        return newest
    problem = "is not here" if newest is None else f"is older ({versions[newest]}) than the server"
    raise StoreUnavailable(
        f"PostgreSQL's {name} {problem}: install PostgreSQL's client programs"
        f"{f' {server} or later' if server else ''}, or put their folder on PATH; "
        "`casestore copy` keeps a store in a SQLite file, and back, without them"
    )


def _version(program: Path) -> int:
    """The major version of a program; 0 where it does not tell."""
    match = re.search(r"\d+", _output([program, "--version"]))
    return int(match[0]) if match else 0


def _output(command: Sequence[str | Path]) -> str:
    """What a command prints; "" where it cannot be run."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return result.stdout.strip()


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["it does not say why"])[-1]
