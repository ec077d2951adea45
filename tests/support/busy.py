"""A store whose turn to write somebody else has."""

from collections.abc import Iterator
from contextlib import contextmanager

from casestore import CaseStore


@contextmanager
def busy(store: CaseStore) -> Iterator[None]:
    """The write lock is held: BEGIN IMMEDIATE, or the advisory lock."""
    with store._recorder.writing() as writing:
        writing.survey((), (), ())
        yield
