"""The import loop: it commits the appends that a reader makes from the lines of a file.

The loop does not know the file's format. The reader does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal, NamedTuple

from casestore.append.request import Append
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.system.garbage import fewer_collections

_COMMIT = 1000
"""The most lines of one commit."""
_COMMIT_BYTES = 4 * 1024 * 1024
"""When the lines of a commit have this many bytes together, it takes no further line."""
OnError = Literal["stop", "skip"]
"""What to do if a line is refused: stop there, or skip it and go on."""


class Refusal(NamedTuple):
    """A line that was not imported, and why."""

    line: int
    """The number of the line, from 1."""
    message: str
    """The reason."""


class Imported(NamedTuple):
    """What an import did."""

    lines: int
    """How many lines were read that are not empty. If the import stopped: the number of the refused
    line."""
    appended: int
    """How many lines were appended."""
    repeated: int
    """How many lines hold an event that was in the store already."""
    refused: tuple[Refusal, ...]
    """The refused lines, in order."""
    registered: int = 0
    """How many customers the store registered by itself, with an event each."""


class ReadLine(NamedTuple):
    """A line of a file, as a reader understood it."""

    number: int
    """The number of the line, from 1."""
    size: int
    """The length of the line in bytes."""
    result: Append | CaseStoreError
    """The append of the line, or the error if the line is refused."""


def import_appends(
    store: CaseStore,
    lines: Iterable[ReadLine],
    *,
    on_error: OnError = "stop",
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Append the lines of a file, many in one commit, each whole or not at all.

    Args:
        store: the store to append to.
        lines: the lines as the reader understood them, in order.
        on_error: "stop" ends the import at the first refused line and keeps the lines before it.
            "skip" leaves a refused line out and goes on.
        progress: called after each commit with the number of lines done.

    Raises:
        StoreUnavailable: the database did not answer; the commits made until then are kept.
    """
    with fewer_collections():
        return _import(store, lines, on_error, progress)


def _import(
    store: CaseStore,
    lines: Iterable[ReadLine],
    on_error: OnError,
    progress: Callable[[int], None] | None,
) -> Imported:
    stop = on_error == "stop"
    refused: list[Refusal] = []
    done = appended = repeated = registered = 0
    iterator = iter(lines)
    while chunk := list(_for_a_commit(islice(iterator, _COMMIT), stop)):
        appends: list[tuple[int, Append]] = []
        for number, _, result in chunk:
            if isinstance(result, CaseStoreError):
                refused.append(Refusal(number, str(result)))
            else:
                appends.append((number, result))
        outcomes = store.write([append for _, append in appends], stop=stop)
        for (number, append), outcome in zip(appends, outcomes, strict=False):
            if isinstance(outcome, CaseStoreError):
                refused.append(Refusal(number, str(outcome)))
            else:
                appended, repeated = appended + outcome, repeated + (not outcome)
                registered += append.registered if outcome else 0
        if refused and stop:
            # The reader may have refused a later line of the chunk than the store did.
            first = min(refused)
            return Imported(first.line, appended, repeated, (first,), registered)
        done += len(chunk)
        if progress is not None:
            progress(done)
    return Imported(done, appended, repeated, tuple(sorted(refused)), registered)


def _for_a_commit(lines: Iterable[ReadLine], stop: bool) -> Iterable[ReadLine]:
    size = 0
    for line in lines:
        yield line
        size += line.size
        if size >= _COMMIT_BYTES or (stop and isinstance(line.result, CaseStoreError)):
            return
