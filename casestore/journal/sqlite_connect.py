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
from pathlib import Path
from threading import RLock
from typing import Any, Literal, Protocol
from urllib.parse import quote
from weakref import WeakSet

from casestore.errors import StoreUnavailable


class Connected(sqlite3.Connection):
    """A connection that knows its file."""

    path = ""

    def close(self) -> None:
        """Close it."""
        super().close()
        _process().connections.discard(self)


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

    Raises:
        StoreUnavailable: a connection of the parent process was in use at the fork.
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
    uri = f"file:{quote(str(path))}?mode={mode}"
    with process.gate:
        connection = sqlite3.connect(uri, uri=True, factory=Connected, **options)
        connection.path = resolved
        process.connections.add(connection)
    return connection


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
