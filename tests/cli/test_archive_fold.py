"""`casestore archive fold` and `load`, and a rebuild by an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from casestore import CaseStore
from projections import PROJECTIONS
from tests.generate import fill
from tests.support import stories
from tests.support.alter import rewrite
from tests.support.command_line import Casestore

AS_OF = ("--as-of", "2100-01-01T00:00:00Z", "--format", "json")
NAMES = [each.name for each in PROJECTIONS]


@pytest.fixture
def desk(store_url: str, tmp_path: Path) -> Casestore:
    """Give the command line on a store of some hundred events, and its archive in `archive`."""
    with CaseStore.create(store_url, key_file=tmp_path / "store.key") as store:
        fill(store, 300)
    casestore = Casestore(store_url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))
    casestore("archive", "write", str(tmp_path / "archive"), "--buckets", "4").fine()
    return casestore


def test_a_fold_is_loaded_and_reports_read_it(desk: Casestore, tmp_path: Path) -> None:
    archive, out = str(tmp_path / "archive"), str(tmp_path / "rows")
    before = desk("cases", *AS_OF).fine().json
    made = desk("archive", "fold", archive, "--out", out, "--format", "json").fine().json
    assert [each["projection"] for each in made] == NAMES
    assert {each["position"] for each in made} == {300}
    assert made[0]["rows"] == len(before["rows"])
    again = desk("archive", "fold", archive, "--out", out, "--format", "json").fine().json
    assert again == made
    assert desk("archive", "load", out, "--format", "json").fine().json == made
    verified = desk("projections", "verify", "--from-events", "--format", "json").fine().json
    assert {each["result"] for each in verified} == {"ok"}
    assert desk("cases", *AS_OF).fine().json == before


def test_some_projections_with_two_processes(desk: Casestore, tmp_path: Path) -> None:
    archive, out = str(tmp_path / "archive"), tmp_path / "rows"
    names = ("--projection", "promises", "--projection", "cases")
    shown = desk("archive", "fold", archive, *names, "--out", str(out), "--processes", "2").fine()
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        "projection",
        "cases",
        "promises",
    ]
    assert {path.name for path in out.iterdir() if path.name[0] != "_"} == {"cases", "promises"}
    assert "another choice of projections" in desk(
        "archive", "fold", archive, "--out", str(out)
    ).failed(1)


def test_without_the_store_a_fold_works_and_a_load_does_not(
    desk: Casestore, tmp_path: Path
) -> None:
    elsewhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    archive, out = str(tmp_path / "archive"), str(tmp_path / "rows")
    elsewhere("archive", "fold", archive, "--projection", "cases", "--out", out).fine()
    assert "there is no store at" in elsewhere("archive", "load", out).failed(2)


def test_streams_whose_rows_cannot_be_made_are_told(
    desk: Casestore, store_url: str, tmp_path: Path
) -> None:
    with CaseStore.open(store_url, key_file=tmp_path / "store.key") as store:
        store.append("case:odd", stories.opened())
        rewrite(store, "case:odd", '"channel":"email"', '"channel":"pigeon"')
    archive, out = str(tmp_path / "archive"), str(tmp_path / "rows")
    desk("archive", "write", archive).fine()
    for command in (
        ("archive", "fold", archive, "--projection", "cases", "--out", out),
        ("archive", "load", out),
    ):
        ran = desk(*command)
        assert ran.code == 1
        assert "case:odd" in ran.out


def test_options_that_do_not_fit(desk: Casestore, tmp_path: Path) -> None:
    archive, out = str(tmp_path / "archive"), str(tmp_path / "rows")
    rebuild = ("projections", "rebuild")
    fold = ("archive", "fold", archive, "--out", out)
    assert "--master is for --engine spark" in desk(*rebuild, "--master", "local").failed(2)
    assert "--master is for --engine spark" in desk(*fold, "--master", "local").failed(2)
    assert "--out is for --engine spark" in desk(*rebuild, "--out", out).failed(2)
    cluster = ("--engine", "spark", "--master", "spark://127.0.0.1:1")
    assert "--master of a cluster needs --out" in desk(*rebuild, *cluster).failed(2)
    assert "is no archive" in desk("archive", "fold", out, "--out", out).failed(2)
    assert "no fold that is whole" in desk("archive", "load", archive).failed(1)
    assert not Path(out).exists()
