"""What a caller gives is refused with a reason, or can be stored, read and exported for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from casestore import (
    Actor,
    Append,
    CaseOpened,
    CaseStore,
    CaseStoreError,
    Cursor,
    Event,
    EventRefused,
    HistoryChanged,
    InvalidEvent,
    InvalidStream,
    NoteAdded,
    StoreDamaged,
    StoreUnavailable,
    StreamNotFound,
)
from casestore.append import form
from casestore.append.form import LARGEST_APPEND, LARGEST_EVENT
from casestore.doctor.examine import examine
from casestore.journal.sqlite import SQLiteJournal
from casestore.transfer.ndjson import MAX_LINE, export_lines, import_lines
from casestore.transfer.undo import undo
from casestore.transfer.undo_plan import plan_undo
from tests.support.alter import alter
from tests.support.notes import ANNA, T, note, opened
from tests.support.stories import amended, issue

CASE = "case:1"
Call = Callable[[Any], object]
"""Of a store, so that mypy lets the arguments be wrong."""


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        made.append(CASE, opened(subject=None))
        yield made


# --- texts and numbers about an append

TEXTS: dict[str, Any] = {
    "a number": 5,
    "bytes": b"crm",
    "a list": ["a"],
    "empty": "",
    "too long": "x" * 201,
    "of 5 MB": "x" * 5_000_000,
    "with ESC": "\x1b[31m",
    "with NUL": "a\0",
    "with a line end": "a\n",
    "with a lone surrogate": "\ud800",
}


@pytest.mark.parametrize("field", ["key", "source", "correlation_id", "causation_id"])
@pytest.mark.parametrize("given", TEXTS.values(), ids=TEXTS)
def test_texts_about_an_append_are_checked(store: CaseStore, field: str, given: Any) -> None:
    with pytest.raises(EventRefused, match=f"{field} must be text of 1 to 200") as refused:
        store.append(CASE, note(), **{field: given})
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()
    (outcome,) = store.write([Append(batches=[(CASE, [note()])], **{field: given})])
    assert isinstance(outcome, EventRefused)
    assert len(list(export_lines(store))) == 2


def test_texts_of_an_enumeration_and_of_any_script_are_taken(store: CaseStore) -> None:
    class Source(StrEnum):
        MAIL = "mail"

    store.append(CASE, note(), key="ключ é漢", source=Source.MAIL, correlation_id="x" * 200)
    *_, last = store.read()
    assert last.metadata.source == "mail"
    assert store.append(CASE, note(), key="ключ é漢").versions == (2,)


WRONG: dict[str, tuple[Call, type[CaseStoreError]]] = {
    "a stream that is a number": (lambda s: s.append(5, note()), InvalidStream),
    "a stream that is a list": (lambda s: s.append([CASE], note()), InvalidStream),
    "a stream of a lone surrogate": (lambda s: s.append("case:\ud800", note()), InvalidStream),
    "no stream": (lambda s: s.append(None, note()), InvalidStream),
    "a number for an event": (lambda s: s.append(CASE, 5), InvalidEvent),
    "nothing for an event": (lambda s: s.append(CASE, None), InvalidEvent),
    "a text for an event": (lambda s: s.append(CASE, "note"), InvalidEvent),
    "a mapping for an event": (lambda s: s.append(CASE, {"a": 1}), InvalidEvent),
    "a class for an event": (lambda s: s.append(CASE, NoteAdded), InvalidEvent),
    "an event of no type": (
        lambda s: s.append(CASE, Event(occurred_at=T, actor=ANNA)),
        EventRefused,
    ),
    "no events": (lambda s: s.append(CASE), EventRefused),
    "an empty list": (lambda s: s.append(CASE, []), EventRefused),
    "no batches": (lambda s: s.append_all([]), EventRefused),
    "a number for batches": (lambda s: s.append_all(5), InvalidEvent),
    "a batch that is none": (lambda s: s.append_all([CASE]), InvalidEvent),
    "a batch of an event": (lambda s: s.append_all([(CASE, note())]), InvalidEvent),
    "a batch of three": (lambda s: s.append_all([(CASE, [note()], 1)]), InvalidEvent),
    "a version that is text": (
        lambda s: s.append(CASE, note(), expected_version="1"),
        EventRefused,
    ),
    "a version that is true": (
        lambda s: s.append(CASE, note(), expected_version=True),
        EventRefused,
    ),
    "a negative version": (lambda s: s.append(CASE, note(), expected_version=-1), EventRefused),
    "a huge version": (lambda s: s.append(CASE, note(), expected_version=10**5000), EventRefused),
    "no appends": (lambda s: s.write(5), InvalidEvent),
    "appends that are none": (lambda s: s.write([CASE]), InvalidEvent),
    "a case that is a number": (lambda s: s.case(5), InvalidStream),
    "a case that is nothing": (lambda s: s.customer(None), InvalidStream),
    "a case of a lone surrogate": (lambda s: s.case("\ud800"), InvalidStream),
    "a history of a number": (lambda s: s.history(5), InvalidStream),
    "a history of a list": (lambda s: s.history([]), InvalidStream),
    "a kind that is none": (lambda s: list(s.streams("cases")), InvalidStream),
    "a kind that is a number": (lambda s: list(s.streams(5)), InvalidStream),
    "a place beyond all": (lambda s: list(s.read(2**63)), HistoryChanged),
    "a place far beyond": (lambda s: list(s.read(10**5000)), HistoryChanged),
    "a mark of a place beyond all": (
        lambda s: list(s.read(Cursor(2**64, str(UUID(int=1)), 1))),
        HistoryChanged,
    ),
    "a version of a case that is not": (
        lambda s: s.history("case:2", at_version=9),
        StreamNotFound,
    ),
}


@pytest.mark.parametrize(("call", "error"), WRONG.values(), ids=WRONG)
def test_what_is_of_a_wrong_type_is_refused_in_words(
    store: CaseStore, call: Call, error: type[CaseStoreError]
) -> None:
    with pytest.raises(error) as refused:
        call(store)
    assert 10 < len(str(refused.value)) < 400
    assert len(list(store.read())) == 2


wrong_cursor: Any = Cursor("1", "", 1)  # type: ignore[arg-type]
parse: Any = Cursor.parse
VALUES: dict[str, Call] = {
    "a position that is text": lambda s: list(s.read("1")),
    "an end that is text": lambda s: list(s.read(until="1")),
    "a follower's position": lambda s: next(s.follow(None)),
    "a follower's poison": lambda s: next(s.follow(on_poison="x")),
    "a cursor in part": lambda s: list(s.read(wrong_cursor)),
    "a cursor's text": lambda _: parse(5),
    "a time that is text": lambda s: s.case("1", as_of="2026"),
    "a date for a time": lambda s: s.history(CASE, known_at=date(2026, 1, 1)),
    "a time without its zone": lambda s: s.case("1", as_of=datetime(2026, 1, 1)),  # noqa: DTZ001
    "a time beyond the calendar": lambda s: s.case(
        "1", known_at=datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))
    ),
    "a version that is text": lambda s: s.history(CASE, at_version="1"),
}


@pytest.mark.parametrize("call", VALUES.values(), ids=VALUES)
def test_a_wrong_value_given_to_a_reader_raises_value_error(store: CaseStore, call: Call) -> None:
    with pytest.raises(ValueError, match=r"."):
        call(store)


def test_a_number_beyond_the_databases_range_means_its_largest_or_least(store: CaseStore) -> None:
    assert len(list(store.read(until=2**63))) == 2
    assert len(list(store.read(-(2**70)))) == 2
    assert len(store.history(CASE, at_version=2**63)) == 1
    assert len(store.history(CASE, at_version=-(2**70))) == 0
    assert store.case("1", as_of=datetime.max.replace(tzinfo=UTC)).status == "open"


@pytest.mark.parametrize("given", ["x", "\ud800", "\0", 5, None, UUID(int=9)], ids=ascii)
def test_an_event_that_is_not_there_is_in_no_stream(store: CaseStore, given: Any) -> None:
    assert store.stream_of(given) is None


wrong_batches: Any = 5
WRONG_APPENDS: dict[str, dict[str, Any]] = {
    "ids of a wrong form": {"event_ids": ["x"]},
    "too many ids": {"event_ids": [str(UUID(int=n)) for n in range(2)]},
    "ids that are none": {"event_ids": 5},
    "ids that are no text": {"event_ids": [UUID(int=1)]},
    "a number of events": {"key": "k", "count": "2"},
    "no events": {"key": "k", "count": 0},
    "a time of recording": {"recorded_us": "x"},
}


@pytest.mark.parametrize("wrong", WRONG_APPENDS.values(), ids=WRONG_APPENDS)
def test_one_wrong_append_does_not_refuse_the_others(
    store: CaseStore, wrong: dict[str, Any]
) -> None:
    bad = Append(batches=[(CASE, [note()])], **wrong)
    good = Append(batches=[(CASE, [note()])])
    outcomes = store.write([bad, good])
    assert (type(outcomes[0]), outcomes[1]) == (EventRefused, True)
    assert isinstance(store.write([Append(batches=wrong_batches)])[0], InvalidEvent)


# --- texts and ids

STRANGE = {
    "bidi": "a\u202eb",
    "isolate": "a\u2066b",
    "zero-width": "a\u200bb",
    "joiner": "a\u200db",
    "byte order mark": "a\ufeff",
    "tag": "a\U000e0041",
    "not NFC": "e\u0301",
}


def strange_events(strange: str) -> dict[str, tuple[str, Event]]:
    return {
        "the stream's id": (f"case:{strange}", opened(subject=None)),
        "the customer's id": ("case:2", opened(customer=strange, subject=None)),
        "an id that it brings": (CASE, issue(strange)),
        "a code": (CASE, CaseOpened(**WITHOUT, product=strange)),
        "the actor": (CASE, NoteAdded(occurred_at=T, actor=Actor(kind="agent", id=strange))),
    }


WITHOUT: Any = {"occurred_at": T, "actor": ANNA, "customer_id": "c1", "channel": "email"}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_ids_that_cannot_be_told_apart_are_refused(store: CaseStore, strange: str) -> None:
    for stream, event in strange_events(strange).values():
        at = "case:3" if isinstance(event, CaseOpened) and stream == CASE else stream
        with pytest.raises(EventRefused, match="cannot see or tell apart") as refused:
            store.append(at, event)
        assert str(refused.value).isascii()
    assert len(list(store.read())) == 2


def test_a_correction_to_an_id_that_cannot_be_told_apart_is_refused(store: CaseStore) -> None:
    (first,) = store.history(CASE).originals
    for to, taken in (("a\u202e", False), ("Käse", True)):
        correction = amended(1, "+1h", product=(None, to))
        event = replace(correction, event_id=first.event_id)
        if taken:
            store.append(CASE, event)
        else:
            with pytest.raises(EventRefused, match="cannot see or tell apart"):
                store.append(CASE, event)


def test_stored_streams_with_such_ids_can_still_be_used_and_moved(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    strange = "e\u0301\u202e"
    with monkeypatch.context() as as_before:
        as_before.setattr(form, "is_plain", lambda _: True)
        store.append(f"case:{strange}", opened(customer=strange, subject=None), issue(strange))
    store.append(f"case:{strange}", note())
    store.append("case:9", opened(customer=strange, subject=None))
    assert store.case(strange).customer_id == strange
    lines = list(export_lines(store, reveal=True))
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        (refusal,) = import_lines(copy, lines).refused
        assert "cannot see or tell apart" in refusal.message
    with CaseStore.create(f"sqlite:///{tmp_path}/moved.db") as moved:
        assert import_lines(moved, lines, trust_recorded_at=True).refused == ()
        assert moved.case(strange).customer_id == strange


@pytest.mark.parametrize("field", ["key", "source", "correlation_id", "causation_id"])
@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_texts_about_an_append_that_cannot_be_told_apart_are_refused(
    store: CaseStore, field: str, strange: str
) -> None:
    """A key that looks like another one would record twice what was to be recorded once."""
    said: dict[str, Any] = {field: strange * 30}
    with pytest.raises(EventRefused, match=f"{field} has characters that people cannot") as refused:
        store.append(CASE, note(), **said)
    assert str(refused.value).isascii()
    assert len(str(refused.value)) < 500
    good = Append(batches=[(CASE, [note()])])
    outcomes = store.write([Append(batches=[(CASE, [note()])], **said), good])
    assert (type(outcomes[0]), outcomes[1]) == (EventRefused, True)


def test_stored_texts_that_cannot_be_told_apart_stay_and_can_be_moved(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    strange: dict[str, Any] = {
        name: f"e\u0301\u202e {name}"
        for name in ("key", "source", "correlation_id", "causation_id")
    }
    with monkeypatch.context() as as_before:
        as_before.setattr(form, "is_plain", lambda _: True)
        receipt = store.append(CASE, note(), **strange)
    assert store.append(CASE, note(), **strange) == receipt  # sent again: it is on record
    *_, last = store.read()
    kept = {name: getattr(last.metadata, name) for name in strange}
    assert kept == strange
    lines = list(export_lines(store, reveal=True))
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert import_lines(copy, lines).refused == ()
        *_, moved = copy.read()
        assert {name: getattr(moved.metadata, name) for name in strange} == kept
        found = plan_undo(copy, strange["source"])
        undo(copy, found, reason="other", actor=ANNA, authorised_by=ANNA)
        *_, undone = copy.read()
        assert undone.metadata.correlation_id == f"undo {strange['source']!a}"
    assert not [found for found in examine(store) if found.level == "error"]


def test_any_text_is_kept_that_utf_8_can_hold(store: CaseStore) -> None:
    text = "\0 \x1b[31m \u202e e\u0301 \U000e0041 \ufffe \x7f"
    store.append(CASE, note(text))
    assert store.history(CASE, reveal=True).effective[-1].words == {"text": text}
    with pytest.raises(ValueError, match="text") as refused:
        note("canary \ud800")
    assert "canary" not in str(refused.value)
    hidden = note("x")
    object.__setattr__(hidden, "text", "canary \ud800")
    with pytest.raises(InvalidEvent, match="lone surrogate") as at_the_door:
        store.append(CASE, hidden)
    assert "canary" not in str(at_the_door.value)
    assert len(list(export_lines(store, reveal=True))) == 3


# --- metadata that is stored already

UNREADABLE = {"number": b'{"source":5}', "no JSON": b"{", "not UTF-8": b'{"key":"\xff"}'}


@pytest.mark.parametrize("stored", UNREADABLE.values(), ids=UNREADABLE)
def test_metadata_that_cannot_be_read_is_damage(store: CaseStore, stored: bytes) -> None:
    store.append(CASE, note(), key="k")
    value = f"X'{stored.hex()}'"
    if not isinstance(store._recorder, SQLiteJournal):
        value = f"decode('{stored.hex()}', 'hex')"
    alter(store, f"UPDATE {{t}} SET metadata = {value} WHERE originator_version = 2")
    *_, last = store.read()
    with pytest.raises(StoreDamaged, match="case:1 version 2: the stored metadata"):
        _ = last.metadata
    for read in (
        lambda: list(export_lines(store)),
        lambda: store.append(CASE, note(), key="k"),
    ):
        with pytest.raises(StoreDamaged, match="the stored metadata"):
            read()
    (found,) = [f for f in examine(store) if f.check == "events can be read"]
    assert "case:1" in found.where


# --- sizes


def test_an_event_has_at_most_four_mebibytes(store: CaseStore) -> None:
    state = len(store._codec.encode(note("x"))[1])
    overhead = len('{"text":""}') + 61  # of sealing
    fits = LARGEST_EVENT - state - overhead
    store.append(CASE, note("x" * fits))
    with pytest.raises(EventRefused, match=r"NoteAdded is refused: it has 4,194,305 bytes"):
        store.append(CASE, note("x" * (fits + 1)))
    with pytest.raises(EventRefused, match=r"may have 4,194,304 \(4 MiB\)"):
        store.append(CASE, note("\x01" * 1_000_000))  # six bytes each, in JSON


def test_an_append_has_at_most_sixteen_mebibytes(store: CaseStore) -> None:
    large = [note("x" * 4_000_000) for _ in range(5)]
    with pytest.raises(EventRefused, match=r"the append has 20,\d{3},\d{3} bytes, and one may"):
        store.append_all([(CASE, large)])
    assert len(list(store.read())) == 2
    store.append(CASE, *large[:4])
    assert LARGEST_APPEND == 16 * 1024 * 1024


def test_every_event_that_an_append_takes_can_be_exported_and_imported(
    store: CaseStore, tmp_path: Path
) -> None:
    texts = ("x" * 4_190_000, '"' * 2_090_000, "\x01" * 690_000, "ß" * 2_090_000)
    for n, text in enumerate(texts):
        store.append(CASE, note(text), key="\U0001f642" * 199 + str(n), source="\U0001f642" * 200)
    lines = list(export_lines(store, reveal=True))
    assert max(map(len, lines)) < MAX_LINE
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert import_lines(copy, lines).refused == ()
        assert list(export_lines(copy, reveal=True))[1].split(b'"recorded_at"')[0] in lines[1]


def test_a_stored_event_that_is_too_large_can_still_be_moved(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as as_before:
        as_before.setattr(form, "LARGEST_EVENT", 10**9)
        as_before.setattr(form, "LARGEST_APPEND", 10**9)
        store.append(CASE, note("x" * 9_000_000))
    lines = list(export_lines(store, reveal=True))
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        (refusal,) = import_lines(copy, lines, on_error="skip").refused
        assert "longer than 8 MiB" in refusal.message
        assert "--trust-recorded-at" in refusal.message
    with CaseStore.create(f"sqlite:///{tmp_path}/moved.db") as moved:
        assert import_lines(moved, lines, trust_recorded_at=True).refused == ()
        assert [r.event for r in moved.read(reveal=True)] == [
            r.event for r in store.read(reveal=True)
        ]


# --- a closed store

LINE = (
    b'{"stream":"case:1","type":"NoteAdded","data":{"occurred_at":"2026-03-02T17:00:00Z",'
    b'"actor":{"kind":"agent","id":"anna"}}}'
)
METHODS: dict[str, Call] = {
    "append": lambda s: s.append(CASE, note()),
    "append_all": lambda s: s.append_all([(CASE, [note()])]),
    "write": lambda s: s.write([Append(batches=[(CASE, [note()])])]),
    "case": lambda s: s.case("1"),
    "case as of": lambda s: s.case("1", as_of=T),
    "customer": lambda s: s.customer("c1"),
    "policies": lambda s: s.policies(),
    "history": lambda s: s.history(CASE),
    "read": lambda s: list(s.read()),
    "follow": lambda s: next(s.follow()),
    "stream_of": lambda s: s.stream_of(UUID(int=1)),
    "streams": lambda s: list(s.streams("case")),
    "policy streams": lambda s: list(s.streams("policy")),
    "journal": lambda s: s.journal,
    "export": lambda s: list(export_lines(s)),
    "import": lambda s: import_lines(s, [LINE]),
}


@pytest.mark.parametrize("call", METHODS.values(), ids=METHODS)
def test_a_closed_store_says_so(store: CaseStore, call: Call) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="the store was closed; open it again"):
        call(store)


def test_a_follower_ends_where_its_store_is_closed(store: CaseStore) -> None:
    following = store.follow()
    assert [next(following).version, next(following).version] == [1, 1]
    store.close()
    with pytest.raises(StoreUnavailable, match="the store was closed"):
        next(following)


def test_all_public_methods_were_asked() -> None:
    public = {name for name in vars(CaseStore) if not name.startswith("_")}
    opening = {"open", "create", "close", "now", "case_in"}
    assert public - opening <= METHODS.keys()
