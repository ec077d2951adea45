"""Events as CloudEvents: what the envelope holds, and that an import takes them back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.intake import Line, Options, append_lines, cloudevents, read
from casestore.transfer.cloudevents import cloud_event, cloud_event_lines
from casestore.transfer.ndjson import import_lines
from tests.generate import fill
from tests.support.notes import note, opened

EVENTS = 1500


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


@pytest.fixture
def other(tmp_path: Path) -> Iterator[CaseStore]:
    url = f"sqlite:///{tmp_path}/other.db"
    with CaseStore.create(url, key_file=tmp_path / "other.key") as made:
        yield made


def exported(store: CaseStore, path: Path, *, reveal: bool = False) -> Path:
    with path.open("wb") as file:
        file.writelines(cloud_event_lines(store, reveal=reveal))
    return path


def taken(store: CaseStore, path: Path) -> tuple[int, int, int]:
    """How many events an import appended, had already, and refused."""
    done = append_lines(store, read("cloudevents", [path], Options())).imported
    return done.appended, done.repeated, len(done.refused)


def held(store: CaseStore, *, reveal: bool = False) -> list[tuple[str, int, str, Any]]:
    return [(r.stream, r.version, r.uid, r.event) for r in store.read(reveal=reveal)]


def test_an_event_stands_in_a_structured_envelope(store: CaseStore) -> None:
    store.append("case:1", opened(), key="k", correlation_id="thread-1", causation_id="call-2")
    *_, recorded = store.read()
    assert json.loads(cloud_event("a-store", recorded)) == {
        "specversion": "1.0",
        "id": recorded.uid,
        "source": "/casestore/a-store",
        "type": "org.casestore.CaseOpened.v1",
        "subject": "case:1",
        "time": "2026-03-02T09:00:00Z",
        "datacontenttype": "application/json",
        "sequence": f"{recorded.position:019}",
        "partitionkey": "case:1",
        "recordedtime": json.loads(json.dumps(recorded.recorded_at, default=_iso)),
        "streamversion": 1,
        "correlationid": "thread-1",
        "causationid": "call-2",
        "personal": "withheld",
        "data": {
            "occurred_at": "2026-03-02T09:00:00Z",
            "actor": {"kind": "agent", "id": "anna", "team": "north"},
            "customer_id": "c1",
            "channel": "email",
        },
    }


def _iso(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")


def test_names_are_as_the_specification_wants_them_and_sequences_are_in_order_as_text(
    store: CaseStore,
) -> None:
    for number in range(11):
        store.append(f"case:{number}", opened(f"c{number}"))
    lines = [json.loads(line) for line in cloud_event_lines(store)]
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for line in lines for name in line)
    sequences = [line["sequence"] for line in lines]
    assert sequences == sorted(sequences)
    assert len(set(sequences)) == len(lines) == 22


def test_personal_text_is_told_only_when_it_was_revealed(store: CaseStore) -> None:
    store.append("case:1", opened(subject="Kettle leaks"))
    assert b"Kettle" not in b"".join(cloud_event_lines(store))
    revealed = [json.loads(line) for line in cloud_event_lines(store, reveal=True)]
    assert revealed[-1]["data"]["subject"] == "Kettle leaks"
    assert "personal" not in revealed[-1]
    only = list(cloud_event_lines(store, stream="customer:c1"))
    assert [json.loads(line)["subject"] for line in only] == ["customer:c1"]


@pytest.mark.parametrize("reveal", [False, True])
def test_what_is_exported_is_imported_with_its_ids_and_in_its_order(
    store: CaseStore, other: CaseStore, tmp_path: Path, reveal: bool
) -> None:
    """With corrections, which name event ids, and events that were recorded late."""
    fill(store, EVENTS)
    path = exported(store, tmp_path / "events.ndjson", reveal=reveal)
    assert taken(other, path) == (EVENTS, 0, 0)
    assert held(other, reveal=reveal) == held(store, reveal=reveal)
    assert taken(other, path) == (0, EVENTS, 0)
    assert taken(store, path) == (0, EVENTS, 0)


def test_the_order_of_the_files_does_not_matter(
    store: CaseStore, other: CaseStore, tmp_path: Path
) -> None:
    fill(store, 300)
    lines = list(cloud_event_lines(store))
    (tmp_path / "b.ndjson").write_bytes(b"".join(lines[:100]))
    (tmp_path / "a.ndjson").write_bytes(b"".join(reversed(lines[100:])))
    paths = [tmp_path / "a.ndjson", tmp_path / "b.ndjson"]
    done = append_lines(other, read("cloudevents", paths, Options())).imported
    assert (done.appended, done.refused) == (300, ())
    assert held(other) == held(store)


def test_lines_of_ndjson_that_a_reader_wrote_keep_the_ids_too(
    store: CaseStore, other: CaseStore
) -> None:
    store.append("case:1", opened())
    store.append("case:1", note())
    made = cloudevents.events(b"".join(cloud_event_lines(store)), Options())
    lines = [each.ndjson() for each in made if isinstance(each, Line)]
    assert import_lines(other, lines).appended == 3
    assert held(other) == held(store)


def test_another_systems_event_with_such_names_is_read_as_before() -> None:
    event = {
        "specversion": "1.0",
        "id": "17",
        "source": "/casestore/desk",
        "sequence": 4,
        "type": "org.casestore.NoteAdded.v1",
        "subject": "case:1",
        "time": "2026-03-01T10:00:00+01:00",
        "data": {"actor": {"kind": "agent", "id": "anna"}},
    }
    (made,) = cloudevents.events(json.dumps(event).encode(), Options())
    assert getattr(made, "event_id", "") is None
