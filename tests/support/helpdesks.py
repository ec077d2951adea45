"""Reading a helpdesk's export in tests: from files, or from what its API would have answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from casestore import CaseStore
from casestore.intake import LeftOut, Line, Options, Remark, append_lines, read
from casestore.intake.options import KnownMail
from casestore.transfer.known import StoreKnows
from casestore.transfer.lines import FromElsewhere, Read

OPTIONS = Options(instance="a", timezone=ZoneInfo("Europe/Berlin"))


class Story:
    """What a reader gave."""

    def __init__(self, given: Iterable[Read]) -> None:
        self.read = list(given)
        self.lines = [each for each in self.read if isinstance(each, Line)]
        self.left_out = [each for each in self.read if isinstance(each, LeftOut)]
        self.remarks = [each.what for each in self.read if isinstance(each, Remark)]

    def count(self) -> dict[str, int]:
        """How many lines there are of each type."""
        return dict(Counter(each.type for each in self.lines))

    def types(self, stream: str = "") -> list[str]:
        """The types of the lines, of one stream or of all."""
        return [each.type for each in self.lines if not stream or each.stream == stream]

    def fields(self, kind: str) -> list[dict[str, Any]]:
        """The fields of the events of a type."""
        return [each.fields for each in self.lines if each.type == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """The fields of the one event of a type."""
        (found,) = self.fields(kind)
        return found

    def texts(self) -> list[str | None]:
        """The texts of the notes."""
        return [each.get("text") for each in self.fields("NoteAdded")]

    def reasons(self, *, unreadable: bool = True) -> set[str]:
        """Why something was left out."""
        return {each.reason for each in self.left_out if each.unreadable == unreadable}


def story(name: str, *paths: Path, **options: Any) -> Story:
    """What the reader of a helpdesk gives of files."""
    return Story(read(name, paths, replace(OPTIONS, **options)))


def told(name: str, folder: Path, *contents: Any, **options: Any) -> Story:
    """What it gives of what an API answered, each in a file of its own."""
    return story(name, *written(folder, *contents), **options)


def written(folder: Path, *contents: Any) -> list[Path]:
    """A file for each content, which is written as JSON where it is not bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    before = len(list(folder.iterdir()))
    paths = []
    for number, content in enumerate(contents, before):
        paths.append(folder / f"{number:03}.json")
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        paths[-1].write_bytes(data)
    return paths


def imported(store: CaseStore, name: str, *paths: Path, **options: Any) -> FromElsewhere:
    """Import files; nothing of them may be refused."""
    known: Any = _Knows(store)
    done = append_lines(store, read(name, paths, replace(OPTIONS, known=known, **options)))
    assert done.imported.refused == ()
    return done


class _Knows(StoreKnows):
    def mails(self, message_ids: Iterable[str]) -> dict[str, KnownMail]:
        return {}
