"""From files to lines: what all readers have in common.

1. Every file is taken, whole or not at all: its records go into the scratch.
2. The reader makes lines of them, case by case.
3. What was left out is told, and then the lines, in the order of time.
"""

from __future__ import annotations

import errno
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import ClassVar, cast

from casestore.errors import StoreUnavailable, UnreadableInput
from casestore.intake.inputs import BROKEN, Input, files, inputs, shown
from casestore.intake.options import Options
from casestore.intake.scratch import NO_ROOM, Scratch
from casestore.streams.wording import counted
from casestore.transfer.lines import LeftOut, Line, Read, Remark

READERS: Mapping[str, str] = {
    "mail": "casestore.intake.mail",
    "csv": "casestore.intake.csv",
    "zendesk": "casestore.intake.zendesk",
    "zammad": "casestore.intake.zammad",
    "freshdesk": "casestore.intake.freshdesk",
    "chatwoot": "casestore.intake.chatwoot",
    "otrs": "casestore.intake.otrs",
    "jira": "casestore.intake.jira",
    "cloudevents": "casestore.intake.cloudevents",
}
"""The module of each reader, by its name; the class in it is named `Reader`."""
_EVERY = 500
"""After how many things read the progress is told."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Progress = Callable[[str, int], None]
"""Takes what is counted, and how many were read so far."""


class BaseReader(ABC):
    """Makes lines of the files of one kind of system."""

    name: ClassVar[str]
    """As in `--from NAME`."""
    things: ClassVar[str] = "records"
    """What is counted while reading, like "mails"."""

    def __init__(self, options: Options, scratch: Scratch) -> None:
        self.options = options
        self.scratch = scratch
        self.source = options.source(self.name)
        self.progress: Progress | None = None

    def read_one(self, things: str = "") -> None:
        """Count one thing that was read: of `things`, if it is of another kind than the others."""
        counts, things = self.scratch.counts, things or self.things
        counts[things] += 1
        if self.progress is not None and counts[things] % _EVERY == 0:
            self.progress(things, counts[things])

    @abstractmethod
    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Put the records of a file into the scratch.

        Gives what is left out at once. Raises UnreadableInput if the whole file is left out.
        """

    @abstractmethod
    def lines(self) -> Iterator[Read]:
        """The lines of all that was taken, those of one case together and in their order.

        In which order the cases come must not depend on that of the files. What is left out, and
        remarks, may stand anywhere between.
        """


def reader_class(name: str) -> type[BaseReader]:
    """The class of a reader by its name."""
    return cast(type[BaseReader], import_module(READERS[name]).Reader)


class Reading:
    """A reading of files: an iterable of what was left out, then of lines in the order of time.

    It can be read once. Its temporary file is gone when it was read, or closed.
    """

    def __init__(
        self,
        name: str,
        paths: Iterable[Path | str],
        options: Options,
        progress: Progress | None = None,
    ) -> None:
        self._kind = reader_class(name)
        self._paths = [Path(path) for path in paths]
        self._options = options
        self._progress = progress
        self.things = self._kind.things
        self.counts: Mapping[str, int] = {}
        """What was read, like {"mails": 12}; known when the first thing was given."""
        self.line_count = 0
        """How many lines there are; known when the first thing was given."""

    def __iter__(self) -> Iterator[Read]:
        with Scratch() as scratch:
            reader = self._kind(self._options, scratch)
            reader.progress = self._progress
            for path in files(self._paths):
                _take(reader, path)
            _make(reader)
            self.counts = dict(scratch.counts)
            self.line_count = scratch.line_count()
            yield from scratch.told()
            yield from scratch.lines()


def read(
    name: str,
    paths: Iterable[Path | str],
    options: Options,
    progress: Progress | None = None,
) -> Reading:
    """Read the files of another system.

    Args:
        name: which one, of READERS.
        paths: files, folders and archives; "-" is standard input.
        options: what the reader is told.
        progress: called now and then with what was read so far.

    Raises:
        KeyError: there is no such reader.
    """
    return Reading(name, paths, options, progress)


def events(kind: type[BaseReader], data: bytes, options: Options) -> list[Read]:
    """Read one thing, as a service gets it: the body of a webhook, a page of an API, a mail."""
    with Scratch(":memory:") as scratch:
        reader = kind(options, scratch)
        _take_input(reader, Input("given", io.BytesIO(data)))
        _make(reader)
        return [*scratch.told(), *scratch.lines()]


def _make(reader: BaseReader) -> None:
    """Make the lines of what was taken: they are in the scratch then, with what was left out."""
    scratch, since = reader.scratch, reader.options.since
    stream = ""
    for each in reader.lines():
        if isinstance(each, Line):
            if each.stream != stream:
                scratch.forget_turns()
                stream = each.stream
            scratch.add(each)
        else:
            scratch.tell(each)
    if since is not None and (gone := scratch.drop_before(since)):
        reason = "a case in which nothing happened since then"
        scratch.tell(LeftOut(reason, counted(gone, "case"), unreadable=False))


def _take(reader: BaseReader, path: Path) -> None:
    """Take a file: an archive that is broken anywhere is left out whole."""
    scratch = reader.scratch
    try:
        with scratch.whole():
            for given in inputs(path):
                _take_input(reader, given)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:  # an archive is copied there
            raise StoreUnavailable(NO_ROOM.format(why=error.strerror)) from error
        scratch.tell(LeftOut("the file is broken, or cannot be read", shown(path), _why(error)))


def _take_input(reader: BaseReader, given: Input) -> None:
    scratch = reader.scratch
    try:
        with scratch.whole():
            for told in reader.take(given):
                scratch.tell(told)
    except UnreadableInput as error:
        scratch.tell(LeftOut(str(error), given.name))


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return shown(str(error))[:200] or type(error).__name__
