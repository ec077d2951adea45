"""What holds for every reader, shown on real exports: the order of files, and parts of an export.

A reader is given the same files in other orders, under other names; and a part of them first, the
rest later. Where a reader's order matters, as with the rows of a table, it is that of the names.
"""

from __future__ import annotations

import gzip
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from casestore import CaseStore
from casestore.intake import READERS, LeftOut, Line, Options, append_lines, read
from casestore.intake.csv import load
from casestore.transfer.known import StoreKnows

OPTIONS = Options(instance="a", timezone=ZoneInfo("Europe/Berlin"))
FILES = {
    "zendesk": "exports/zendesk/*.json*",
    "zammad": "exports/zammad/*.json",
    "freshdesk": "exports/freshdesk/**/*.json",
    "chatwoot": "exports/chatwoot/synthetic_*",
    "otrs": "exports/otrs/**/*.json",
    "jira": "exports/jira/*.json.gz",
    "mail": "exports/mail_rt.tar.gz",
}
END_STATES = {"zammad"}
"""Whose tickets may be read closed before their history comes: it cannot close them once more then,
and its turns become notes."""
SEEDS = range(3)


def files(name: str, data_dir: Path, place: Path) -> list[tuple[str, bytes]]:
    """The files of a reader: what their names end with, and their content."""
    paths = sorted(path for path in data_dir.glob(FILES[name]) if path.is_file())
    if name == "mail":
        with tarfile.open(paths[0]) as archive:
            archive.extractall(place / "whole", filter="data")
        paths = sorted(path for path in (place / "whole").rglob("*") if path.is_file())
    endings = (".eml",) if name == "mail" else (".json.gz", ".ndjson", ".json")
    return [
        (next((e for e in endings if path.name.endswith(e)), ".eml"), path.read_bytes())
        for path in paths
    ]


def written(place: Path, contents: list[tuple[str, bytes]]) -> list[Path]:
    """Files with names in their order."""
    place.mkdir()
    paths = [place / f"{number:04}{ending}" for number, (ending, _) in enumerate(contents)]
    for path, (_, content) in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def shuffled(contents: list[tuple[str, bytes]], seed: int) -> list[tuple[str, bytes]]:
    return random.Random(seed).sample(contents, len(contents))


def lines(name: str, paths: list[Path], options: Options = OPTIONS) -> list[Line]:
    """The lines, but for where they were found."""
    made = read(name, paths, options)
    return [each._replace(where="") for each in made if isinstance(each, Line)]


def appended(store: CaseStore, name: str, paths: list[Path]) -> int:
    """How many lines of files are appended; none may be refused."""
    options = replace(OPTIONS, known=StoreKnows(store))
    done = append_lines(store, read(name, paths, options))
    assert done.imported.refused == ()
    return done.imported.appended


def facts(store: CaseStore) -> set[tuple[str, str]]:
    """What an import recorded, by stream and key.

    Not what the store registered by itself before a contact came. Nor the types: who is a customer
    may stand in a file that came later, and a ticket's first text then stays as it was told.
    """
    return {
        (each.stream, str(each.metadata.key))
        for each in store.read()
        if each.metadata.source is not None
    }


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[[str], CaseStore]:
    def make(name: str) -> CaseStore:
        return CaseStore.create(f"sqlite:///{tmp_path}/{name}.db", sealed=False)

    return make


@pytest.mark.parametrize("name", FILES)
def test_the_order_of_files_does_not_matter(name: str, data_dir: Path, tmp_path: Path) -> None:
    contents = files(name, data_dir, tmp_path)
    expected = lines(name, written(tmp_path / "first", contents))
    assert expected
    for seed in SEEDS:
        paths = written(tmp_path / str(seed), shuffled(contents, seed))
        assert lines(name, paths) == expected
        assert lines(name, paths[::-1]) == expected


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[{}]", b"[[1]]", b'{"organizations": [{"id": 1}]}', b'[{"id": 1, "name": "x"}]'],
)
def test_a_file_of_another_kind_is_told(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_bytes(content)
    options = replace(OPTIONS, mapping=load("cfpb"), ours=("*@desk.example",))
    (left_out,) = read(name, [tmp_path], options)
    assert isinstance(left_out, LeftOut)
    assert left_out.unreadable
    assert left_out.where.partition(", ")[0] == str(tmp_path / "other.json")
    assert ("empty" in left_out.reason) == (content == b"")


@pytest.mark.parametrize("name", FILES)
def test_an_export_in_two_parts_is_that_export(
    name: str, data_dir: Path, tmp_path: Path, new_store: Callable[[str], CaseStore]
) -> None:
    contents = files(name, data_dir, tmp_path)
    with new_store("whole") as whole:
        paths = written(tmp_path / "first", contents)
        assert appended(whole, name, paths) > 0
        assert appended(whole, name, paths) == 0
        expected = facts(whole)
    for seed in SEEDS:
        paths = written(tmp_path / str(seed), shuffled(contents, seed))
        half = len(paths) // 2
        with new_store(str(seed)) as store:
            for part in (paths[:half], paths[half:], paths):
                appended(store, name, part)
            assert appended(store, name, paths) == 0
            if name not in END_STATES:
                assert facts(store) == expected


@pytest.mark.parametrize("mapping", ["servicenow-incidents", "cfpb"])
def test_the_order_in_which_tables_are_named_does_not_matter(
    mapping: str, data_dir: Path, tmp_path: Path
) -> None:
    table = {"servicenow-incidents": "uci_incidents_2000", "cfpb": "cfpb_complaints"}[mapping]
    rows = _first_rows(data_dir / f"{table}.csv.gz")
    halves = [rows[0:1] + rows[1:400], rows[0:1] + rows[400:]]
    paths = written(tmp_path / "tables", [(".csv", b"".join(each)) for each in halves])
    options = replace(OPTIONS, mapping=load(mapping), timezone=None)
    expected = lines("csv", paths, options)
    assert expected
    assert lines("csv", paths[::-1], options) == expected


def _first_rows(path: Path) -> list[bytes]:
    with gzip.open(path) as file:
        return [line for _, line in zip(range(800), file, strict=False)]
