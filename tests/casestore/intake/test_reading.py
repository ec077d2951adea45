"""What all readers have in common, shown by the smallest of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import casestore.intake
from casestore import CaseStore
from casestore.intake import LeftOut, Line, Options, append_lines, cloudevents, read
from casestore.intake.reading import READERS, reader_class
from casestore.transfer.lines import key_of, line

ANNA = {"kind": "agent", "id": "anna"}


def event(
    number: int, kind: str, stream: str = "case:1", day: int = 1, **data: Any
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "desk",
        "type": f"org.casestore.{kind}.v1",
        "subject": stream,
        "time": f"2026-03-{day:02}T10:00:00+01:00",
        "data": {"actor": ANNA, **data},
    }


def opened(number: int, stream: str, day: int = 1, **data: Any) -> dict[str, Any]:
    return event(
        number, "CaseOpened", stream, day, **{"customer_id": "k1", "channel": "email"} | data
    )


STORY = [
    opened(1, "case:1", subject="Kettle"),
    event(2, "NoteAdded", day=3, text="rang back"),
    opened(3, "case:2", day=2),
    event(4, "CaseClosed", "case:2", day=4, reason="resolved"),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


def write(folder: Path, **contents: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / f"{name}.json").write_bytes(data)
    return folder


def lines(folder: Path, **options: Any) -> list[Line]:
    return [
        each for each in read("cloudevents", [folder], Options(**options)) if isinstance(each, Line)
    ]


def test_every_reader_is_there() -> None:
    for name in READERS:
        assert reader_class(name).name == name


def test_lines_come_in_the_order_of_time_whatever_file_they_stand_in(tmp_path: Path) -> None:
    one = lines(write(tmp_path / "one", a=STORY))
    other = lines(write(tmp_path / "other", a=STORY[2:], b=STORY[1::-1], c=STORY))
    assert [(each.stream, each.type) for each in one] == [
        ("case:1", "CaseOpened"),
        ("case:2", "CaseOpened"),
        ("case:1", "NoteAdded"),
        ("case:2", "CaseClosed"),
    ]
    assert [each._replace(where="") for each in one] == [each._replace(where="") for each in other]


def test_a_second_import_appends_nothing_and_a_longer_one_extends(
    store: CaseStore, tmp_path: Path
) -> None:
    folder = write(tmp_path / "export", a=STORY[:2])
    assert append_lines(store, read("cloudevents", [folder], Options())).imported.appended == 2
    assert append_lines(store, read("cloudevents", [folder], Options())).imported.appended == 0
    write(folder, a=STORY)
    result = append_lines(store, read("cloudevents", [folder], Options()))
    assert (result.imported.appended, result.imported.repeated) == (2, 2)
    assert result.events == {"CaseOpened": 2, "NoteAdded": 1, "CaseClosed": 1}


def test_a_file_is_taken_whole_or_left_out_by_name(store: CaseStore, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "export",
        whole=STORY[:1],
        half=json.dumps(STORY[1:]).encode()[:-30],
        picture=b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        binary=b"\x00" * 5000,
    )
    result = append_lines(store, read("cloudevents", [folder], Options()))
    assert result.imported.appended == 1
    assert {reason: found.places for reason, found in result.told.unreadable.items()} == {
        "it ends in the middle": (f"{folder}/half.json",),
        "not JSON, or not as an API answers: neither an object nor a list": (
            f"{folder}/binary.json",
            f"{folder}/picture.json",
        ),
    }


def test_strict_appends_nothing_if_anything_was_unreadable(
    store: CaseStore, tmp_path: Path
) -> None:
    folder = write(tmp_path / "export", good=STORY, bad=b"{")
    result = append_lines(store, read("cloudevents", [folder], Options()), strict=True)
    assert result.stopped
    assert result.imported.appended == 0
    assert list(store.streams("case")) == []


def test_since_keeps_a_case_whole_or_leaves_it_out(store: CaseStore, tmp_path: Path) -> None:
    story = [
        *STORY,
        opened(5, "case:3", day=1),
        event(6, "CaseMerged", "case:2", day=3, into="3"),
        event(7, "CustomerRegistered", "customer:k1", day=1),
        event(8, "CustomerRegistered", "customer:k2", day=1),
    ]
    folder = write(tmp_path / "export", a=story)
    since = datetime(2026, 3, 4, tzinfo=UTC)
    made = list(read("cloudevents", [folder], Options(since=since)))
    kept = {each.stream for each in made if isinstance(each, Line)}
    assert kept == {"case:2", "case:3", "customer:k1"}
    assert [each for each in made if isinstance(each, LeftOut)] == [
        LeftOut("a case in which nothing happened since then", "1 case", "", False)
    ]
    assert append_lines(store, made).imported.refused == ()


def test_an_event_from_the_future_is_left_out(tmp_path: Path) -> None:
    story = [
        opened(1, "case:1"),
        event(2, "NoteAdded", text="x") | {"time": "2099-01-01T00:00:00Z"},
    ]
    made = list(read("cloudevents", [write(tmp_path / "export", a=story)], Options()))
    assert [each.type for each in made if isinstance(each, Line)] == ["CaseOpened"]
    assert [each.reason for each in made if isinstance(each, LeftOut)] == [
        "its time is ahead of this computer's clock"
    ]


def test_what_the_store_has_otherwise_stays_where_the_reader_says_so(store: CaseStore) -> None:
    def opening(subject: str, keep_first: bool) -> Line:
        at = datetime(2026, 3, 1, tzinfo=UTC)
        fields = {"customer_id": "k1", "channel": "email", "subject": subject}
        return line(
            "case:1",
            "CaseOpened",
            at,
            ANNA,
            fields,
            key="k",
            source="s",
            where="file, row 1",
            keep_first=keep_first,
        )

    def note(key: str) -> Line:
        at = datetime(2026, 3, 2, tzinfo=UTC)
        return line("case:1", "NoteAdded", at, ANNA, {"text": "x"}, key=key, source="s")

    assert append_lines(store, [opening("Kettle", True)]).imported.appended == 1
    kept = append_lines(
        store, [opening("Teapot", True), note("n1"), opening("Pot", True), note("n2")]
    )
    assert (kept.imported.appended, kept.imported.repeated, kept.kept_count) == (2, 2, 2)
    assert kept.kept[0].startswith("file, row 1: case:1")
    refused = append_lines(store, [opening("Teapot", False), note("n3")])
    assert refused.imported.appended == 0
    assert refused.imported.refused[0].message.startswith("file, row 1: case:1")


def test_a_long_key_becomes_its_hash() -> None:
    assert key_of("zendesk", "acme", 1, "ReplySent") == "zendesk:acme:1:ReplySent"
    assert len(key_of("csv", "x" * 300)) == 64


def test_a_service_reads_one_body() -> None:
    (made,) = cloudevents.events(json.dumps(STORY[0]).encode())
    assert isinstance(made, Line)
    assert (made.stream, made.type, made.key) == ("case:1", "CaseOpened", "ce:desk:1")
    assert made.fields["occurred_at"] == "2026-03-01T09:00:00Z"


def test_the_names_of_the_package_are_there() -> None:
    for name in casestore.intake.__all__:
        assert getattr(casestore.intake, name) is not None
