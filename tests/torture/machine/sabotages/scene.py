"""A copy of what a clean run left, in which one thing is broken."""

from __future__ import annotations

import shutil
from typing import Any

import msgspec

from casestore import CaseStore
from casestore.backup.backup import copy
from projections import Runner
from tests.support.alter import alter, execute
from tests.torture.machine.checks.store import other_place
from tests.torture.machine.evidence import Append, Evidence
from tests.torture.machine.logs import Line, Operation
from tests.torture.machine.place import Place

COLUMNS = (
    "originator_id, originator_version, topic, state, personal, customer_id, event_id, "
    "recorded_at, metadata"
)


class Scene:
    """A copy of the logs and the backups, and of the store where that is to be altered.

    Args:
        clean: what the run left.
        name: of the sabotage.
        whole: whether the store is copied too.
    """

    def __init__(self, clean: Evidence, name: str, *, whole: bool) -> None:
        self.clean = clean
        place, folder = clean.place, clean.place.folder / "sabotages" / name
        shutil.copytree(place.logs, folder / "logs")
        shutil.copytree(place.backups, folder / "backups")
        url = place.url
        if whole:
            url = other_place(url, f"sabotage_{name.replace('-', '_')}")
            copy(place.url, url)
        self.place = Place(folder, place.backend, url, url)
        self.store = CaseStore.open(url)

    def evidence(self) -> Evidence:
        return Evidence(self.place, self.store, self.clean.faults)

    # --- choosing

    def done(self, *asks: str, least: int = 1) -> Append:
        """The first append that was acknowledged at once, of some kinds, with so many events."""
        return next(
            each
            for each in self.clean.appends
            if each.done and len(each.asked) == 1 and each.streams.total() >= least
            if (not asks or each.asked[0].ask in asks) and not each.mark.startswith("end")
        )

    def told(self, ask: str, **fields: Any) -> Operation:
        """The first operation of a kind that was done, with some fields."""
        return next(
            each
            for each in self.clean.asked(ask)
            if each.told == "done" and all(each[name] == value for name, value in fields.items())
        )

    # --- the logs

    def edit(self, line: Line | None, **changes: Any) -> None:
        """Change a line of a log."""
        assert line is not None
        self._write(line, msgspec.json.encode({**line.said, **changes}))

    def drop(self, line: Line | None) -> None:
        """Take a line out, and leave an empty one there, so that the others keep their numbers."""
        assert line is not None
        self._write(line, b"")

    def _write(self, line: Line, raw: bytes) -> None:
        path = self.place.logs / line.file
        lines = path.read_bytes().split(b"\n")
        lines[line.number - 1] = raw
        path.write_bytes(b"\n".join(lines))

    def add(self, file: str, *said: dict[str, Any]) -> None:
        """Put lines at the end of a log."""
        at = max(line.said["at"] for lines in self.clean.logs.values() for line in lines)
        with (self.place.logs / file).open("ab") as log:
            for number, each in enumerate(said, 1):
                log.write(msgspec.json.encode({"at": at + number, **each}) + b"\n")

    # --- the store

    def alter(self, statement: str) -> None:
        alter(self.store, statement)

    def execute(self, statement: str) -> None:
        execute(self.store, statement)

    def remove(self, uid: str) -> None:
        self.alter(f"DELETE FROM {{t}} WHERE event_id = '{uid}'")

    def twice(self, uid: str) -> None:
        """Put an event there once more, at the end of its stream."""
        new = f"{uid[:-1]}{'0' if uid[-1] != '0' else '1'}"
        stream = self.clean.by_uid[uid].stream
        last = max(each.version for each in self.clean.events if each.stream == stream)
        cast = "::uuid" if self.place.backend == "postgres" else ""
        columns = COLUMNS.replace("originator_version", str(last + 1))
        columns = columns.replace("event_id", f"'{new}'{cast}")
        row = f"SELECT {columns} FROM {{t}} WHERE event_id = '{uid}'"
        self.alter(f"INSERT INTO {{t}} ({COLUMNS}) {row}")

    def tables(self, projection: str, statement: str) -> None:
        """Run a statement on the table of a projection, which {t} stands for."""
        with Runner(self.store) as runner:
            runner.catch_up()
            live = runner._live
            with live.tables.writing() as cursor:
                table = live.tables.at(live.current(cursor)[projection].table)
                cursor.run(statement.replace("{t}", table))
