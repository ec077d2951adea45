"""Opening SQLite files, so that a fork cannot damage them.

SQLite keeps its file locks for each process, and a forked child believes that it holds those of
its parent's connections: it would write without a lock, and the parent would remove the
write-ahead log (WAL) that the child writes to. A connection that the child opens itself is no
better while it has one of the parent's on that file, and to close that one is as bad. Source:
"How To Corrupt An SQLite Database File", 2.6, Carrying an open database across a fork().

So connections are opened here, and counted. Before a fork the idle ones are closed, and none is
opened until the fork is done. A child refuses a file on which one was in use at the fork.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, Literal, Protocol
from urllib.parse import quote
from weakref import WeakSet

from casestore.errors import StoreUnavailable


class Connected(sqlite3.Connection):
    """A connection that knows its files."""

    path = ""
    log: tuple[int, int] | None = None
    """Device and inode of the write-ahead log (WAL) that it writes to, once that is there."""

    def close(self) -> None:
        """Close it."""
        super().close()
        _process().connections.discard(self)

    def is_cut_off(self) -> bool:
        """Whether the WAL beside the file is another one now, or none: what this connection
        commits then goes into a file that nobody will read."""
        found = identity(f"{self.path}-wal")
        if self.log is None:
            self.log = found
        return found != self.log


def identity(path: Path | str) -> tuple[int, int] | None:
    """Device and inode of a file; None where there is none. Raises OSError."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


class Holder(Protocol):
    """Has connections, of which some may be idle."""

    def close_idle(self) -> None:
        """Close the idle ones."""


class _Process:
    """What a process knows of its connections. A forked child makes its own."""

    def __init__(self, inherited: frozenset[str] = frozenset()) -> None:
        self.pid = os.getpid()
        self.gate = RLock()
        """Held while a connection is opened, and during a fork."""
        self.connections: WeakSet[Connected] = WeakSet()
        self.inherited = inherited
        """The files on which a connection of the parent was in use at the fork."""


_this = _Process()
_holders: WeakSet[Any] = WeakSet()


def connect(path: Path, mode: Literal["ro", "rw", "rwc"] = "rw", **options: Any) -> Connected:
    """Open a SQLite file.

    Args:
        path: of the file.
        mode: "rw" and "ro" need the file to be there; "rwc" makes it.
        options: of sqlite3.connect.

    A file that nobody may write, in a folder where SQLite cannot put its own files beside it, is
    read as it is.

    Raises:
        StoreUnavailable: a connection of the parent process was in use at the fork; or the file
            can only be read by who can write into its folder.
        sqlite3.Error: it cannot be opened.
    """
    process = _process()
    resolved = os.path.realpath(path)
    if resolved in process.inherited:
        raise StoreUnavailable(
            f"{path} was in use when this process was forked, and SQLite cannot open it again "
            "here: fork before the store is used, or start processes anew (multiprocessing: the "
            "start method spawn)"
        )
    with process.gate:
        connection = _open(path, f"mode={mode}", options)
        connection.path = resolved
        process.connections.add(connection)
    return connection


def _open(path: Path, how: str, options: dict[str, Any]) -> Connected:
    _share_beside(path)
    uri = f"file:{quote(str(path))}?{how}"
    connection = sqlite3.connect(uri, uri=True, factory=Connected, **options)
    try:  # SQLite opens the file only now
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except UnicodeDecodeError:  # SQLite's message about a schema that is no SQL has bytes of it
        connection.close()
        damaged = sqlite3.DatabaseError("malformed database schema")
        damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damaged from None
    except sqlite3.Error as error:
        connection.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BESIDE or "immutable" in how:
            raise
        if not _for_good(path):
            raise StoreUnavailable(
                f"{path} cannot be read, as SQLite must write its own files beside it, and may not "
                f"({error}): ask its owner for the group of `casestore init --group`, or for a "
                "backup to read"
            ) from None
        return _open(path, "immutable=1", options)
    return connection


def _share_beside(path: Path) -> None:
    """Where a file is a group's, make the files beside it the group's as well.

    SQLite would give them the group of whoever comes first, and then others could not come in.
    """
    try:
        status = path.stat()
    except OSError:
        return
    if not status.st_mode & stat.S_IWGRP or not hasattr(os, "fchown"):
        return
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        with suppress(OSError):  # it is there; or this user may not make it
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.fchown(descriptor, -1, status.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            finally:
                os.close(descriptor)


_BESIDE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
"""The errors where the files beside a database cannot be made."""


def _for_good(path: Path) -> bool:
    """Whether a file stays as it is: nobody may write it, and nothing is left to copy into it."""
    waiting = path.with_name(f"{path.name}-wal")
    if not path.exists() or (waiting.exists() and waiting.stat().st_size > 0):
        return False
    read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY) if hasattr(os, "statvfs") else False
    return read_only or path.stat().st_mode & 0o222 == 0


def close_before_forks(holder: Holder) -> None:
    """Have the idle connections of a holder closed before each fork, while it lives."""
    _holders.add(holder)


def _process() -> _Process:
    global _this  # noqa: PLW0603  (the state of the process)
    if _this.pid != os.getpid():
        inherited = list(_this.connections)
        for connection in inherited:
            _keep_for_ever(connection)
        _this = _Process(_this.inherited | {connection.path for connection in inherited})
    return _this


def _keep_for_ever(connection: Connected) -> None:
    """Never finalize an inherited connection, not even when the interpreter ends."""
    import ctypes  # noqa: PLC0415  (only after such a fork)

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _before_fork() -> None:
    _process().gate.acquire()
    for holder in list(_holders):
        holder.close_idle()


def _after_fork_in_parent() -> None:
    _process().gate.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_process,
    )
