"""Builds projections anew by an engine that works in other processes or on other machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from projections.engine.live import LiveTables, Tick
from projections.folding.folding import fold_store
from projections.folding.loading import load
from projections.folding.tasks import Engine


def rebuild_by(
    live: LiveTables,
    names: Sequence[str],
    engine: Engine,
    out: Path | None = None,
    tick: Tick | None = None,
) -> None:
    """Fold a store into files, and load them into the tables.

    Args:
        live: the live tables of the store.
        names: the projections to build.
        engine: runs the tasks.
        out: where the files are put, and left; all machines of the engine see it at the same
            place. If left out, a temporary folder of this machine, which is gone at the end.
        tick: called with the number of events done so far.

    The errors are those of `fold_store` and `load`.
    """
    projections = [live.projections[name] for name in names]
    if out is not None:
        fold_store(live.store, projections, out, engine, tick)
        load(live, out)
        return
    with TemporaryDirectory(prefix="casestore-") as folder:
        fold_store(live.store, projections, Path(folder), engine, tick)
        load(live, Path(folder))
