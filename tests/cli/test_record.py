"""`casestore record`: what is typed becomes the event that its declaration asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from tests.support.command_line import Casestore

ANNA = {"kind": "agent", "id": "anna", "role": "agent", "team": "care"}


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    url = f"sqlite:///{tmp_path}/store.db"
    CaseStore.create(url).close()
    made = Casestore(url, CASESTORE_ACTOR="agent:anna:agent:care")
    made("record", "case:1", "CaseOpened", "customer_id=k1", "channel=email").fine()
    return made


def recorded(casestore: Casestore, stream: str = "case:1") -> dict[str, Any]:
    """The data of the last event of a stream."""
    lines = casestore("export", "--stream", stream, "--reveal").fine().out.splitlines()
    data: dict[str, Any] = json.loads(lines[-1])["data"]
    return data


def test_the_receipt(casestore: Casestore) -> None:
    note = ("record", "case:1", "NoteAdded", "text=Rang back.", "--key", "k")
    told = casestore(*note).fine().out
    assert told.startswith("case:1 version 2, position 3, event ")
    receipt = casestore(*note, "--format", "json").fine().json
    assert told == "{stream} version {version}, position {position}, event {event_id}\n".format(
        **receipt
    )
    assert casestore(*note, "--quiet").fine().out == ""


def test_a_retry_with_the_same_key_appends_nothing(casestore: Casestore) -> None:
    for text in ("Rang back.", "Rang back."):
        casestore("record", "case:1", "NoteAdded", f"text={text}", "--key", "k").fine()
    other = casestore("record", "case:1", "NoteAdded", "text=Wrote.", "--key", "k")
    assert "use a new key" in other.failed(1)
    assert len(casestore("export", "--stream", "case:1").fine().out.splitlines()) == 2


def test_fields_take_the_type_that_is_declared(casestore: Casestore) -> None:
    def record(*args: str) -> dict[str, Any]:
        casestore("record", "case:1", *args).fine()
        data = recorded(casestore)
        assert data.pop("actor") == ANNA
        assert data.pop("occurred_at").endswith("Z")
        return data

    loss = ("loss.amount=25.00", "loss.currency=EUR")
    assert record("IssueRaised", "issue_id=007", "summary=true", *loss) == {
        "issue_id": "007",
        "summary": "true",
        "loss": {"amount": "25.00", "currency": "EUR"},
    }
    asks = '[{"ask_id":"a1","kind":"question"},{"ask_id":"a2","kind":"action"}]'
    fields = ("message_id=m1", "channel=phone", "issue_ids=007", f"asks={asks}", "provides=")
    assert record("MessageReceived", *fields) == {
        "message_id": "m1",
        "channel": "phone",
        "issue_ids": ["007"],
        "asks": [{"ask_id": "a1", "kind": "question"}, {"ask_id": "a2", "kind": "action"}],
        "provides": [],
    }
    fields = ("reply_id=[r1]", "channel=email", "answers=a1,a2", "automated=true", "text=a=b")
    assert record("ReplySent", *fields) == {
        "reply_id": "[r1]",
        "channel": "email",
        "answers": ["a1", "a2"],
        "automated": True,
        "text": "a=b",
    }
    record("PromiseMade", "promise_id=p1", "kind=other")
    assert record("PromiseKept", "promise_id=p1", "by.kind=reply", "by.id=[r1]") == {
        "promise_id": "p1",
        "by": {"kind": "reply", "id": "[r1]"},
    }
    options = '[{"option_id":"o1","kind":"refund","value":{"amount":"5","currency":"EUR"}}]'
    assert record("OptionsOffered", "offer_id=x1", f"options={options}")["options"][0] == {
        "option_id": "o1",
        "kind": "refund",
        "value": {"amount": "5", "currency": "EUR"},
    }


def test_a_correction_can_be_typed(casestore: Casestore) -> None:
    made = ("PromiseMade", "promise_id=p1", "kind=refund")
    receipt = casestore("record", "case:1", *made, "--format", "json").fine().json
    correction = (
        f"event_id={receipt['event_id']} kind=amended reason=mistyped "
        "authorised_by.kind=agent authorised_by.id=boss "
        'changes={"kind":{"from":"refund","to":"credit"}}'
    )
    casestore("record", "case:1", "EventCorrected", *correction.split()).fine()
    shown = casestore("case", "show", "1", "--format", "json").fine().json
    assert shown["promises"][0]["kind"] == "credit"


def test_json_is_read_and_fields_go_before_it(casestore: Casestore) -> None:
    given = {"reply_id": "r1", "channel": "email", "occurred_at": "2026-03-02T10:00:00+01:00"}
    args = ("record", "case:1", "ReplySent", "--json")
    casestore(*args, "-", "channel=letter", stdin=json.dumps(given)).fine()
    data = recorded(casestore)
    assert (data["channel"], data["occurred_at"]) == ("letter", "2026-03-02T09:00:00Z")
    assert data["actor"] == ANNA
    other = {"reply_id": "r2", "channel": "email", "actor": {"kind": "system", "id": "mailer"}}
    casestore(*args, json.dumps(other)).fine()
    assert recorded(casestore)["actor"] == {"kind": "system", "id": "mailer"}


def test_the_envelope(casestore: Casestore) -> None:
    said = ("--source", "crm", "--correlation-id", "call-7", "--causation-id", "msg-1")
    casestore("record", "case:1", "NoteAdded", *said, "--expected-version", "1").fine()
    line = json.loads(casestore("export", "--stream", "case:1").fine().out.splitlines()[-1])
    assert (line["source"], line["correlation_id"], line["causation_id"]) == (
        "crm",
        "call-7",
        "msg-1",
    )
    stale = casestore("record", "case:1", "NoteAdded", "--expected-version", "1")
    assert "is at version 2, not 1" in stale.failed(1)


def test_who_did_it(casestore: Casestore) -> None:
    casestore("record", "case:1", "NoteAdded", "--actor", "customer:k1").fine()
    assert recorded(casestore)["actor"] == {"kind": "customer", "id": "k1"}
    casestore("record", "case:1", "NoteAdded", "actor.kind=system", "actor.id=desk").fine()
    assert recorded(casestore)["actor"] == {"kind": "system", "id": "desk"}
    casestore("record", "case:1", "NoteAdded", "--actor", "agent:anna::north").fine()
    assert recorded(casestore)["actor"] == {"kind": "agent", "id": "anna", "team": "north"}
    nobody = Casestore(casestore.env["CASESTORE_URL"])
    assert "set CASESTORE_ACTOR" in nobody("record", "case:1", "NoteAdded").failed(2)
    for wrong in ("anna", "agent:", "agent::x"):
        assert "KIND:ID" in nobody("record", "case:1", "NoteAdded", "--actor", wrong).failed(2)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("case:1", "NoteAded"), 2, "did you mean 'NoteAdded'?"),
        (("case:1", "Zzz"), 2, "`casestore events` lists them"),
        (("case:1", "NoteAdded", "text"), 2, "write it like kind=callback"),
        (("case:1", "ReplySent", "automated=yes"), 2, "write true or false"),
        (("case:1", "MessageReceived", "asks=[1,"), 2, "asks is not JSON"),
        (
            ("case:1", "GestureGiven", "value=5 EUR"),
            2,
            "write value.amount=25.00 value.cur",
        ),
        (("case:1", "NoteAdded", "--json", "[]"), 2, "--json is not a JSON object"),
        (("case:1", "NoteAdded", "text.x=1"), 2, "has no field 'x' inside"),
        (("case:1", "MessageReceived", "asks.ask_id=a1"), 2, "has no field 'ask_id' inside"),
        (("case:1", "GestureGiven", "value=5"), 2, "write value.amount=25.00 value.cur"),
        (("desk:1", "NoteAdded"), 2, "write case:<case_id>"),
        (("case:1", "NoteAdded", "txt=x"), 2, "NoteAdded has no field 'txt'; did you mean 'text'?"),
        (("case:1", "NoteAdded", "zzzz=x"), 2, "its fields are occurred_at, actor, text"),
        (("case:1", "GestureGiven", "value.amout=5"), 2, "did you mean 'amount'?"),
        (("case:1", "ReplySent", "reply_id=r1"), 2, "`casestore events ReplySent` lists"),
        (("case:1", "NoteAdded", "occurred_at=2026-03-02T10:00"), 2, "add one, like Z"),
        (("case:1", "PromiseKept", "promise_id=p9"), 1, "record it first"),
        (("customer:k1", "NoteAdded"), 1, "append it to case:<id>"),
    ],
)
def test_what_is_wrong_is_said(
    casestore: Casestore, args: tuple[str, ...], code: int, says: str
) -> None:
    assert says in casestore("record", *args).failed(code)


def test_who_is_asked_for_with_an_example_of_a_person(casestore: Casestore) -> None:
    told = casestore(
        *("record", "case:c1", "EventCorrected", "authorised_by=boss", "--actor", "agent:anna")
    ).failed(2)
    assert "authorised_by.kind=agent authorised_by.id=anna" in told
