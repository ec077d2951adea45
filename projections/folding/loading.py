"""Loads what a fold made into the tables of the projections, beside the live ones: blue and green.

What was recorded since is caught up, and one transaction switches. Whatever goes wrong before it,
or whenever it is killed, the live tables are as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from casestore.errors import FoldRefused
from casestore.streams.wording import counted
from casestore.telemetry.spans import span
from projections.engine.live import LiveTables, Tick
from projections.engine.rebuild import build, drop_leftovers
from projections.engine.sums import Sum
from projections.engine.tables import Tables, Tracked, unavailable
from projections.folding.parts import file_of, read_part
from projections.folding.plan import Manifest, read_manifest
from projections.folding.tasks import Done
from projections.projection import Projection


def load(live: LiveTables, folder: Path, tick: Tick | None = None) -> Manifest:
    """Put the rows of a fold in the place of the live tables.

    Args:
        live: the live tables of the store that the events are from.
        folder: of the fold.
        tick: called with the number of events whose rows are loaded.

    Raises:
        FoldRefused: the fold is not whole, was changed, or is not of this store's history or of
            the projections of this version.
        StoreUnavailable: a database does not answer or cannot be written.
        ImportError: pyarrow is not installed.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise FoldRefused(f"{folder} holds no fold that is whole; run `archive fold` again")
    projections = [_fitting(live, folder, *each) for each in manifest.projections.items()]
    _check_history(live, folder, manifest)
    with unavailable(), live.tables.building(), span("load", live.store.url):
        drop_leftovers(live.tables)
        at = (manifest.position, manifest.mark)
        build(
            live,
            projections,
            at,
            lambda built: _filled(live.tables, folder, manifest, projections, built),
            tick,
        )
    return manifest


def _fitting(live: LiveTables, folder: Path, name: str, version: int) -> Projection:
    projection = live.projections.get(name)
    if projection is None or projection.version != version:
        now = "has none" if projection is None else f"has version {projection.version}"
        raise FoldRefused(
            f"{folder} holds version {version} of {name}, and this casestore {now}; fold again "
            "with this one"
        )
    return projection


def _check_history(live: LiveTables, folder: Path, manifest: Manifest) -> None:
    if manifest.store_id != live.store.meta["store_id"]:
        raise FoldRefused(f"{folder} holds a fold of another store; --db names the store")
    if manifest.position > (head := live.head()):
        raise FoldRefused(
            f"{folder} holds a fold up to position {manifest.position}, and the store ends at "
            f"{head}: an older copy of it was put back; fold its own archive"
        )
    if live.mark(manifest.position) != manifest.mark:
        raise FoldRefused(
            f"{folder} holds a fold of another history: at position {manifest.position} the store "
            "has another event; fold its own archive"
        )


def _filled(
    where: Tables,
    folder: Path,
    manifest: Manifest,
    projections: Sequence[Projection],
    built: Sequence[Tracked],
) -> Iterator[tuple[int, list[Sum]]]:
    """Insert the rows of all parts. Yields what was done of each part."""
    for part in manifest.parts:
        sums = []
        for projection, table in zip(projections, built, strict=True):
            sums.append(_loaded(where, folder, part, projection, table))
        yield part.events, sums


def _loaded(where: Tables, folder: Path, part: Done, projection: Projection, table: Tracked) -> Sum:
    path, found = file_of(folder, projection.name, part.number), Sum()
    for rows in read_part(path, projection):
        found = found.plus(Sum.of(rows))
        with where.writing() as cursor:
            cursor.insert(where.at(table.table), rows)
    noted = part.rows[projection.name].sum
    if found != noted:
        raise FoldRefused(
            f"{path} was changed: it has {counted(found.rows, 'row')}, of {noted.rows} that were "
            "made, or another in the place of one; fold again, into a new folder"
        )
    parked = [(table.table, *each) for each in part.parked.get(projection.name, ())]
    with where.writing() as cursor:
        cursor.insert(where.at("parked"), parked)
    return found.plus(Sum.of(parked))
