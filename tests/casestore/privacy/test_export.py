"""What a person is given: all that is held on them, and of others only what concerns them."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import (
    Actor,
    CaseStore,
    CustomerMerged,
    CustomerUnmerged,
    KeyFileError,
    NoteAdded,
    StoreExists,
    StreamNotFound,
)
from casestore.privacy.erasure import erase
from casestore.privacy.export import export_person
from tests.support.notes import ANNA, T, note, opened


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    """Cases of c1 and c2, who are one person; c3 is somebody else, and was taken for c1 once."""
    with CaseStore.create(store_url) as made:
        made.append("case:1", opened(subject="one <b>"), note("two"))
        made.append("case:2", opened("c2", subject="three"))
        made.append("customer:c2", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
        made.append("case:3", opened("c3", subject="another's"))
        by_c1 = Actor(kind="customer", id="c1")
        made.append("case:3", NoteAdded(occurred_at=T, actor=by_c1, text="another's, too"))
        made.append("customer:c3", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
        made.append("customer:c3", CustomerUnmerged(occurred_at=T, actor=ANNA, out_of="c1"))
        yield made


def given(store: CaseStore, out: Path, customer_id: str = "c1") -> dict[str, Any]:
    export_person(store, customer_id, out)
    data: dict[str, Any] = json.loads((out / "data.json").read_bytes())
    return data


def texts(events: list[dict[str, Any]]) -> list[str]:
    data = [event["data"] for event in events]
    return [each[name] for each in data for name in ("subject", "text") if name in each]


def test_a_person_is_given_every_event_of_all_their_ids(store: CaseStore, tmp_path: Path) -> None:
    data = given(store, tmp_path / "out")
    assert data["customer_ids"] == ["c1", "c2"]
    assert [each["stream"] for each in data["streams"]] == [
        *("customer:c1", "customer:c2"),
        *("case:1", "case:2"),
    ]
    events = [event for each in data["streams"] for event in each["events"]]
    on_record = [each for each in store.read() if each.customer_id in ("c1", "c2")]
    assert {each["event_id"] for each in events} == {each.uid for each in on_record}
    assert texts(events) == ["one <b>", "two", "three"]
    assert (data["erased"], data["since"]) == ([], "2026-03-02T09:00:00Z")
    assert data["not_known_here"][0] == "with whom any of this was shared"
    assert given(store, tmp_path / "other", "c2")["customer_ids"] == ["c2", "c1"]


def test_what_names_them_elsewhere_is_told_without_the_words_of_others(
    store: CaseStore, tmp_path: Path
) -> None:
    data = given(store, tmp_path / "out")
    assert [(each["stream"], each["type"], each["words"]) for each in data["named_elsewhere"]] == [
        ("case:3", "NoteAdded", "withheld"),
        ("customer:c3", "CustomerMerged", None),
        ("customer:c3", "CustomerUnmerged", None),
    ]
    for path in (tmp_path / "out").iterdir():
        assert "another's" not in path.read_text()


def test_the_page_says_the_same_and_only_its_owner_reads_it(
    store: CaseStore, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given(store, out)
    page = (out / "page.html").read_text()
    assert "one &lt;b&gt;" in page
    assert "Held since 2026-03-02" in page
    assert "Nothing was erased" in page
    assert "with whom any of this was shared" in page
    assert "In records of others" in page
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (out, *out.iterdir())]
    assert modes == [0o700, 0o600, 0o600]


def test_it_says_what_could_not_be_read_because_it_was_erased(
    store: CaseStore, tmp_path: Path
) -> None:
    erase(store, "c2", basis="gdpr-17", actor=ANNA)
    data = given(store, tmp_path / "out")
    assert data["erased"] == [
        {"stream": "case:2", "type": "CaseOpened", "field": "subject", "events": 1}
    ]
    assert [each["events"][0]["words"] for each in data["streams"]][-2:] == ["revealed", "erased"]
    page = (tmp_path / "out" / "page.html").read_text()
    assert "1 text in case:2: subject of CaseOpened" in page
    assert "[erased]" in page


def test_it_is_written_whole_or_not_at_all(
    store: CaseStore, store_url: str, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(StoreExists):
        export_person(store, "c1", there)
    with pytest.raises(StreamNotFound):
        export_person(store, "nobody", tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        export_person(store, "c1", tmp_path / "no" / "out")
    (tmp_path / "store.key").unlink()
    with CaseStore.open(store_url) as without_key, pytest.raises(KeyFileError):
        export_person(without_key, "c1", tmp_path / "out")
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("out")]
    assert list(there.iterdir()) == []
