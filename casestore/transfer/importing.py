"""Committing what a reader makes of a file. The loop is the same for every file format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal, NamedTuple

from casestore.append.request import Append
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.system.garbage import fewer_collections

_COMMIT = 1000
"""Lines in one commit, at most."""
_COMMIT_BYTES = 4 * 1024 * 1024
"""Bytes of lines after which a commit takes no further line."""
OnError = Literal["stop", "skip"]
"""What to do at the first line that is refused."""


class Refusal(NamedTuple):
    """A line that was not imported, and why."""

    line: int
    message: str


class Imported(NamedTuple):
    """What an import did."""

    lines: int
    """Lines that were read and are not empty. Where it stopped: the number of the refused line."""
    appended: int
    """Lines that were appended."""
    repeated: int
    """Lines whose event was in the store already."""
    refused: tuple[Refusal, ...]
    """In the order of the lines."""
    registered: int = 0
    """Customers whom the store registered by itself: an event each, beside those of the lines."""


class ReadLine(NamedTuple):
    """What a reader made of a line."""

    number: int
    """From 1."""
    size: int
    """In bytes."""
    result: Append | CaseStoreError
    """Its append, or the error why it is refused."""


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
        lines: what the reader made of each line, in order.
        on_error: at a line that is refused, "stop" keeps what is before it, and "skip" goes on.
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
