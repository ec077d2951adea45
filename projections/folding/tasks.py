"""A task: whole streams, whose rows one process makes and puts into files; and what it did.

An engine is whatever runs tasks: each of them once or several times, in any order, here or on other
machines that see the same folders. It needs to know nothing of events or rows:

    for task in tasks:
        yield run(task)

The names of a task's files depend on the task alone, and their bytes on the events up to its
position. So a task that is run twice, also by two workers at once, leaves the same files: each of
them is whole or absent, and what tells of them is written last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from casestore.system.decoders import decoder
from casestore.system.files import read_file, sync, write_whole
from casestore.system.garbage import fewer_collections
from projections.engine.fold import Made
from projections.engine.sums import Sum
from projections.folding.left import Left, left_file
from projections.folding.parts import file_of, writing_parts
from projections.folding.sources import NOTHING, Bucket, Families, Newest, Range, made_of
from projections.projection import Projection


class Task(NamedTuple):
    """What one process does. It can be pickled, and is small.

    Attributes:
        number: of the part that it makes, from 0 on.
        source: where its events are.
        projections: what it makes rows of.
        until: the last position to read, the same for all tasks of a fold.
        out: the folder of the fold, which all machines see at the same place.
    """

    number: int
    source: Bucket | Range | Families
    projections: tuple[Projection, ...]
    until: int
    out: str


class Rows(msgspec.Struct, frozen=True):
    """The rows that a task made for one projection."""

    rows: int
    checksum: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,16}$")]
    """The sum of their hashes: see `projections.engine.sums`."""

    @property
    def sum(self) -> Sum:
        """Both."""
        return Sum.read(self.rows, self.checksum)


class Done(msgspec.Struct, frozen=True):
    """What a task did."""

    number: int
    """Of the task."""
    events: int
    """Those that rows were made of."""
    left: int
    """Those of merged streams, which were left for a last step: see `Families`."""
    newest: tuple[int, str]
    """The last position that was read, and the mark of that event; (0, "") if there was none."""
    rows: Mapping[str, Rows]
    """By projection. Their file is OUT/PROJECTION/part-NUMBER.parquet."""
    parked: Mapping[str, list[tuple[str, str]]]
    """By projection: the streams whose rows could not be made, each with the error."""


Engine = Callable[[Sequence[Task]], Iterator[Done]]
"""Runs all tasks, and yields what each of them did, in any order.

It raises a CaseStoreError where it cannot; then the fold is run again, and goes on with the tasks
that have not been done.
"""


_LARGEST = 1 << 30
"""Bytes: a larger note is none of ours."""


def run(task: Task) -> Done:
    """Make the rows of a task and put them into its files.

    Raises:
        StoreDamaged: streams are not in order, or a version is missing.
        ArchiveDamaged: a file of the archive is missing, or is not as casestore wrote it.
        StoreUnavailable: the database of the events does not answer.
        OSError: a file cannot be written.
    """
    events, newest = 0, NOTHING
    parked: dict[str, list[tuple[str, str]]] = {}
    folder = Path(task.out)
    names = [each.name for each in task.projections]
    with fewer_collections(), writing_parts(folder, task.number, task.projections) as parts:
        for made, last in _made(task, parts.left):
            events += made.events
            newest = max(newest, last)
            for name in names:
                parts.add(name, made.rows[name])
                if made.parked[name]:
                    parked.setdefault(name, []).extend(made.parked[name])
        sums = parts.finish()
    rows = {name: Rows(each.rows, each.text) for name, each in sums.items()}
    done = Done(task.number, events, parts.left.events, newest, rows, parked)
    place = note_of(folder, task.number)
    place.parent.mkdir(exist_ok=True)
    write_whole(place, msgspec.json.encode(done), 0o666)
    sync(place.parent)
    return done


def _made(task: Task, left: Left) -> Iterator[tuple[Made, Newest]]:
    return made_of(task.source, task.projections, task.until, left, task.out)


def note_of(folder: Path, number: int) -> Path:
    """The file that tells what a task did, in the folder of the fold. It is written last."""
    return folder / "_done" / f"part-{number:05d}.json"


def was_done(task: Task) -> Done | None:
    """What a task did, if it was run before; None if it has to be run. Raises OSError."""
    with suppress(FileNotFoundError, msgspec.DecodeError):
        data = read_file(note_of(Path(task.out), task.number), _LARGEST)
        done = decoder(Done)(data)
        if done.rows.keys() == {each.name for each in task.projections} and (
            has_files(Path(task.out), done, left=done.left > 0)
        ):
            return done
    return None


def has_files(folder: Path, done: Done, *, left: bool = False) -> bool:
    """Whether the files of what was done are there; `left`: that of merged streams too."""
    files = [file_of(folder, name, done.number) for name in done.rows]
    return all(map(Path.exists, [*files, left_file(folder, done.number)] if left else files))
