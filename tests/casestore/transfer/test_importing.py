"""An import of several commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.transfer.ndjson import export_lines, import_lines
from tests.support import stories

COMMIT = 1000


@pytest.fixture
def store(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaseStore]:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(store_url) as store:
        yield store


def line(number: int, stream: str | None = None) -> bytes:
    """A line; the first line of every three opens a case of a customer of its own."""
    case, step = divmod(number, 3)
    data = {"occurred_at": "2026-01-05T09:00:00Z", "actor": {"kind": "agent", "id": "anna"}}
    if step == 0:
        kind = "CaseOpened"
        data |= {"customer_id": f"C-{case}", "channel": "email", "subject": f"thing {number}"}
    else:
        kind = "NoteAdded"
        data |= {"text": f"note {number}"}
    made = {"stream": stream or f"case:{case}", "type": kind, "data": data, "key": f"k{number}"}
    return json.dumps(made).encode()


def refused(number: int) -> bytes:
    return line(3 * number + 1, f"case:nobody-{number}")


def keys(store: CaseStore) -> list[str]:
    """Of the imported events, in the order of their positions."""
    found = [recorded.metadata.key or "" for recorded in store.read()]
    return [key for key in found if key.startswith("k")]


def test_all_lines_are_there_in_order_with_the_words_they_had(store: CaseStore) -> None:
    # when: more rows than lines, in several commits
    lines = [line(number) for number in range(2 * COMMIT + 500)]
    imported = import_lines(store, lines)
    # then
    assert (imported.appended, imported.repeated, imported.refused) == (len(lines), 0, ())
    assert keys(store) == [f"k{number}" for number in range(len(lines))]
    positions = [recorded.position for recorded in store.read()]
    assert positions == list(range(1, len(lines) + imported.registered + 1))
    texts = [json.loads(each)["data"].get("text") for each in export_lines(store, reveal=True)]
    assert [text for text in texts if text] == [
        f"note {number}" for number in range(len(lines)) if number % 3
    ]
    # and: a second time nothing is appended
    assert import_lines(store, lines).repeated == len(lines)


def test_what_is_told_as_written_is_there(store: CaseStore) -> None:
    def written(done: int) -> None:
        assert keys(store) == [f"k{number}" for number in range(done)]

    import_lines(store, (line(number) for number in range(2 * COMMIT + 1)), progress=written)


def test_a_file_that_cannot_be_read_on_keeps_what_was_written_and_tells_it(
    store: CaseStore,
) -> None:
    def lines() -> Iterator[bytes]:
        yield from (line(number) for number in range(COMMIT + 10))
        raise OSError("the disk is gone")

    told: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        import_lines(store, lines(), progress=told.append)
    assert told == [COMMIT]
    assert len(keys(store)) == COMMIT


@pytest.mark.parametrize("later", [b"no line", refused(2)])
def test_a_refused_line_stops_before_a_later_one(store: CaseStore, later: bytes) -> None:
    lines = [line(number) for number in range(2 * COMMIT)]
    lines[700], lines[COMMIT + 3] = refused(1), later
    imported = import_lines(store, lines)
    assert [refusal.line for refusal in imported.refused] == [701]
    assert "nobody-1" in imported.refused[0].message
    assert (imported.lines, imported.appended, len(keys(store))) == (701, 700, 700)


def test_skipped_lines_of_all_commits_are_told_in_order(store: CaseStore) -> None:
    lines = [line(number) for number in range(2 * COMMIT)]
    lines[5], lines[700], lines[COMMIT + 3] = b"no line", refused(1), b"none either"
    imported = import_lines(store, lines, on_error="skip")
    assert [refusal.line for refusal in imported.refused] == [6, 701, COMMIT + 4]
    assert imported.appended == 2 * COMMIT - 3 == len(keys(store))


def test_an_interrupted_import_goes_on_when_it_is_run_again(store: CaseStore) -> None:
    def lines() -> Iterator[bytes]:
        yield from (line(number) for number in range(COMMIT + 10))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_lines(store, lines())
    # then: what was being written is whole, and the store can be written at once
    assert len(keys(store)) == COMMIT
    again = import_lines(store, [line(number) for number in range(COMMIT + 10)])
    assert (again.appended, again.repeated) == (10, COMMIT)


def test_whoever_makes_the_lines_may_append_to_the_store(store: CaseStore) -> None:
    def lines() -> Iterator[bytes]:
        for number in range(COMMIT + 500):
            if number == COMMIT + 100:
                store.append("case:aside", stories.opened(), key="aside")
            yield line(number)

    assert import_lines(store, lines()).appended == COMMIT + 500
    assert store.case("aside").status == "open"
