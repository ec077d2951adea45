"""Stored bytes: every type ever shipped must read for ever."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from casestore import (
    CaseOpened,
    CaseStore,
    Event,
    InvalidEvent,
    MessageReceived,
    PromiseMade,
    StoreDamaged,
)
from casestore.events import (
    VOCABULARY,
    Actor,
    CaseMerged,
    CustomerMerged,
    ErasureRequested,
    GestureGiven,
    PersonalDataErased,
)
from casestore.events.base import Code, Id, New, PersonalText, Upcast, event
from casestore.events.markers import personal_fields
from casestore.journal.application import Journal
from casestore.streams.codec import Codec, topic
from tests.support.samples import changed, full, least

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "stored_events.ndjson"
CODEC = Codec()


def stored(given: Event) -> dict[str, Any]:
    """An event as the store writes it, in a form that a person can read in a diff."""
    name, state = CODEC.encode(given)
    return {"topic": name, "state": state.decode(), "personal": CODEC.personal(given)}


def golden() -> list[dict[str, Any]]:
    return [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]


def test_the_golden_file_holds_every_type() -> None:
    """New types and versions are added to it (CASESTORE_GOLDEN=1); its lines never change."""
    samples = [stored(sample) for cls in VOCABULARY for sample in (least(cls), full(cls))]
    if os.environ.get("CASESTORE_GOLDEN"):
        kept = golden() if GOLDEN.exists() else []
        new = [sample for sample in samples if sample not in kept]
        lines = [json.dumps(each, ensure_ascii=False) for each in (*kept, *new)]
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("\n".join(lines) + "\n", "utf-8")
    held = golden()
    for sample in samples:
        assert sample in held


@pytest.mark.parametrize("line", golden() if GOLDEN.exists() else [], ids=lambda d: d["topic"])
def test_stored_bytes_read_and_write_the_same(line: dict[str, Any]) -> None:
    read = CODEC.reveal(line["topic"], line["state"].encode(), line["personal"])
    assert stored(read) == line
    assert read == CODEC.validate_json(type(read).__name__, msgspec.json.encode(_data(line)))


def _data(line: dict[str, Any]) -> dict[str, Any]:
    return {**json.loads(line["state"]), **line["personal"]}


@pytest.mark.parametrize("cls", VOCABULARY, ids=lambda c: c.__name__)
def test_reading_an_event_costs_nothing_for_what_it_leaves_out(cls: type[Event]) -> None:
    """A field with a default has no slot: the check of empty slots would slow down decoding."""
    name, state = CODEC.encode(least(cls))
    read = CODEC.decode(name, state)
    assert set(vars(read)) <= set(json.loads(state))
    assert read == least(cls)


@pytest.mark.parametrize("cls", VOCABULARY, ids=lambda c: c.__name__)
def test_an_event_can_be_pickled_and_copied(cls: type[Event]) -> None:
    for made in (least(cls), full(cls), CODEC.decode(*CODEC.encode(full(cls)))):
        assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made


@pytest.mark.parametrize("cls", VOCABULARY, ids=lambda c: c.__name__)
def test_personal_text_is_not_in_the_state(cls: type[Event]) -> None:
    given = full(cls)
    name, state = CODEC.encode(given)
    held = CODEC.personal(given)
    assert set(held) == set(personal_fields(cls))
    assert not any(text.encode() in state for text in held.values())
    withheld = CODEC.decode(name, state)
    assert withheld == changed(given, **dict.fromkeys(held))


def test_an_empty_list_is_kept_and_none_is_left_out() -> None:
    given = changed(least(MessageReceived), asks=())
    _, state = CODEC.encode(given)
    data = json.loads(state)
    assert data["asks"] == []
    assert "provides" not in data


def test_topics_do_not_depend_on_modules() -> None:
    for cls in VOCABULARY:
        name, _ = CODEC.encode(least(cls))
        assert name == cls.__name__
        assert "." not in name


def test_what_queries_ask_for_by_its_topic_has_one_schema() -> None:
    """If one of these events gets a second schema, every query for its topic has to ask for `@2`
    too: see the SQL in `casestore.journal`, with its index of merges, and MERGES in
    `casestore.journal.questions`."""
    for cls in (CaseMerged, CustomerMerged, ErasureRequested, GestureGiven, PersonalDataErased):
        assert cls.SCHEMA == 1, cls


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "other", **data}


def _from_2(data: dict[str, Any]) -> dict[str, Any]:
    said = data.pop("said", None)
    return data if said is None else {**data, "words": said}


@event
class ComplimentPaid(Event):
    """Made up: the third version of an event."""

    SCHEMA: ClassVar[int] = 3
    UPCASTS: ClassVar[dict[int, Upcast]] = {1: _from_1, 2: _from_2}

    compliment_id: Annotated[Id, New("compliment")]
    kind: Code
    words: PersonalText = None


AT = b'"occurred_at":"2026-03-02T09:00:00Z","actor":{"kind":"customer","id":"c1"}'
NOW = ComplimentPaid(
    occurred_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    actor=Actor(kind="customer", id="c1"),
    compliment_id="x",
    kind="other",
    words="well done",
)


@pytest.mark.parametrize(
    ("name", "state", "personal"),
    [
        ("ComplimentPaid", b'{%s,"compliment_id":"x"}' % AT, {"said": "well done"}),
        (
            "ComplimentPaid@2",
            b'{%s,"compliment_id":"x","kind":"other"}' % AT,
            {"said": "well done"},
        ),
        (
            "ComplimentPaid@3",
            b'{%s,"compliment_id":"x","kind":"other"}' % AT,
            {"words": "well done"},
        ),
    ],
)
def test_older_versions_are_upcast(name: str, state: bytes, personal: dict[str, str]) -> None:
    codec = Codec([ComplimentPaid])
    assert topic(ComplimentPaid) == "ComplimentPaid@3"
    assert codec.reveal(name, state, personal) == NOW
    assert codec.decode(name, state) == changed(NOW, words=None)


def test_an_event_stored_before_an_upgrade_reads_after_it(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written as PromiseMade, read by a casestore whose PromiseMade is at its second version."""
    with CaseStore.create(store_url) as store:
        store.append("case:1", least(CaseOpened))
        promised = changed(full(PromiseMade), ask_id=None, reply_id=None)
        store.append("case:1", promised, key="k")

    def rename(data: dict[str, Any]) -> dict[str, Any]:
        data["pledge_id"] = data.pop("promise_id")
        return data

    @event
    class Later(Event):
        SCHEMA: ClassVar[int] = 2
        UPCASTS: ClassVar[dict[int, Upcast]] = {1: rename}

        pledge_id: Id
        kind: str
        due_at: datetime | None = None
        capability: str | None = None
        words: PersonalText = None

    Later.__name__ = "PromiseMade"
    others = [cls for cls in VOCABULARY if cls is not PromiseMade]
    monkeypatch.setattr(Journal, "_codec", Codec([*others, Later]))
    with CaseStore.open(store_url) as store:
        *_, last = store.read(reveal=True)
        assert isinstance(last.event, Later)
        assert (last.event.pledge_id, last.event.words) == (promised.promise_id, promised.words)


def test_what_a_newer_casestore_wrote_is_not_guessed_at() -> None:
    for name in ("PromiseMade@2", "SomethingElse"):
        with pytest.raises(StoreDamaged, match="newer one, or altered"):
            CODEC.decode(name, b"{}")
    with pytest.raises(StoreDamaged, match="does not fit"):
        CODEC.decode("PromiseMade", b'{"promise_id":7}')


def test_a_class_that_is_no_event_of_the_vocabulary_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="ComplimentPaid is not an event"):
        CODEC.encode(NOW)


def test_the_vocabulary_can_be_imported_in_any_order() -> None:
    """No theme needs another: each module stands alone in a fresh interpreter."""
    for name in ("amends", "contact", "course", "customers", "judgement", "policy", "promises"):
        code = f"import casestore.events.{name}"
        subprocess.run([sys.executable, "-c", code], check=True)
