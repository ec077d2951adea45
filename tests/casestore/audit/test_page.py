"""The page of an evidence bundle: for reading alone, whatever the events say."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from casestore import CaseStore
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.leaf import Leaf
from casestore.audit.page import Shown, page
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.streams.history import History, Recorded
from casestore.tlog.note import Checkpoint
from tests.support import stories
from tests.support.long_cases import long_history
from tests.support.sealed import opened
from tests.support.work import work


class Page(HTMLParser):
    """What stands in a page, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


NASTY = "<script>alert(1)</script> & \u202egnorw \x1b[2J “é漢😀”"


def test_the_page_is_for_reading_alone(tmp_path: Path, folder: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False) as store:
        store.append("case:<b>", stories.opened(customer_id='k"<i>', subject=NASTY))
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        write_bundle(store, "<b>", tmp_path / "out", reveal=True)
    written = (tmp_path / "out" / "page.html").read_text("utf-8")
    page = Page(written)
    assert not set(page.tags) & {"script", "link", "img", "iframe", "a", "form", "object", "b", "i"}
    assert page.links == []
    assert not re.search(r"https?://|@import|url\(", written)
    assert "<U+202E>gnorw <U+001B>[2J" in page.text
    assert "<script>alert(1)</script> & " in page.text
    assert "Case <b>" in page.text


def test_the_page_tells_corrections(tmp_path: Path, small: str) -> None:
    with opened(small) as store:
        _, second, third = store.history("case:c2").originals
        voided, amended = stories.voided(3), stories.amended(2, category=(None, "kettle"))
        store.append("case:c2", replace(voided, event_id=third.event_id))
        store.append("case:c2", replace(amended, event_id=second.event_id))
        seal(store)
        write_bundle(store, "c2", tmp_path / "out")
    text = Page((tmp_path / "out" / "page.html").read_text("utf-8")).text
    assert "[taken back by no. 4]" in text
    assert "[corrected by no. 5]" in text
    assert "no. 3" in text
    assert "[withheld]" in text


def test_four_times_the_events_are_four_times_the_work() -> None:
    def paged(history: History) -> str:
        events = [Shown(each, _leaf(each), each.version, False) for each in history]
        checkpoint = Checkpoint("casestore", len(events), bytes(32))
        return page(history.stream, events, checkpoint, "verifier", "note")

    short, long = long_history(50), long_history(200)
    assert paged(short).count("<tr>") == len(short) + 1
    before, after = work(lambda: paged(short)), work(lambda: paged(long))
    assert after < 4.5 * before


def _leaf(recorded: Recorded) -> Leaf:
    return Leaf(
        customer_id=recorded.customer_id,
        event_id=recorded.uid,
        log_id="log",
        metadata_sha256="",
        personal_sha256=None,
        position=recorded.position or 0,
        recorded_at=recorded.recorded_us or 0,
        state_sha256="",
        stream=recorded.stream,
        topic=recorded.type,
        version=recorded.version,
    )
