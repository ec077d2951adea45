"""The access log: who saw the words of whom, or destroyed their keys, and when.

`casestore serve` notes each page that it shows with words; the command line each command that shows
or exports words, destroys keys or puts back a store. A line is one JSON object, without any words.
It is appended by one write, under a lock where the system has one, so that several processes may
share the file. It is written before anything is shown or done; where it cannot be, nothing is.

A line of a command: `{"at": …, "who": …, "actor": …, "command": …, "case": …, "customer": …,
"all": …, "store_id": …}`. `projections.serve.views_log` tells what a line of a page has.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casestore.journal.url import SQLiteUrl, parse_url
from casestore.system.files import naming, open_file

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

try:
    import pwd
except ImportError:  # Windows
    pwd = None  # type: ignore[assignment]

_BESIDE = ".views.ndjson"
"""What the log beside a store's file has after the name of that file."""
_TAIL = 1 << 16
"""Bytes. The last line of a log is shorter."""


def log_beside(url: str | None) -> Path | None:
    """The access log beside a store's file; None for a store that has no file."""
    where = parse_url(url)
    if not isinstance(where, SQLiteUrl):
        return None
    return where.path.with_name(f"{where.path.name}{_BESIDE}")


def log_of(url: str | None) -> Path | None:
    """The access log of a store: the one that CASESTORE_ACCESS_LOG names, else the one beside it.

    None for a store on PostgreSQL, if none is named.
    """
    named = os.environ.get("CASESTORE_ACCESS_LOG")
    return Path(named) if named else log_beside(url)


def os_user() -> str:
    """The name of the user whose process this is, as the system knows it, or the number."""
    if pwd is None:
        return getpass.getuser()
    # getpass believes the environment, where everybody may write any name.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


class AccessLog:
    """An access log.

    Args:
        path: the file. It is made for its owner alone (mode 0600) if it is not there. The one
            beside a store's file belongs to the owner of that file, and nobody else makes it.

    Raises OSError, also where it is a link or no ordinary file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.close(self._open())

    def note_command(
        self,
        command: str,
        *,
        actor: str | None = None,
        case: str | None = None,
        customer: str | None = None,
        store_id: str | None = None,
    ) -> None:
        """Note a command. Raises OSError: then it must not be done.

        Args:
            command: its name, like "case timeline".
            actor: who does it, as they say; the log has the system's user too.
            case: the id of the case that it is about.
            customer: the id of the customer that it is about. Without either, it is about all.
            store_id: of which store; None where that is not known yet.
        """
        self.append(
            {
                "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                "who": os_user(),
                "actor": actor,
                "command": command,
                "case": case,
                "customer": customer,
                "all": case is None and customer is None,
                "store_id": store_id,
            }
        )

    def append(self, values: Mapping[str, Any]) -> None:
        """Append a line. Raises OSError."""
        line = json.dumps(values, ensure_ascii=True).encode() + b"\n"
        descriptor = self._open()
        try:
            if fcntl is not None:
                with suppress(OSError):  # a file system without locks: one write is enough
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_torn(descriptor):
                line = b"\n" + line
            with naming(self.path):
                if os.write(descriptor, line) != len(line):
                    raise OSError(None, "it took only a part of a line")
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
        flags |= getattr(os, "O_CLOEXEC", 0)
        with suppress(FileNotFoundError):
            return open_file(self.path, flags)
        owner = self._owner()
        descriptor = open_file(self.path, flags | os.O_CREAT, mode=0o600)
        if owner is not None:
            os.fchown(descriptor, owner, -1)
        return descriptor

    def _owner(self) -> int | None:
        """Whom a new log is to be given to; None where that is who makes it.

        Raises PermissionError where somebody else would get a log that the owner of the store
        cannot write any more: then the owner could show and erase nothing.
        """
        store = self.path.with_name(self.path.name.removesuffix(_BESIDE))
        if store == self.path or not store.exists() or not hasattr(os, "geteuid"):
            return None
        owner, user = store.stat().st_uid, os.geteuid()
        if user not in (owner, 0):
            why = "it would be yours alone, and the store is another user's"
            raise PermissionError(errno.EACCES, why, str(self.path))
        return None if owner == user else owner


def last_line(path: Path) -> bytes | None:
    """The last line of a log, without its end; None where it has no end. Raises OSError."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(open_file(path, flags), "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL, 0))
        tail = file.read()
    if tail and not tail.endswith(b"\n"):
        return None
    return tail[:-1].rpartition(b"\n")[2]


def _is_torn(descriptor: int) -> bool:
    """Whether the last line has no end: a process died, or the disk was full, in the middle."""
    size = os.fstat(descriptor).st_size
    if not size:
        return False
    os.lseek(descriptor, -1, os.SEEK_END)  # O_APPEND writes at the end all the same
    return os.read(descriptor, 1) != b"\n"
