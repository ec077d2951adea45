"""What a fold does, and what it did: the plan, which is written first, and the manifest, last.

    OUT/_fold.json      the plan: which store, up to which position, which projections, which tasks
    OUT/_merges         the merges of the archive, for all tasks
    OUT/_done, _left    what single tasks did and left: see `tasks` and `left`
    OUT/_manifest.json  the plan, and what all tasks did; written last

A fold that was broken off goes on by its plan, up to the position that it was begun with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from casestore.errors import FoldRefused
from casestore.system.decoders import decoder
from casestore.system.files import read_file, sync, write_whole
from projections.folding.tasks import Done
from projections.projection import Projection

VERSION = 1
"""Of these files. A later one is refused."""
_LARGEST = 1 << 30
"""Bytes: a larger file is none of ours."""
MERGED = 50_000
"""Events of merged streams that one task of the last step takes, about."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a fold does."""

    format: Literal["casestore fold"] = "casestore fold"
    version: int = VERSION
    store_id: str
    source: Literal["archive", "store"]
    position: int
    """The last position that is read."""
    projections: Mapping[str, int]
    """Their versions, by name."""
    buckets: tuple[int, ...] = ()
    """Of an archive: a task each."""
    ranges: tuple[tuple[str, str], ...] = ()
    """Of a store: the streams of each task, from a name to another."""

    def check(self, asked: Plan, folder: Path) -> None:
        """Check that a fold in a folder goes on with what is asked for now.

        Raises FoldRefused.
        """
        for name in ("store_id", "source", "projections"):
            if getattr(self, name) != getattr(asked, name):
                raise FoldRefused(
                    f"{folder} holds a fold of another {_SAID[name]}; name another folder"
                )


_SAID = {"store_id": "store", "source": "kind of source", "projections": "choice of projections"}


class Manifest(Plan, frozen=True, kw_only=True):
    """What a fold did."""

    mark: str
    """Of the event at the position: see `Questions.mark`."""
    parts: tuple[Done, ...]
    """By number."""

    def __post_init__(self) -> None:
        if any(part.rows.keys() != self.projections.keys() for part in self.parts):
            raise ValueError("its parts are not of its projections")

    @property
    def parked(self) -> dict[str, list[tuple[str, str]]]:
        """By projection: the streams whose rows could not be made, each with the error."""
        found: dict[str, list[tuple[str, str]]] = {}
        for part in self.parts:
            for name, streams in part.parked.items():
                found.setdefault(name, []).extend(streams)
        return found

    def rows(self, projection: str) -> int:
        """How many rows a projection has."""
        return sum(part.rows[projection].rows for part in self.parts)


def versions(projections: Sequence[Projection]) -> dict[str, int]:
    """The versions of projections, by name."""
    return {each.name: each.version for each in projections}


def keep_plan(folder: Path, plan: Plan) -> None:
    """Write the plan, durably. Raises OSError."""
    _keep(folder / "_fold.json", plan)


def read_plan(folder: Path) -> Plan | None:
    """The plan of a fold; None where none was begun. Raises FoldRefused."""
    return _read(folder / "_fold.json", Plan)


def keep_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, durably. Raises OSError."""
    _keep(folder / "_manifest.json", manifest)


def read_manifest(folder: Path) -> Manifest | None:
    """What a fold did; None where it is not whole. Raises FoldRefused."""
    return _read(folder / "_manifest.json", Manifest)


def _keep(path: Path, what: Plan) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(what), indent=1) + b"\n", 0o666)
    sync(path.parent)


_P = TypeVar("_P", bound=Plan)


class _Kind(msgspec.Struct):
    format: str = ""
    version: int = 0


def _read(path: Path, cls: type[_P]) -> _P | None:
    try:
        data = read_file(path, _LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FoldRefused(f"{path} cannot be read: {error.strerror}; name another folder") from None
    try:
        kind = decoder(_Kind)(data)
        if kind.format == "casestore fold" and kind.version > VERSION:
            raise FoldRefused(f"{path} is of a later casestore; upgrade this one")
        return decoder(cls)(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FoldRefused(
            f"{path} is not as a fold writes it: {str(error)[:200]}; name another folder"
        ) from None
