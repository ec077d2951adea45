"""Reporting a database that does not answer: as StoreUnavailable, in the same words everywhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as StopSignal

from eventsourcing import persistence
from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    DatabaseError,
    DataError,
    PersistenceError,
    ProgrammingError,
)

from casestore.errors import StoreDamaged, StoreUnavailable

log = logging.getLogger("casestore")


class WaitedLong(persistence.OperationalError):
    """A write waited for as long as it may, so that it is not tried again by itself."""


class LockTimeout(WaitedLong):
    """Another writer held the write lock for all the time that a write waits for it."""

    def __init__(self, how_long: str) -> None:
        super().__init__(f"another writer held the write lock for {how_long}")


def closed() -> StoreUnavailable:
    """The error for a store that is used after `close`."""
    return StoreUnavailable("the store was closed; open it again")


def brief(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has no text."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def database_answers(name: str) -> Iterator[None]:
    """Turn eventsourcing's PersistenceError into one of ours while the context lasts.

    Args:
        name: what is read or written, as the message names it: a store's URL, or a stream.

    Raises:
        StoreUnavailable: the database did not answer.
        StoreDamaged: it answered that what is stored cannot be read.
    """
    try:
        yield
    except ConnectionPoolClosedError as error:
        raise closed() from error
    except PersistenceError as error:
        if is_damage(error):
            raise damaged(name, brief(error)) from error
        if isinstance(error, ProgrammingError):  # it may only be read, or this role may not
            raise StoreUnavailable(f"{name}: the database refuses: {brief(error)}") from error
        raise StoreUnavailable(f"{name}: the database does not answer: {brief(error)}") from error


def damaged(name: str, what: str) -> StoreDamaged:
    """The error for something in the tables that is not as casestore writes it."""
    return StoreDamaged(
        f"{name}: what is stored cannot be read: {what}; `casestore doctor` tells more"
    )


_DAMAGED_PAGE = ("XX001", "XX002")
"""PostgreSQL's codes for a damaged table and a damaged index."""


def is_damage(error: BaseException) -> bool:
    """Whether a database's error tells of what is stored, and not of the database: of a file that
    is malformed, a text that is not UTF-8, a number that is none."""
    code = getattr(error.__cause__, "sqlstate", None)
    if type(error) in (DatabaseError, DataError) or code in _DAMAGED_PAGE:
        return True
    return "decode to UTF-8" in str(error)  # SQLite calls it an OperationalError


def translated(error: Exception) -> persistence.PersistenceError:
    """The eventsourcing error for a database driver's error: both use the names of PEP 249."""
    for cls in type(error).__mro__:
        kind = getattr(persistence, cls.__name__, None)
        if isinstance(kind, type) and issubclass(kind, persistence.PersistenceError):
            return kind(str(error))
    return persistence.PersistenceError(str(error))


class Outage:
    """What who goes on through outages of the database waits with, and says in the log.

    Args:
        doing: what is interrupted, as the log names it.
    """

    _LONGEST = 5.0

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._pause = 0.0

    def wait(self, error: StoreUnavailable, stop: StopSignal | None) -> None:
        """Wait before the next try: longer each time, up to 5 seconds, or until `stop` is set."""
        if not self._pause:
            log.warning("%s is interrupted, and goes on when it can: %s", self._doing, error)
        self._pause = min(max(2 * self._pause, 0.1), self._LONGEST)
        (stop or StopSignal()).wait(self._pause)

    def over(self) -> None:
        """Note that the database answers again."""
        if self._pause:
            log.warning("%s goes on", self._doing)
        self._pause = 0.0
