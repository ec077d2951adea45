"""The import loop: it commits the appends that a reader makes from the lines of a file.

The loop does not know the file's format. The reader does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from casestore.append.request import Append, Outcome
from casestore.errors import CaseStoreError, IdempotencyConflict
from casestore.store import CaseStore
from casestore.system.garbage import fewer_collections
from casestore.telemetry.spans import span

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
    where: str = ""
    """Where it was read, if that is more than its number."""
    keep_first: bool = False
    """Whether the store's content stays, without an error, if it has other content under the
    line's key."""

    def refusal(self, error: CaseStoreError) -> Refusal:
        """The refusal of the line."""
        return Refusal(self.number, f"{self.where}: {error}" if self.where else str(error))


def import_appends(
    store: CaseStore,
    lines: Iterable[ReadLine],
    *,
    on_error: OnError = "stop",
    progress: Callable[[int], None] | None = None,
    kept: Callable[[str], None] | None = None,
) -> Imported:
    """Append the lines of a file, many in one commit, each whole or not at all.

    Args:
        store: the store to append to.
        lines: the lines as the reader understood them, in order.
        on_error: "stop" ends the import at the first refused line and keeps the lines before it.
            "skip" leaves a refused line out and goes on.
        progress: called after each commit with the number of lines done.
        kept: called with the reason for each line whose content the store has otherwise, where
            that stays as it is (see `ReadLine.keep_first`).

    Raises:
        StoreUnavailable: the database did not answer; the commits made until then are kept.
    """
    with span("import", store.url) as told, fewer_collections():
        imported = _import(store, lines, on_error, progress, kept)
        told.came_to("refused" if imported.refused else "done")
        return imported


def _import(
    store: CaseStore,
    lines: Iterable[ReadLine],
    on_error: OnError,
    progress: Callable[[int], None] | None,
    kept: Callable[[str], None] | None,
) -> Imported:
    stop = on_error == "stop"
    refused: list[Refusal] = []
    done = appended = repeated = registered = 0
    iterator = iter(lines)
    while chunk := list(_for_a_commit(islice(iterator, _COMMIT), stop)):
        appends: list[tuple[ReadLine, Append]] = []
        for line in chunk:
            if isinstance(line.result, CaseStoreError):
                refused.append(line.refusal(line.result))
            else:
                appends.append((line, line.result))
        for line, append, outcome in _written(store, appends, stop):
            if isinstance(outcome, CaseStoreError):
                if _stays(line, outcome):
                    repeated += 1
                    if kept is not None:
                        kept(line.refusal(outcome).message)
                else:
                    refused.append(line.refusal(outcome))
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


def _written(
    store: CaseStore, appends: Sequence[tuple[ReadLine, Append]], stop: bool
) -> Iterator[tuple[ReadLine, Append, Outcome]]:
    """Each line that was tried, with what came of it. With `stop`, the first refusal is the last.

    A line of which the store's content stays is no refusal: what comes after it is written too.
    """
    begin = 0
    while begin < len(appends):
        outcomes = store.write([append for _, append in appends[begin:]], stop=stop)
        for (line, append), outcome in zip(appends[begin:], outcomes, strict=False):
            yield line, append, outcome
        begin += len(outcomes)
        line, last = appends[begin - 1][0], outcomes[-1]
        if stop and isinstance(last, CaseStoreError) and not _stays(line, last):
            return


def _stays(line: ReadLine, outcome: CaseStoreError) -> bool:
    return line.keep_first and isinstance(outcome, IdempotencyConflict)


def _for_a_commit(lines: Iterable[ReadLine], stop: bool) -> Iterable[ReadLine]:
    size = 0
    for line in lines:
        yield line
        size += line.size
        if size >= _COMMIT_BYTES or (stop and isinstance(line.result, CaseStoreError)):
            return
