"""Tables and mappings for tests of the CSV reader."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from casestore import CaseStore
from casestore.intake import Options, read
from casestore.intake.csv import Mapping, read_mapping
from casestore.intake.options import NothingKnown
from casestore.transfer.known import StoreKnows
from casestore.transfer.lines import FromElsewhere, LeftOut, Line, Read, Remark, append_lines


class Known(NothingKnown):
    """A store that has some streams."""

    def __init__(self, *streams: str) -> None:
        self._streams = streams

    def has(self, stream: str) -> bool:
        return stream in self._streams


class InStore(NothingKnown):
    """What a reader of tables asks a store."""

    def __init__(self, store: CaseStore) -> None:
        self.has = StoreKnows(store).has  # type: ignore[method-assign]


def mapped(text: str, folder: Path, *tables: str | bytes, **options: Any) -> list[Read]:
    """What the reader gives for tables, which it reads from files in turn."""
    return read_tables(read_mapping(text), folder, *tables, **options)


def read_tables(mapping: Mapping, folder: Path, *tables: str | bytes, **options: Any) -> list[Read]:
    paths = []
    for number, table in enumerate(tables, 1):
        paths.append(folder / f"{number}.csv")
        paths[-1].write_bytes(table.encode() if isinstance(table, str) else table)
    return list(read("csv", paths, Options(mapping=mapping, **options)))


def lines(read: Iterable[Read]) -> list[Line]:
    return [each for each in read if isinstance(each, Line)]


def left_out(read: Iterable[Read]) -> list[tuple[str, str]]:
    """Why something was left out, and the row."""
    told = [each for each in read if isinstance(each, LeftOut)]
    return [(each.reason, each.where.rpartition(", ")[2]) for each in told]


def remarks(read: Iterable[Read]) -> list[str]:
    return [each.what for each in read if isinstance(each, Remark)]


def told(read: Iterable[Read]) -> list[tuple[str, dict[str, Any]]]:
    """The events' types, and their fields beyond time and actor."""
    return [
        (
            each.type,
            {k: v for k, v in each.fields.items() if k not in ("occurred_at", "actor")},
        )
        for each in lines(read)
    ]


def imported(folder: Path, *readings: Iterable[Read]) -> list[FromElsewhere]:
    """What importing into a new store did, one reading after the other."""
    with CaseStore.create(f"sqlite:///{folder}/store.db") as store:
        return [append_lines(store, reading) for reading in readings]
