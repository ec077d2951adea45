"""The loop that commits what a reader gives, whatever the format of the file that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal, NamedTuple

from casestore.append.request import Append
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.system.garbage import fewer_collections

_COMMIT = 1000
"""Lines that share a commit."""
OnError = Literal["stop", "skip"]


class Refusal(NamedTuple):
    """A line that was not imported, and why."""

    line: int
    message: str


class Imported(NamedTuple):
    """What became of a file."""

    lines: int
    """Lines with something on them."""
    appended: int
    repeated: int
    """Lines whose event was there already."""
    refused: tuple[Refusal, ...]


Read = tuple[int, Append | CaseStoreError]
"""The number of a line, and its append or why it is none."""


def import_appends(
    store: CaseStore,
    read: Iterable[Read],
    *,
    on_error: OnError = "stop",
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Append what a reader gives, a thousand to a commit, each whole or not at all.

    Args:
        store: where to.
        read: what the reader made of each line, in order.
        on_error: "stop" keeps everything before a bad line; "skip" goes on behind it.
        progress: told the number of lines done, after each commit.
    """
    with fewer_collections():
        return _import(store, read, on_error, progress)


def _import(
    store: CaseStore,
    read: Iterable[Read],
    on_error: OnError,
    progress: Callable[[int], None] | None,
) -> Imported:
    stop = on_error == "stop"
    refused: list[Refusal] = []
    done = appended = repeated = 0
    lines = iter(read)
    while chunk := list(_until_refused(islice(lines, _COMMIT), stop)):
        appends: list[tuple[int, Append]] = []
        for number, made in chunk:
            if isinstance(made, CaseStoreError):
                refused.append(Refusal(number, str(made)))
            else:
                appends.append((number, made))
        outcomes = store.write([append for _, append in appends], stop=stop)
        for (number, _), outcome in zip(appends, outcomes, strict=False):
            if isinstance(outcome, CaseStoreError):
                refused.append(Refusal(number, str(outcome)))
            else:
                appended, repeated = appended + outcome, repeated + (not outcome)
        if refused and stop:
            first = min(refused)  # a later line may be refused by its form alone
            return Imported(first.line, appended, repeated, (first,))
        done += len(chunk)
        if progress is not None:
            progress(done)
    return Imported(done, appended, repeated, tuple(sorted(refused)))


def _until_refused(read: Iterable[Read], stop: bool) -> Iterable[Read]:
    for number, made in read:
        yield number, made
        if stop and isinstance(made, CaseStoreError):
            return
