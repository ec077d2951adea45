"""A server of a store that is too large to be read while a request waits; here it is told so."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from casestore import Actor, CaseOpened, CaseStore
from projections.pages.links import Rows
from projections.pages.list_kinds import MAIN
from projections.serve.asked import PRESENT, Address, Asked, Moment, address_of
from projections.serve.guard import Guard
from projections.serve.library import MOMENTS, Library
from projections.serve.live_site import Shown, Site
from projections.serve.opened import Opened
from projections.serve.rendering import How
from projections.serve.views_log import ViewsLog
from tests.support.pages import Read, demo_in

AT = datetime(2026, 5, 12, tzinfo=UTC)


def site_of(store: CaseStore, small: int = 0, log: ViewsLog | None = None) -> Site:
    how = How(UTC, reveal=log is not None)
    return Site(Opened(store), Library(store.url, how), Guard([], 1), how, log, small)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = site_of(demo_in(tmp_path))
    yield made
    made.stopping.set()
    made.library.close()
    made.opened.close()


def ask(site: Site, asked: Asked) -> Shown:
    page = site.page(asked.address.page, address_of(asked).partition("?")[2], "ana")
    assert isinstance(page, Shown)
    return page


def wait(site: Site, asked: Asked) -> str:
    deadline = time.monotonic() + 60
    while (shown := ask(site, asked)).status == 202:
        assert time.monotonic() < deadline
        assert shown.refresh
        time.sleep(0.05)
    return shown.html


def main(html: str) -> str:
    return html.partition("<main")[2].partition("</main>")[0]


ADDRESSES = [
    Address(),
    Address("overview", by="week"),
    Address("lessons"),
    Address("policy"),
    *(Address("list", rows=Rows(name)) for name in MAIN),
]


@pytest.mark.parametrize("moment", [Moment(AT), Moment(AT, datetime(2026, 9, 2, tzinfo=UTC))])
def test_pages_of_made_tables_are_those_of_a_report(site: Site, moment: Moment) -> None:
    """The same as where a report makes the tables for itself."""
    site.small = 0
    large = [main(wait(site, Asked(moment, each))) for each in ADDRESSES]
    site.small = 1_000_000
    for each, html in zip(ADDRESSES, large, strict=True):
        site.library._pages.clear()
        assert main(ask(site, Asked(moment, each)).html) == html, each


@pytest.mark.parametrize("moment", [PRESENT, Moment(datetime(2026, 10, 1, tzinfo=UTC))])
@pytest.mark.parametrize("name", ["promises", "today"])
def test_what_has_changed_in_a_list_is_told_from_made_tables(
    site: Site, moment: Moment, name: str
) -> None:
    """The earlier moment's tables are made first, with a page that tells how far they are."""
    since = datetime(2026, 9, 2, tzinfo=UTC)
    asked = Asked(moment, Address("list", rows=Rows(name)).changed(since))
    html = wait(site, asked)
    assert set(site.library._moments) >= {Moment(since, since)}
    assert "0 came, 0 went" in Read(html).text
    if not moment.present:
        site.small = 1_000_000
        site.library._pages.clear()
        assert main(ask(site, asked).html) == main(html)


def test_a_slow_page_is_made_in_the_background_and_then_kept(site: Site) -> None:
    first = Asked(PRESENT, Address())
    html = wait(site, first)
    assert "Overview" in html
    assert ask(site, first).status == 200


def test_after_an_event_the_kept_page_is_given_and_says_so(site: Site, tmp_path: Path) -> None:
    asked = Asked(PRESENT, Address("list", rows=Rows("today")))
    before = wait(site, asked)
    with CaseStore.open(f"sqlite:///{tmp_path}/demo.db") as other:
        now = datetime.now(UTC)
        opened = CaseOpened(
            occurred_at=now, actor=Actor(kind="agent", id="x"), customer_id="new", channel="sms"
        )
        other.append("case:brand-new", opened)
    shown = ask(site, asked)
    assert shown.status == 200
    assert "behind what is on record" in shown.html
    assert main(shown.html) == main(before)
    deadline = time.monotonic() + 60
    while "brand-new" not in ask(site, asked).html:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "behind what is on record" not in ask(site, asked).html


def test_a_bounded_number_of_moments_is_kept_and_their_files_go(site: Site) -> None:
    for day in range(1, MOMENTS + 3):
        moment = Moment(datetime(2026, 5, day, tzinfo=UTC))
        wait(site, Asked(moment, Address("list", rows=Rows("cases"))))
    folder = site.library._folder
    assert folder is not None
    assert len(list(Path(folder.name).iterdir())) == MOMENTS
    assert len(site.library._moments) == MOMENTS
    site.library.close()
    assert not Path(folder.name).exists()


def test_what_fails_in_the_background_is_told_and_tried_again(site: Site, tmp_path: Path) -> None:
    asked = Asked(PRESENT, Address("overview", by="week"))
    deadline = time.monotonic() + 60
    site.library._lines[True].worker._url = f"sqlite:///{tmp_path}/nowhere.db"
    while "failed" not in (shown := ask(site, asked)).html:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert shown.status == 202
    assert str(tmp_path) not in shown.html
    site.library._lines[True].worker._url = f"sqlite:///{tmp_path}/demo.db"
    wait(site, asked)


def test_a_worker_that_was_killed_is_started_again(site: Site) -> None:
    wait(site, Asked(PRESENT, Address()))
    process = site.library._lines[True].worker._process
    assert process is not None
    process.kill()
    process.join()
    wait(site, Asked(PRESENT, Address("overview", by="day")))


def test_the_bar_has_sliders_over_the_whole_history(site: Site) -> None:
    html = ask(site, Asked(Moment(AT), Address("policy"))).html
    found = re.findall(r'min="(\d+)" max="(\d+)" step="(\d+)" value="(\d+)"', html)
    assert len(found) == 2
    least, most, step, value = map(int, found[0])
    assert least <= value <= most
    assert (most - least) % step == 0
    assert abs(value * 3600 - AT.timestamp()) < step * 3600
    compare = re.findall(r'href="(/changed[^"]*)"', html)
    assert compare[0] == "/changed?since=2026-05-12T00%3A00%3A00Z"  # with the present
    assert "/changed?since=2026-05-11T00%3A00%3A00Z&amp;as_of=2026-05-12T00%3A00%3A00Z" in compare
    assert found[1][3] == found[1][1]  # known at: all that is on record
    assert "As of 2026-05-12" in Read(html).text


def _note(path: Path, who: str) -> None:
    log = ViewsLog(path)
    for _ in range(200):
        log.note(who * 150, Asked(Moment(AT), Address("case", "K-1" * 100)), 7, "id")


def test_several_servers_append_whole_lines_to_one_log(tmp_path: Path) -> None:
    path = tmp_path / "views.ndjson"
    spawn = get_context("spawn")
    crew = [spawn.Process(target=_note, args=(path, who)) for who in "abcd"]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    whos = [json.loads(line)["who"][0] for line in path.read_text().splitlines()]
    assert sorted(whos) == sorted("abcd" * 200)


def test_the_log_names_whose_changes_were_seen(tmp_path: Path) -> None:
    log = ViewsLog(tmp_path / "views.ndjson")
    for address in (
        Address("case", "K-1"),
        Address("customer", "C-1"),
        Address("list", rows=Rows("promises")),
        Address("policy"),
    ):
        log.note("ana", Asked(PRESENT, address.changed(AT)), 7, "id")
    noted = [json.loads(line) for line in log.path.read_text().splitlines()]
    told = [(each["page"], each["case"], each["customer"], each["list"]) for each in noted]
    assert told == [
        ("changed", "K-1", None, None),
        ("changed", None, "C-1", None),
        ("changed", None, None, "promises"),
        ("changed", None, None, None),
    ]


def test_a_log_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        ViewsLog(tmp_path / "link")


def _killed(url: str, key: str, told: Path) -> None:
    os.environ["CASESTORE_KEY_FILE"] = key
    site = site_of(CaseStore.open(url))
    wait(site, Asked(Moment(AT), Address("list", rows=Rows("cases"))))
    folder = site.library._folder
    assert folder is not None
    told.write_text(folder.name)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="kills as Unix does")
def test_a_server_that_is_killed_leaves_no_files(tmp_path: Path) -> None:
    with demo_in(tmp_path) as store:
        url = store.url
    told = tmp_path / "told"
    key = str(tmp_path / "demo.db.key")
    process = get_context("spawn").Process(target=_killed, args=(url, key, told))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    folder = Path(told.read_text())
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
