"""What a database that does not answer is called, wherever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import PersistenceError

from casestore.errors import StoreUnavailable


def brief(error: BaseException) -> str:
    """The first line of an error."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def database_answers(what: str) -> Iterator[None]:
    """Raise StoreUnavailable for what the database cannot answer in here.

    Args:
        what: is asked, as the message names it.
    """
    try:
        yield
    except PersistenceError as error:
        raise StoreUnavailable(f"{what}: the database does not answer: {brief(error)}") from error
