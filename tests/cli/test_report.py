"""`casestore report pages` and `casestore report export` at the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from casestore import CaseStore
from cli.commands import report
from tests.support.alter import alter
from tests.support.command_line import Casestore, demo_store
from tests.support.exports import read


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    return demo_store(tmp_path)


def test_it_says_what_it_wrote_and_where(casestore: Casestore, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    ran = casestore("report", "pages", str(folder), "--as-of", "2026-09-01").fine()
    pages, lists, cases, customers = map(int, re.findall(r"(\d+) (?:page|list|case|cust)", ran.out))
    assert f"open {folder / 'index.html'}" in ran.out
    assert pages == lists + cases + customers + 3
    assert pages == len(list(folder.rglob("*.html")))
    assert cases == 6
    again = casestore("report", "pages", str(folder), "--as-of", "2026-09-01", "--format", "json")
    assert again.json == {
        "folder": str(folder),
        "lists": lists,
        "cases": cases,
        "customers": customers,
        "pages": pages,
        "rows_with_files": None,
    }
    assert casestore("report", "pages", str(folder), "-q").fine().out == ""


def test_the_foot_says_which_options_write_the_same_again(
    casestore: Casestore, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    casestore("report", "pages", str(one), "--by", "week", "--tz", "Asia/Tokyo").fine()
    told = re.search("with <code>(.*?)</code>", (one / "index.html").read_text())
    assert told is not None
    casestore("report", "pages", str(other), *told[1].split()).fine()
    for path in one.rglob("*.html"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_words_are_shown_when_asked_for(casestore: Casestore, tmp_path: Path) -> None:
    casestore("report", "pages", str(tmp_path / "without"), "--as-of", "2026-09-01").fine()
    casestore("report", "pages", str(tmp_path / "with"), "--as-of", "2026-09-01", "--reveal").fine()
    without, with_words = (
        "".join(path.read_text() for path in (tmp_path / name).rglob("*.html"))
        for name in ("without", "with")
    )
    said = "“"
    assert said in with_words
    assert "words by and about persons are shown" in with_words
    assert "words by and about persons are withheld" in without
    assert "--reveal" not in without


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["--team", "nrth"], 2, "no event names the team 'nrth'"),
        (["--customer", "nobody"], 2, "nobody"),
        (["--by", "year"], 2, "'year'"),
    ],
)
def test_what_is_not_there_is_told(
    casestore: Casestore, tmp_path: Path, args: list[str], code: int, told: str
) -> None:
    assert told in casestore("report", "pages", str(tmp_path / "s"), *args).failed(code)
    assert not (tmp_path / "s").exists()


def test_a_folder_of_somebody_else_is_refused(casestore: Casestore, tmp_path: Path) -> None:
    said = casestore("report", "pages", str(tmp_path)).failed(1)
    assert "give a new or an empty folder" in said


def test_without_jinja_it_says_what_to_install(
    casestore: Casestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "find_spec", lambda _: None)
    said = casestore("report", "pages", str(tmp_path / "s")).failed(2)
    assert "pip install 'casestore[pages]'" in said


# --- report export sqlite ------------------------------------------------------------------


def test_an_export_says_what_it_wrote(casestore: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    asked = ("report", "export", "sqlite", str(file), "--as-of", "2026-09-01")
    ran = casestore(*asked).fine()
    assert re.fullmatch(rf"wrote {re.escape(str(file))}: 21 tables of \d+ rows\n", ran.out)
    told = casestore(*asked, "--format", "json").fine().json
    rows = read(file, 'SELECT count(*), sum("rows") FROM manifest_tables')
    assert [(told["tables"], told["rows"])] == rows
    assert told["file"] == str(file)
    assert casestore(*asked, "-q").fine().out == ""


def test_the_manifest_says_which_options_write_the_same_again(
    casestore: Casestore, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.sqlite", tmp_path / "other.sqlite"
    export = ("report", "export", "sqlite")
    casestore(*export, str(one), "--team", "hotline", "--tz", "Asia/Tokyo").fine()
    ((told,),) = read(one, "SELECT value FROM manifest WHERE name = 'options'")
    assert "--team hotline" in told
    casestore(*export, str(other), *told.split()).fine()
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        ("x.sqlite --team hotlin", 2, "no event names the team 'hotlin'"),
        ("none/x.sqlite", 2, "the folder"),
        ("demo.db", 2, "is a store, which would be replaced; name another file"),
    ],
)
def test_an_export_that_cannot_be_made_is_refused(
    casestore: Casestore, tmp_path: Path, asked: str, code: int, told: str
) -> None:
    before = (tmp_path / "demo.db").read_bytes()
    export = f"report export sqlite {tmp_path}/{asked}"
    said = casestore(*export.split()).failed(code)
    assert told in said
    assert not list(tmp_path.rglob("*.sqlite*"))
    assert (tmp_path / "demo.db").read_bytes() == before


def test_an_export_of_what_lacks_streams_says_so(casestore: Casestore, tmp_path: Path) -> None:
    with CaseStore.open(casestore.env["CASESTORE_URL"]) as store:
        damage = "UPDATE {t} SET state = CAST('x' AS BLOB) WHERE originator_id = "
        alter(store, f"{damage}'case:roaming-bill'")
    file = tmp_path / "x.sqlite"
    ran = casestore("report", "export", "sqlite", str(file))
    assert (ran.code, "1 stream is missing here" in ran.err) == (0, True)
    assert read(file, "SELECT value FROM manifest WHERE name = 'streams_missing'") == [(1,)]
