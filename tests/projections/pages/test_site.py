"""A site: its links, its bytes, the folder that it is written to."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.errors import StoreExists
from projections.pages import site as site_module
from tests.generate import fill
from tests.support.command_line import demo_store
from tests.support.sites import links, rows_of, site

DEMO_AT = datetime(2026, 9, 1, tzinfo=UTC)
AT = datetime(2023, 6, 20, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    folder = tmp_path_factory.mktemp("generated")
    with CaseStore.create(f"sqlite:///{folder}/s.db") as store:
        fill(store, 3_000)
        yield store


@pytest.fixture(scope="module")
def written(store: CaseStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site(store, folder, as_of=AT)
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_no_link_is_dead(written: Path) -> None:
    found = list(links(written))
    assert len(found) > 1_000
    dead = [each for each in found if not each.to.is_file()]
    assert dead == []
    lost = [e for e in found if e.fragment and f'id="{e.fragment}"' not in e.to.read_text()]
    assert lost == []


def test_a_number_leads_to_as_many_rows_as_it_says(written: Path) -> None:
    """Closings and reopenings are counted where cases are listed: one case may have two."""
    counts = [
        (each.text, rows_of(each.to), each.to.name)
        for each in links(written)
        if each.to.parent.name == "list" and re.fullmatch(r"[\d,]+", each.text)
    ]
    assert len(counts) > 100
    wrong = []
    for text, rows, name in counts:
        number = int(text.replace(",", ""))
        turns = name.startswith(("cases-closed-in", "cases-reopened-in"))
        if rows != number and not (turns and 0 < rows < number):
            wrong.append((number, rows, name))
    assert wrong == []
    assert {name.partition("-")[0].partition("~")[0] for _, _, name in counts} >= {
        *("cases", "promises", "goodwill", "lapses", "responses", "today")
    }


def test_the_lists_beside_numbers_say_how_many_rows_they_have(written: Path) -> None:
    html = (written / "index.html").read_text()
    found = re.findall(r'<li><a href="(list/[^"]+)">[^<]+</a> <span class="unit">([\d,]+)', html)
    assert len(found) == 12
    for address, told in found:
        assert rows_of(written / address) == int(told.replace(",", ""))


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_a_site_of_a_part_of_the_store_keeps_its_links(
    store: CaseStore, tmp_path: Path, by: Any
) -> None:
    team = next(iter(store.read(reveal=False))).event.actor.team
    site(store, tmp_path / "s", by=by, as_of=AT, team=team or "none", product="parcel")
    assert [each for each in links(tmp_path / "s") if not each.to.is_file()] == []
    conflicts = (tmp_path / "s/list/conflicts.html").read_text()
    assert "They are of every product" in conflicts


def test_of_many_cases_those_of_the_first_rows_of_each_list_have_files(
    store: CaseStore, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "MANY_CASES", 20)
    monkeypatch.setattr(site_module, "FIRST_ROWS", 2)
    told = site(store, tmp_path / "s", as_of=AT)
    assert told.rows_with_files == 2
    assert 0 < told.cases < len(list((written / "case").iterdir()))
    assert [each for each in links(tmp_path / "s") if not each.to.is_file()] == []
    html = (tmp_path / "s/list/cases.html").read_text()
    assert "Cases and customers of the first 2 have files here." in html
    body = html.partition("<tbody>")[2]
    first = re.findall(r"<tr>.*?</tr>", body)[0]
    assert 'href="../case/' in first
    assert 'href="../customer/' in first
    assert "have files here" not in (written / "list/cases.html").read_text()
    assert rows_of(tmp_path / "s/list/cases.html") == rows_of(written / "list/cases.html")


def test_a_site_written_again_is_the_same(store: CaseStore, written: Path, tmp_path: Path) -> None:
    site(store, tmp_path / "s", as_of=AT)
    assert bytes_of(tmp_path / "s") == bytes_of(written)
    (tmp_path / "s/index.html").rename(tmp_path / "s/list/old.html")
    for place in ("case", "."):
        (tmp_path / f"s/{place}/.x.html.part-12345678").write_text("of one that was killed")
    site(store, tmp_path / "s", as_of=AT)
    assert bytes_of(tmp_path / "s") == bytes_of(written)


def test_one_that_was_stopped_has_no_overview_and_is_finished_by_the_next(
    store: CaseStore, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site(store, tmp_path / "s", as_of=DEMO_AT)

    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(site_module, "case_page", killed)
        with pytest.raises(KeyboardInterrupt):
            site(store, tmp_path / "s", as_of=AT)
    assert not (tmp_path / "s/index.html").exists()
    site(store, tmp_path / "s", as_of=AT)
    assert bytes_of(tmp_path / "s") == bytes_of(written)


def test_a_folder_with_something_else_in_it_is_left_alone(store: CaseStore, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreExists, match="no pages of casestore"):
        site(store, tmp_path, as_of=AT)
    assert bytes_of(tmp_path) == {"mine.txt": b"mine"}


def test_pages_with_words_are_for_their_owner_alone(tmp_path: Path) -> None:
    with CaseStore.open(demo_store(tmp_path).env["CASESTORE_URL"]) as store:
        site(store, tmp_path / "told", as_of=DEMO_AT, reveal=True)
        site(store, tmp_path / "withheld", as_of=DEMO_AT)
    for path in (tmp_path / "told").rglob("*.html"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "told").stat().st_mode) == 0o700


def test_pages_of_an_empty_store(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store:
        done = site(store, tmp_path / "s", as_of=AT)
    assert done.cases == 0
    assert [each for each in links(tmp_path / "s") if not each.to.is_file()] == []
    assert "There is nothing to do." in (tmp_path / "s/index.html").read_text()
