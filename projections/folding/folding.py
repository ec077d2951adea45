"""Folds an archive, or a store, into files of rows, by whatever engine runs the tasks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from casestore import CaseStore
from casestore.archive import Archive
from casestore.errors import FoldRefused, StoreDamaged
from casestore.streams.codec import Codec
from casestore.system.files import open_file
from casestore.system.locking import try_lock
from projections.engine.filling import ranges
from projections.engine.links import Links
from projections.engine.live import Tick
from projections.folding.plan import (
    MERGED,
    Manifest,
    Plan,
    keep_manifest,
    keep_plan,
    read_manifest,
    read_plan,
    versions,
)
from projections.folding.sources import Bucket, Families, Newest, Range, keep_links, newest_of
from projections.folding.tasks import Done, Engine, Task, has_files, was_done
from projections.projection import Projection

_FIRST = ("_merges", "._merge", "._fold.")
"""How the names begin of what is written before the plan is there."""
EVENTS = 100_000
"""Events of a store that are one task, about."""


def fold_archive(
    archive: Archive,
    projections: Sequence[Projection],
    out: Path,
    engine: Engine,
    tick: Tick | None = None,
) -> Manifest:
    """Make the rows of an archive's events and put them into files: see `parts` and `plan`.

    A fold that was broken off goes on, up to the position that it was begun with.

    Args:
        archive: the events.
        projections: what to make rows of.
        out: a new or empty folder, or that of the fold. Its parent must be there. All machines of
            the engine have to see it, and the archive, at the same place.
        engine: runs the tasks.
        tick: called with the number of events done so far.

    Raises:
        FoldRefused: the folder holds something else, or another process folds into it.
        StoreDamaged: streams are not in order, or an event is missing.
        ArchiveDamaged: a file of the archive is missing, or is not as casestore wrote it.
        StoreUnavailable: the engine could not do its work; run it again, and it goes on.
        OSError: a file cannot be read or written.
    """
    asked = Plan(
        store_id=archive.manifest.store_id,
        source="archive",
        position=archive.manifest.last,
        projections=versions(projections),
        buckets=tuple(archive.buckets),
    )
    with _begun(out, asked, archive) as (folder, plan, whole):
        if whole is not None:
            return whole
        place, of = str(archive.folder.absolute()), (tuple(projections), plan.position, str(folder))
        parts = _carry_out([Task(n, Bucket(place, n), *of) for n in plan.buckets], engine, tick)
        left, first = sum(part.left for part in parts), max(plan.buckets, default=-1) + 1
        shares = -(-left // MERGED)
        last = [
            Task(first + n, Families(place, str(folder), n, shares), *of) for n in range(shares)
        ]
        parts += _carry_out(last, engine, tick, sum(part.events for part in parts))
        return _finish(folder, plan, parts, _mark(archive, plan, parts))


def fold_store(
    store: CaseStore,
    projections: Sequence[Projection],
    out: Path,
    engine: Engine,
    tick: Tick | None = None,
) -> Manifest:
    """Make the rows of a store's events and put them into files, like `fold_archive`.

    The engine's processes open the store by its URL.
    """
    head = store._recorder.last_position()
    kinds = sorted({each.of for each in projections})
    asked = Plan(
        store_id=store.meta["store_id"],
        source="store",
        position=head,
        projections=versions(projections),
        ranges=tuple(ranges(store, kinds, EVENTS)),
    )
    with _begun(out, asked, None) as (folder, plan, whole):
        if whole is not None:
            return whole
        of = (tuple(projections), plan.position, str(folder))
        tasks = [Task(n, Range(store.url, *each), *of) for n, each in enumerate(plan.ranges)]
        parts = _carry_out(tasks, engine, tick)
        return _finish(folder, plan, parts, store._recorder.mark(plan.position))


@contextmanager
def _begun(
    out: Path, asked: Plan, archive: Archive | None
) -> Iterator[tuple[Path, Plan, Manifest | None]]:
    """The folder of a fold, its plan and, if it is whole already, what it did."""
    folder = out.absolute()
    folder.mkdir(exist_ok=True)
    _check_own(folder)
    descriptor = open_file(folder / "_lock", os.O_RDWR | os.O_CREAT)
    try:
        if not try_lock(descriptor):
            raise FoldRefused(f"another process folds into {folder}; wait for it")
        plan = read_plan(folder)
        if plan is None:
            plan = asked
            _keep_merges(folder, plan, archive)
            keep_plan(folder, plan)
        plan.check(asked, folder)
        whole = read_manifest(folder)
        if whole is not None and whole.position != asked.position:
            raise FoldRefused(
                f"{folder} holds a fold up to position {whole.position}, and there are events up "
                f"to position {asked.position} now; name another folder, or load this one: what "
                "came since is caught up"
            )
        _tidy(folder, plan.projections)
        if whole is not None:
            _clear(folder)
            if not all(has_files(folder, part) for part in whole.parts):
                (folder / "_manifest.json").unlink()  # somebody took one away: it is made again
                whole = None
        if whole is None and not (folder / "_merges").exists():
            _keep_merges(folder, plan, archive)
        yield folder, plan, whole
    finally:
        os.close(descriptor)


def _keep_merges(folder: Path, plan: Plan, archive: Archive | None) -> None:
    if archive is not None:
        links = Links()
        links.add(archive.merges(plan.position), Codec())
        keep_links(folder, links)


def _check_own(folder: Path) -> None:
    """Raises FoldRefused where no fold was begun, and there is something."""
    there = {each.name for each in folder.iterdir()}
    if "_fold.json" not in there and any(
        each != "_lock" and each[:7] not in _FIRST for each in there
    ):
        raise FoldRefused(f"{folder} holds something else; name a new folder")


def _tidy(folder: Path, projections: Iterable[str]) -> None:
    """Remove what processes that were killed have left half written."""
    for name in (*projections, "_left", "_done"):
        for path in (folder / name).glob("*.part-*"):
            path.unlink(missing_ok=True)


def _carry_out(
    tasks: Sequence[Task], engine: Engine, tick: Tick | None, before: int = 0
) -> list[Done]:
    """Run the tasks that were not run before. Gives what all of them did, by number."""
    found = {task.number: done for task in tasks if (done := was_done(task)) is not None}
    events = before + sum(done.events for done in found.values())
    for done in engine([task for task in tasks if task.number not in found]):
        found[done.number] = done
        events += done.events
        if tick is not None:
            tick(events)
    if set(found) != {task.number for task in tasks}:
        raise StoreDamaged("the engine has not done all tasks; run the fold again, and it goes on")
    return [found[number] for number in sorted(found)]


def _mark(archive: Archive, plan: Plan, parts: Sequence[Done]) -> str:
    """The mark of the event at the fold's position.

    Raises StoreDamaged if it, or any other event, was not read.
    """
    policies = list(archive.rows_without_customer(plan.position))
    newest: Newest = max([newest_of(policies), *(part.newest for part in parts)])
    read = sum(part.events for part in parts) + len(policies)
    there = sum(p.rows for p in archive.manifest.parts if p.last <= plan.position)
    if read != there or newest[0] != plan.position:
        raise StoreDamaged(
            f"the archive has {there} events up to position {plan.position}, and {read} up to "
            f"position {newest[0]} were read; `casestore archive verify` looks at it"
        )
    return newest[1]


def _finish(folder: Path, plan: Plan, parts: Sequence[Done], mark: str) -> Manifest:
    manifest = Manifest(**msgspec.structs.asdict(plan), mark=mark, parts=tuple(parts))
    _tidy(folder, plan.projections)
    keep_manifest(folder, manifest)
    _clear(folder)
    return manifest


def _clear(folder: Path) -> None:
    """Remove what only a fold that goes on needs."""
    for name in ("_done", "_left"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "_merges").unlink(missing_ok=True)
