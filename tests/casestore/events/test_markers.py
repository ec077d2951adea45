"""Every Personal field and every field that holds ids is found, as the document has them.

Written out by hand from the document: a marker that gets lost inside a union, say, would let
words into the open or a dangling reference into a history.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from casestore.events import VOCABULARY, Event
from casestore.events.markers import IdKey, amendable_fields, brings, links, needs, personal_fields
from tests.support.stories import (
    apologised,
    asked,
    assessed,
    assigned,
    attempted,
    bounced,
    chose,
    closed,
    consulted,
    content,
    customer_merged,
    decided,
    declined,
    delivered,
    erased,
    escalated,
    explained,
    found,
    gave,
    held,
    inquired,
    issue,
    kept,
    knew,
    let_go,
    merged,
    moved,
    not_content,
    noted,
    offered,
    opened,
    prefers,
    promised,
    rated,
    reclaimed,
    ref,
    released,
    remedied,
    replied,
    retracted,
    returned,
    said_no,
    stated,
    took_back,
    voided,
    wished,
    withdrew,
    wrote,
)

PERSONAL = {
    "CaseOpened": "subject",
    "IssueRaised": "summary",
    "MessageReceived": "text",
    "ReplySent": "to text",
    "DeliveryFailed": "diagnostic recipient",
    "DesiredOutcomeStated": "wanted",
    "OperationsReplied": "facts",
    "RequestRefused": "words",
    "PromiseMade": "words",
    "PromiseReleased": "words",
    "PromiseWithdrawn": "words",
    "RemedyReversed": "words",
    "SatisfactionRated": "words",
    "GestureGiven": "conditions note",
    "GestureDeclined": "words",
    "GestureReversed": "words",
    "CaseEscalated": "words",
    "ResolutionAccepted": "words",
    "ResolutionRejected": "words",
    "CaseReopened": "words",
    "NoteAdded": "text",
    "EventCorrected": "personal_changes",
    "CustomerRegistered": "name contact",
    "CustomerFactRecorded": "value",
    "PreferenceStated": "words",
    "PreferenceWithdrawn": "words",
}
BRINGS = {
    "IssueRaised": "issue_id",
    "MessageReceived": "message_id asks",
    "ReplySent": "reply_id",
    "InformationRequested": "request_id",
    "OperationsConsulted": "consultation_id",
    "FindingMade": "finding_id",
    "StatementMade": "statement_id",
    "RequestRefused": "refusal_id",
    "OptionsOffered": "offer_id options",
    "ApologyGiven": "apology_id",
    "PromiseMade": "promise_id",
    "RemedyGiven": "remedy_id",
    "GestureGiven": "gesture_id",
    "CaseEscalated": "escalation_id",
    "FinalDecisionGiven": "decision_id",
    "HoldPlaced": "hold_id",
}
NEEDS = {
    "MessageReceived": "issue_ids says_not_received says_unanswered",
    "ReplySent": "addresses answers resend_of",
    "DeliveryConfirmed": "reply_id",
    "DeliveryFailed": "reply_id",
    "InformationRequested": "reply_id",
    "DesiredOutcomeStated": "issue_ids",
    "OperationsConsulted": "issue_ids",
    "OperationsReplied": "consultation_id",
    "FindingMade": "issue_ids supersedes",
    "StatementMade": "reply_id supersedes",
    "StatementRetracted": "statement_id",
    "RequestRefused": "ask_id issue_ids alternative_offer_id reply_id",
    "OptionsOffered": "issue_ids reply_id",
    "OptionChosen": "offer_id option_id",
    "ApologyGiven": "issue_ids solution reply_id",
    "PromiseMade": "ask_id reply_id",
    "PromiseKept": "promise_id by",
    "PromiseAttempted": "promise_id reply_id",
    "PromiseRenegotiated": "promise_id",
    "PromiseReleased": "promise_id",
    "PromiseWithdrawn": "promise_id",
    "RemedyReversed": "remedy_id",
    "SatisfactionRated": "reply_id",
    "RemedyGiven": "issue_ids ask_id reply_id",
    "GestureGiven": "issue_ids ask_id reply_id",
    "GestureDeclined": "gesture_id",
    "GestureReversed": "gesture_id",
    "EscalationReturned": "escalation_id",
    "FinalDecisionGiven": "issue_ids reply_id",
    "ResolutionAccepted": "issue_ids",
    "ResolutionRejected": "issue_ids",
    "QualityAssessed": "reply_id",
    "HoldReleased": "hold_id",
}
ELSEWHERE = {
    "CaseOpened": "customer_id",
    "CaseMerged": "into",
    "CaseUnmerged": "out_of",
    "CustomerMerged": "into",
    "CustomerUnmerged": "out_of",
    "EventCorrected": "event_id",
}
"""Ids of streams and events."""


def names(table: dict[str, str], cls: type[Event]) -> set[str]:
    return set(table.get(cls.__name__, "").split())


@pytest.mark.parametrize("cls", VOCABULARY)
def test_every_personal_field_is_found(cls: type[Event]) -> None:
    assert set(personal_fields(cls)) == names(PERSONAL, cls)


@pytest.mark.parametrize("cls", VOCABULARY)
def test_every_field_that_holds_ids_is_found(cls: type[Event]) -> None:
    assert {link.field for link in links(cls) if link.new} == names(BRINGS, cls)
    assert {link.field for link in links(cls) if not link.new} == names(NEEDS, cls)


@pytest.mark.parametrize("cls", VOCABULARY)
def test_all_but_ids_and_words_may_be_amended(cls: type[Event]) -> None:
    fixed = [names(table, cls) for table in (PERSONAL, BRINGS, NEEDS, ELSEWHERE)]
    assert amendable_fields(cls) == {f.name for f in fields(cls)}.difference(*fixed)


def test_the_tables_name_events_that_there_are() -> None:
    there = {cls.__name__ for cls in VOCABULARY}
    for table in (PERSONAL, BRINGS, NEEDS, ELSEWHERE):
        assert set(table) <= there


ON_TWO: dict[str, Any] = {"issue_ids": ["i1", "i2"]}
TWO = "issue:i1 issue:i2"
IN_REPLY: dict[str, Any] = {"reply_id": "r1"}

BROUGHT_AND_NEEDED: list[tuple[Event, str, str]] = [
    (opened(), "", ""),
    (issue(), "issue:i1", ""),
    (wrote(**ON_TWO), "message:m1", TWO),
    (asked("a2", says_not_received=["r1", "r2"]), "message:m-a2 ask:a2", "reply:r1 reply:r2"),
    (wrote(says_unanswered=["a1"]), "message:m1", "ask:a1"),
    (replied(addresses=["i1"], answers=["a1", "a2"]), "reply:r1", "issue:i1 ask:a1 ask:a2"),
    (replied("r2", resend_of="r1"), "reply:r2", "reply:r1"),
    (delivered(), "", "reply:r1"),
    (bounced(), "", "reply:r1"),
    (inquired(**IN_REPLY), "request:q1", "reply:r1"),
    (wished(**ON_TWO), "", TWO),
    (consulted(**ON_TWO), "consultation:o1", TWO),
    (explained(), "", "consultation:o1"),
    (found("f2", **ON_TWO, supersedes="f1"), "finding:f2", f"{TWO} finding:f1"),
    (stated("s2", **IN_REPLY), "statement:s2", "reply:r1"),
    (stated("s2", supersedes="s1"), "statement:s2", "statement:s1"),
    (stated("s2", supersedes="c7/s1"), "statement:s2", "statement:c7/s1"),
    (retracted(), "", "statement:s1"),
    (
        said_no(ask_id="a1", **ON_TWO, **IN_REPLY, alternative_offer_id="x1"),
        "refusal:n1",
        f"ask:a1 {TWO} offer:x1 reply:r1",
    ),
    (offered(**ON_TWO, **IN_REPLY), "offer:x1 option:red option:blue", f"{TWO} reply:r1"),
    (chose("red"), "", "offer:x1 option:red"),
    (chose(None), "", "offer:x1"),
    (
        apologised(**ON_TWO, **IN_REPLY, solution=ref("gesture", "g1")),
        "apology:y1",
        f"{TWO} gesture:g1 reply:r1",
    ),
    (promised(ask_id="a1", **IN_REPLY), "promise:p1", "ask:a1 reply:r1"),
    (kept(by=ref("remedy", "e1")), "", "promise:p1 remedy:e1"),
    (kept(by=ref("reply", "r1")), "", "promise:p1 reply:r1"),
    (kept(by=ref("offer", "x1")), "", "promise:p1 offer:x1"),
    (kept(by=ref("promise", "p2")), "", "promise:p1 promise:p2"),
    (attempted(**IN_REPLY), "", "promise:p1 reply:r1"),
    (moved(), "", "promise:p1"),
    (released(), "", "promise:p1"),
    (withdrew(), "", "promise:p1"),
    (kept("c7/p1", by=ref("reply", "c7/r1")), "", "promise:c7/p1 reply:c7/r1"),
    (reclaimed(), "", "remedy:e1"),
    (rated(**IN_REPLY), "", "reply:r1"),
    (remedied(**ON_TWO, ask_id="a1", **IN_REPLY), "remedy:e1", f"{TWO} ask:a1 reply:r1"),
    (gave(**ON_TWO, ask_id="a1", **IN_REPLY), "gesture:g1", f"{TWO} ask:a1 reply:r1"),
    (declined(), "", "gesture:g1"),
    (took_back(), "", "gesture:g1"),
    (assigned("anna", "north"), "", ""),
    (escalated(), "escalation:u1", ""),
    (returned(), "", "escalation:u1"),
    (decided(**ON_TWO, **IN_REPLY), "decision:d1", f"{TWO} reply:r1"),
    (content(**ON_TWO), "", TWO),
    (not_content(**ON_TWO), "", TWO),
    (closed(), "", ""),
    (merged(), "", ""),
    (assessed(**IN_REPLY), "", "reply:r1"),
    (noted(), "", ""),
    (voided(1), "", ""),
    (knew(), "", ""),
    (prefers(), "", ""),
    (customer_merged(), "", ""),
    (erased(), "", ""),
    (held(), "hold:h1", ""),
    (let_go(), "", "hold:h1"),
]


def keys(told: str) -> list[IdKey]:
    return sorted((kind, each) for kind, _, each in (key.partition(":") for key in told.split()))


@pytest.mark.parametrize(("event", "brought", "needed"), BROUGHT_AND_NEEDED)
def test_an_event_brings_and_needs_these_ids(event: Event, brought: str, needed: str) -> None:
    assert sorted(brings(event)) == keys(brought)
    assert sorted(needs(event)) == keys(needed)


def test_every_event_that_holds_ids_was_asked() -> None:
    told = {type(event).__name__ for event, _, _ in BROUGHT_AND_NEEDED}
    assert {*BRINGS, *NEEDS} <= told


def test_an_empty_list_needs_nothing_and_is_not_the_same_as_none() -> None:
    assert needs(found(issue_ids=[])) == needs(found(issue_ids=None)) == []
    assert found(issue_ids=[]) != found(issue_ids=None)
