"""The vocabulary as its document has it, field by field: what was shipped is never taken away.

Written out by hand, in the document's own notation: `!` required, `*` Personal; untyped ones are
short text (ids and codes), `[…]` a list, Channel and the like as below. Every event has
`occurred_at! Instant, actor! Actor` besides.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from casestore.events import (
    EVENTS,
    SPOKEN,
    VOCABULARY,
    Actor,
    Ask,
    Channel,
    Event,
    Money,
    Option,
    Ref,
)
from casestore.events.base import Personal
from casestore.streams.history import stored_data
from tests.support.stories import (
    assigned,
    bounced,
    corrected,
    gave,
    noted,
    promised,
    replied,
    wrote,
)

CASE = {
    "CaseOpened": "customer_id!, channel! Channel, received_at Instant, product, region, "
    "category, subject *",
    "IssueRaised": "issue_id!, category, loss Money, summary *",
    "MessageReceived": "message_id!, channel! Channel, issue_ids [], "
    "asks [{ask_id!, kind! question·action·compensation·future_contact}], provides [], "
    "says_not_received [], says_unanswered [], sentiment calm·upset·angry, automated bool, text *",
    "ReplySent": "reply_id!, channel! Channel, automated bool=false, "
    "purpose substantive·acknowledgement·holding·final_response, addresses [], answers [], "
    "resend_of, language, closing_pleasantry bool, to *, text *",
    "DeliveryConfirmed": "reply_id!, evidence",
    "DeliveryFailed": "reply_id!, kind! permanent·temporary·no_answer·reported_missing, code, "
    "diagnostic *, recipient *",
    "InformationRequested": "request_id!, field!, purpose need·verify, reply_id",
    "DesiredOutcomeStated": "issue_ids [], asked_by_us! bool, wanted *",
    "OperationsConsulted": "consultation_id!, unit!, issue_ids []",
    "OperationsReplied": "consultation_id!, view! at_fault·not_at_fault·partly·unknown, facts *",
    "FindingMade": "finding_id!, issue_ids [], "
    "outcome! upheld·partly_upheld·not_upheld·out_of_scope, "
    "fault! ours·shared·third_party·none·unknown, evidence [], remedy_owed bool, root_cause, "
    "supersedes",
    "StatementMade": "statement_id!, topic!, value!, reply_id, corrects_customer bool, "
    "evidence [], supersedes",
    "StatementRetracted": "statement_id!, reason! untrue_when_made·changed·misquoted",
    "RequestRefused": "refusal_id!, ask_id, issue_ids [], "
    "reason! policy·not_possible·no_authority·unreasonable·not_offered·other, explained! bool, "
    "alternative_told bool, alternative_offer_id, amount Money, reply_id, words *",
    "OptionsOffered": "offer_id!, issue_ids [], reply_id, "
    "options! [{option_id!, kind!, value Money, terms_disclosed bool}]",
    "OptionChosen": "offer_id!, option_id",
    "ApologyGiven": "apology_id!, issue_ids [], solution Ref, reply_id",
    "PromiseMade": "promise_id!, "
    "kind! callback·reply·update·refund·credit·repair·replacement·visit·investigation·other, "
    "due_at Instant, capability confirmed·unconfirmed, ask_id, reply_id, words *",
    "PromiseKept": "promise_id!, by Ref",
    "PromiseAttempted": "promise_id!, reply_id",
    "PromiseRenegotiated": "promise_id!, due_at! Instant, agreed_by_customer! bool",
    "PromiseReleased": "promise_id!, words *",
    "PromiseWithdrawn": "promise_id!, words *",
    "SatisfactionRated": "rating! int, scale! int, reply_id, words *",
    "RemedyGiven": "remedy_id!, issue_ids [], "
    "kind! refund·replacement·repair·correction·compensation·other, value Money, ask_id, reply_id",
    "RemedyReversed": "remedy_id!, words *",
    "GestureGiven": "gesture_id!, "
    "kind! cash·credit·voucher·gift·information·invitation·other, value Money, issue_ids [], "
    "reason apology·delay·error·inconvenience·loyalty·other, asked_for bool, "
    "conditions_told bool, ask_id, approved_by Actor, policy, reply_id, conditions *, note *",
    "GestureDeclined": "gesture_id!, words *",
    "GestureReversed": "gesture_id!, words *",
    "CaseAssigned": "agent, team",
    "CaseEscalated": "escalation_id!, kind! expertise·authority·executive·external, to!, words *",
    "EscalationReturned": "escalation_id!, to!",
    "FinalDecisionGiven": "decision_id!, issue_ids [], authority, reply_id",
    "ResolutionAccepted": "issue_ids [], words *",
    "ResolutionRejected": "issue_ids [], words *",
    "CaseReclassified": "product, region, category",
    "CaseClosed": "reason! resolved·final_response·withdrawn·no_contact·duplicate·not_a_complaint",
    "CaseReopened": "words *",
    "CaseMerged": "into!",
    "CaseUnmerged": "out_of!",
    "QualityAssessed": "reply_id, attribute! sincerity·reluctance·humour·culture·accuracy, "
    "verdict! good·poor, assessor!",
    "NoteAdded": "text *",
    "EventCorrected": "event_id! UUID, kind! amended·voided, changes {}, "
    "reason! mistyped·wrong_case·duplicate·misreported·other, authorised_by! Actor, "
    "personal_changes *",
}
PREFERENCES = "channel·language·timezone·contact_hours·form_of_address·accessibility·culture_note"
CUSTOMER = {
    "CustomerRegistered": "since Instant, name *, contact *",
    "CustomerFactRecorded": "field!, stale_after Instant, value *",
    "PreferenceStated": f"preference! {PREFERENCES}, value, words *",
    "PreferenceWithdrawn": f"preference! {PREFERENCES}, value, words *",
    "CustomerMerged": "into!",
    "CustomerUnmerged": "out_of!",
    "ErasureRequested": "basis!, requested_by Actor",
    "PersonalDataErased": "basis!",
    "HoldPlaced": "hold_id!, reason!",
    "HoldReleased": "hold_id!, reason!",
    "EventCorrected": CASE["EventCorrected"],
}
POLICY = {"PolicyAdopted": "name!, effective_from! Instant, policy! {}"}

VALUES: dict[type[Any], str] = {
    Actor: "kind! agent·customer·system·operations·executive·third_party, id!, role, team",
    Money: "amount! Decimal, currency!",
    Ref: "kind! reply·remedy·gesture·offer·promise, id!",
}


TYPES: dict[Any, str] = {
    str: "",
    bool: "bool",
    int: "int",
    datetime: "Instant",
    UUID: "UUID",
    Decimal: "Decimal",
    Actor: "Actor",
    Money: "Money",
    Ref: "Ref",
}


def shown(hint: Any) -> str:
    """A type in the document's notation."""
    kind, parts = get_origin(hint), [part for part in get_args(hint) if part is not NoneType]
    if kind is Annotated:
        return "*" if any(isinstance(part, Personal) for part in parts) else shown(parts[0])
    if kind is UnionType or kind is Union:  # nothing in the vocabulary is of two types
        return shown(parts[0])
    if kind is tuple:
        return f"[{shown(parts[0])}]"
    if kind is dict:
        return "{}"
    if kind is Literal:
        return "Channel" if hint == Channel else "·".join(parts)
    return TYPES[hint] if hint in TYPES else "{" + ", ".join(fields(hint)) + "}"


def fields(cls: Any) -> list[str]:
    """The fields of a class in the document's notation."""
    hints = get_type_hints(cls, include_extras=True)
    told = []
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING
        default = "" if required or field.default is None else f"={field.default}".lower()
        mark = "!" if required else ""
        told.append(f"{field.name}{mark} {shown(hints[field.name])}{default}".strip())
    return told


def written(line: str) -> list[str]:
    """The fields of a line of the tables above."""
    return re.split(r", (?![^{]*\})", line)


# --- the tables


@pytest.mark.parametrize(
    ("kind", "table"), [("case", CASE), ("customer", CUSTOMER), ("policy", POLICY)]
)
def test_a_stream_holds_these_events(kind: str, table: dict[str, str]) -> None:
    assert [cls.__name__ for cls in EVENTS[kind]] == list(table)


def test_every_event_is_in_the_vocabulary_once() -> None:
    assert sorted(cls.__name__ for cls in VOCABULARY) == sorted({**CASE, **CUSTOMER, **POLICY})
    made = {each for each in Event.__subclasses__() if each.__module__.startswith("casestore.")}
    assert {cls.__name__ for cls in VOCABULARY} == {each.__name__ for each in made}


@pytest.mark.parametrize("cls", VOCABULARY)
def test_an_event_has_these_fields(cls: type[Event]) -> None:
    line = {**CASE, **CUSTOMER, **POLICY}[cls.__name__]
    assert sorted(fields(cls)) == sorted(["occurred_at! Instant", "actor! Actor", *written(line)])


@pytest.mark.parametrize("cls", VALUES)
def test_a_value_has_these_fields(cls: type[Any]) -> None:
    assert sorted(fields(cls)) == sorted(written(VALUES[cls]))


def test_the_channels_and_those_on_which_people_speak() -> None:
    channels = "phone·visit·video·email·letter·chat·sms·web·social·other"
    assert "·".join(get_args(Channel)) == channels
    assert sorted(SPOKEN) == ["phone", "video", "visit"]


OF_ANY_MEMBER = {
    "reply_id": "*, but ReplySent",
    "ask_id": "*, but Ask",
    "promise_id": "*, but PromiseMade",
    "issue_ids": "*",
    "addresses": "ReplySent",
    "answers": "ReplySent",
    "resend_of": "ReplySent",
    "says_not_received": "MessageReceived",
    "says_unanswered": "MessageReceived",
    "statement_id": "StatementRetracted",
    "supersedes": "StatementMade",
    "gesture_id": "GestureDeclined, GestureReversed",
    "remedy_id": "RemedyReversed",
    "id": "Ref",
}
"""The fields that may name something of another case of the family, as "case_id/id": two ids of 200
characters and a slash. With the classes that have such a field."""


def may_be_of_another_case(cls: type[Any], name: str) -> bool:
    classes, _, others = OF_ANY_MEMBER.get(name, "").partition(", but ")
    return cls.__name__ != others and (classes == "*" or cls.__name__ in classes.split(", "))


@pytest.mark.parametrize("cls", [*VOCABULARY, *VALUES, Ask, Option])
def test_text_that_is_not_personal_is_short(cls: type[Any]) -> None:
    limited = {"currency", "language", "code"}  # held to a form of their own
    properties = TypeAdapter(cls).json_schema()["properties"]
    for field in fields(cls):
        name, _, kind = field.partition(" ")
        if kind in ("", "[]") and (name := name.rstrip("!")) not in limited:
            schema = properties[name].get("anyOf", [properties[name]])[0]
            text = schema["items"] if kind == "[]" else schema
            longest = 401 if may_be_of_another_case(cls, name) else 200
            assert (text["minLength"], text["maxLength"]) == (1, longest), field


# --- every event


@pytest.mark.parametrize("cls", VOCABULARY)
def test_an_event_is_frozen_and_takes_no_other_field(cls: type[Any]) -> None:
    assert cls.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(cls))
    assert cls.__pydantic_config__["extra"] == "forbid"
    assert cls.__pydantic_config__["hide_input_in_errors"]


def test_a_field_that_no_event_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        noted(colour="red")


def test_nothing_of_what_was_given_stands_in_an_error() -> None:
    for wrong in ({"actor": "secret"}, {"occurred_at": "secret"}, {"text": 5, "secret": "secret"}):
        with pytest.raises(ValidationError) as refused:
            noted(**wrong)
        assert "'secret'" not in str(refused.value)


def test_what_an_event_must_have() -> None:
    for missing in ("actor", "occurred_at"):
        with pytest.raises(ValidationError):
            noted("+0h", **{missing: None})


# --- value types


def test_an_instant_is_aware_and_told_in_utc() -> None:
    assert noted(occurred_at="2026-03-02T10:00:00+01:00").occurred_at == datetime(
        2026, 3, 2, 9, tzinfo=UTC
    )
    naive = datetime(2026, 3, 2)  # noqa: DTZ001  (that is what is refused)
    for wrong in (naive, "2026-03-02T10:00:00", "yesterday", 1772442000, None):
        with pytest.raises(ValidationError):
            noted(occurred_at=wrong)


@pytest.mark.parametrize("each", ["1", "ä", "a b", "case/1", "x" * 200, "\u00a0"])
def test_an_id_is_the_callers_own(each: str) -> None:
    assert promised(each).promise_id == each


@pytest.mark.parametrize("each", ["", "x" * 201, "a\nb", "a\n", "\x00", "\x7f", "\x85", 7, None])
def test_what_is_no_id(each: Any) -> None:
    for event in ({"promise_id": each}, {"actor": {"kind": "agent", "id": each}}):
        with pytest.raises(ValidationError):
            promised(**event)


@pytest.mark.parametrize("amount", ["0", "0.01", "1e3", 5, Decimal("99999999")])
def test_money_is_an_amount_in_a_currency(amount: Any) -> None:
    value = gave(value={"amount": amount, "currency": "EUR"}).value
    assert value is not None
    assert value.amount == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("-0.01", "EUR"),
        ("NaN", "EUR"),
        ("Infinity", "EUR"),
        ("1", "eur"),
        ("1", "€"),
        ("1", "EURO"),
    ],
)
def test_what_is_no_money(amount: str, currency: str) -> None:
    with pytest.raises(ValidationError):
        gave(value={"amount": amount, "currency": currency})


@pytest.mark.parametrize("language", ["en", "pt-BR", "zh-Hant-TW", "de-1996", "de-CH-1901"])
def test_a_language(language: str) -> None:
    assert replied(language=language).language == language


@pytest.mark.parametrize("language", ["", "english", "e", "en_GB", "pt-", "pt--BR"])
def test_what_is_no_language(language: str) -> None:
    with pytest.raises(ValidationError, match="BCP 47"):
        replied(language=language)


@pytest.mark.parametrize("code", ["5.1.1", "4.7.500", "2.0.0"])
def test_a_delivery_status_code(code: str) -> None:
    assert bounced(code=code).code == code


@pytest.mark.parametrize("code", ["550", "3.1.1", "5.1", "5.1.1 user unknown"])
def test_what_is_no_delivery_status_code(code: str) -> None:
    with pytest.raises(ValidationError):
        bounced(code=code)


def test_a_yes_or_no_is_one() -> None:
    for wrong in (1, "true", "yes"):
        with pytest.raises(ValidationError):
            replied(closing_pleasantry=wrong)


# --- not recorded, and none


def test_what_was_not_recorded_is_not_stored_and_an_empty_list_is() -> None:
    assert stored_data(wrote(asks=[])) == stored_data(wrote()) | {"asks": []}
    assert "asks" not in stored_data(wrote())


def test_what_has_a_default_is_always_stored() -> None:
    assert stored_data(replied())["automated"] is False


# --- what only fits together


def test_an_assignment_names_somebody() -> None:
    with pytest.raises(ValidationError, match="name an agent, a team, or both"):
        assigned(None, None)


def test_a_correction_that_voids_changes_nothing_and_one_that_amends_does() -> None:
    with pytest.raises(ValidationError, match="has no changes"):
        corrected(1, kind="voided", changes={"product": {"to": "oven"}})
    with pytest.raises(ValidationError, match="needs changes"):
        corrected(1, kind="amended", changes={})
    with pytest.raises(ValidationError, match="because"):
        corrected(1, kind="amended", changes={"product": {"to": "oven", "because": "x"}})
