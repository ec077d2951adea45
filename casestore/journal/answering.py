"""Reporting a database that does not answer: as StoreUnavailable, in the same words everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing import persistence
from eventsourcing.persistence import PersistenceError

from casestore.errors import StoreUnavailable


class LockTimeout(persistence.OperationalError):
    """Another writer held the write lock for all the time that a write waits for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"another writer held the write lock for {seconds:g} seconds")


def brief(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has no text."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def database_answers(name: str) -> Iterator[None]:
    """Turn eventsourcing's PersistenceError into StoreUnavailable while the context lasts.

    Args:
        name: what is read or written, as the message names it: a store's URL, or a stream.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(f"{name}: the database does not answer: {brief(error)}") from error


def translated(error: Exception) -> persistence.PersistenceError:
    """The eventsourcing error for a database driver's error: both use the names of PEP 249."""
    for cls in type(error).__mro__:
        kind = getattr(persistence, cls.__name__, None)
        if isinstance(kind, type) and issubclass(kind, persistence.PersistenceError):
            return kind(str(error))
    return persistence.PersistenceError(str(error))
