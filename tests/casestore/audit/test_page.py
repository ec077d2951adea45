"""The page of an evidence bundle: for reading alone, whatever the events say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path

import pytest

from casestore import CaseStore, EventRefused
from casestore.audit.bundle import signed_text, verify_bundle
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.leaf import Leaf
from casestore.audit.page import Made, Sealed, page
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.summary import Shown
from casestore.privacy.erasure import erase
from casestore.streams.history import History, Recorded
from casestore.tlog.note import Checkpoint, Verifier
from tests.support import stories
from tests.support.long_cases import long_history
from tests.support.proofs import bundle_of
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


def test_lines_of_a_letter_are_shown_as_somebody_reads_them(tmp_path: Path, folder: Path) -> None:
    """Nearly every mail has several lines, and “<U+000D><U+000A>” says nothing to a lawyer."""
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False) as store:
        store.append("case:c1", stories.opened(customer_id="k1", subject="Dear all,\r\nno.\n\tK."))
        store.append("case:c2", stories.opened(customer_id="k1", subject="No."))
        store.append("case:c3", stories.opened(customer_id="k1", subject="\u202eNo."))
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        for name in ("c1", "c2", "c3"):
            write_bundle(store, name, tmp_path / name, reveal=True)
    assert "“Dear all,⏎no.⏎␉K.”" in said(tmp_path / "c1")
    assert "⏎ stands for the end of a line, and ␉ stands for a tab." in said(tmp_path / "c1")
    assert "stands for the end" not in said(tmp_path / "c2")
    assert "A code such as <U+202E> stands for a character that" in said(tmp_path / "c3")


def test_the_page_says_that_it_does_not_tell_of_merged_cases(tmp_path: Path, small: str) -> None:
    """“None left out” is said of this case's own events: those of a merged one are elsewhere."""
    bundle_of(small, tmp_path / "out")
    assert "whether other cases were merged into this one" in said(tmp_path / "out")


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


def facts(out: Path) -> dict[str, str]:
    """The names and values of all lists on the page of a bundle."""
    text = (out / "page.html").read_text("utf-8")
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text, re.S)
    return {name: re.sub(r"<[^>]+>", " ", value).strip() for name, value in found}


def said(out: Path) -> str:
    """The text of the page of a bundle, in one line."""
    return " ".join(Page((out / "page.html").read_text("utf-8")).text.split())


def test_the_page_begins_with_who_when_and_what_came_of_it(tmp_path: Path, small: str) -> None:
    with opened(small) as store:
        third = store.history("case:c2").originals[2]
        store.append("case:c2", replace(stories.voided(3), event_id=third.event_id))
        store.append("case:c2", stories.content(), stories.closed())
        sealed = seal(store)
        write_bundle(store, "c2", tmp_path / "out", maker="Anna <A>", firm="Kettles & Sons")
        verifier = str(Folder.of(store.url).signer().verifier)
        store_id = store.meta["store_id"]
    told, root = facts(tmp_path / "out"), sealed.checkpoint.root.hex()
    assert told["Customer"] == "k1"
    assert told["Acted or spoke"].startswith("agent anna (6 events)")
    assert re.fullmatch(r"happened .* UTC; recorded from 2026-\S+ \S+ to .* UTC", told["Period"])
    assert told["Events"] == "6; 1 was taken back and 0 were corrected by later ones"
    assert told["Outcome"] == (
        "closed on 2026-03-02 09:00 UTC, reason: resolved; the customer accepted a resolution: "
        "no. 5"
    )
    assert told["Made by"] == "Anna &lt;A&gt;"
    assert told["Firm"] == "Kettles &amp; Sons"
    assert re.fullmatch(r"20\d\d-.* UTC, by the clock of that machine", told["Made on"])
    assert told["With"] == f"casestore {version('casestore')}, from the store {store_id}"
    assert told["Root (SHA-256)"].replace(" ", "") == root
    assert told["Name of the key"] == f"casestore/{store_id}"
    assert told["Verifier key"] == verifier
    assert (told["Seal, checkpoint"], told["Leaf"], told["Withheld"]) > ("A", "A", "A")
    assert verify_bundle(tmp_path / "out").page == "ok"


def test_who_made_it_may_not_be_known_and_is_never_made_up(tmp_path: Path, small: str) -> None:
    bundle_of(small, tmp_path / "out")
    told = facts(tmp_path / "out")
    assert (told["Made by"], told["Firm"]) == ("not said", "not said")
    with opened(small) as store, pytest.raises(EventRefused, match="maker has characters"):
        write_bundle(store, "c2", tmp_path / "odd", maker="Anna\u202eA")
    assert not (tmp_path / "odd").exists()


def test_the_page_claims_no_more_of_words_than_is_proven(tmp_path: Path, small: str) -> None:
    bundle_of(small, tmp_path / "shown", reveal=True)
    bundle_of(small, tmp_path / "withheld")
    with opened(small) as store:
        erase(store, "k1", basis="gdpr-17", actor=stories.ANNA)
        seal(store)
    bundle_of(small, tmp_path / "erased", reveal=True)
    counts = {name: facts(tmp_path / name)["Words"] for name in ("shown", "withheld", "erased")}
    having = "2 events have words by or about persons. Of these: "
    assert counts == {
        "shown": f"{having} 2: shown, and proven by what the seal holds of them: a commitment "
        "that they open, or their hash",
        "withheld": f"{having} 2: withheld from this page: they are recorded, and what they say "
        "is not shown",
        "erased": f"{having} 2: erased, as the maker of this page says: the store cannot read "
        "them any more",
    }
    claim = "the words that are shown are those that were sealed"
    assert [claim in said(tmp_path / name) for name in counts] == [True, False, False]
    assert "what the withheld words say" in said(tmp_path / "withheld")
    assert "no copy of erased words" in said(tmp_path / "erased")
    for name in counts:
        assert "a single character" not in said(tmp_path / name)
        assert "of each event, its text (without the words), its ids, its entry" in said(
            tmp_path / name
        )


def test_a_bundle_from_before_the_summary_stays_good(tmp_path: Path, small: str) -> None:
    """Its page is another one: it is as its maker signed it, and is not said to be edited."""
    key = bundle_of(small, tmp_path / "out")
    path = tmp_path / "out" / "bundle.json"
    bundle = json.loads(path.read_text("utf-8"))
    for name in ("made_at", "maker", "firm"):
        del bundle[name]
    data, shown = json.dumps(bundle).encode(), b"the page of then"
    path.write_bytes(data)
    (tmp_path / "out" / "page.html").write_bytes(shown)
    with opened(small) as store:
        note = Folder.of(store.url).signer().sign(signed_text("case:c2", data, shown))
    (tmp_path / "out" / "signed").write_text(note)
    assert verify_bundle(tmp_path / "out", [key]).page == "of another version"


def test_four_times_the_events_are_four_times_the_work() -> None:
    def paged(history: History) -> str:
        events = [Shown(each, _leaf(each), each.version, False) for each in history]
        checkpoint = Checkpoint("casestore", len(events), bytes(32))
        sealed = Sealed(checkpoint, Verifier("casestore", bytes(32)), "note")
        return page(history.stream, events, sealed, Made(None, "", "", "0", None))

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
