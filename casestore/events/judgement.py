"""Events about judgement: operations' views, findings, statements, refusals and assessments."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from casestore.events.base import (
    AskId,
    Code,
    Codes,
    Event,
    Flag,
    FullId,
    Id,
    IssueIds,
    Known,
    Money,
    New,
    PersonalText,
    ReplyId,
    event,
)


@event
class OperationsConsulted(Event):
    """We asked the department that did the work for its view."""

    TOLD: ClassVar[str] = "asked {unit} for its view[ on {issue_ids}]"

    consultation_id: Annotated[Id, New("consultation")]
    unit: Code
    issue_ids: IssueIds = None


@event
class OperationsReplied(Event):
    """The department's view of what happened."""

    TOLD: ClassVar[str] = "answered for operations: {view}[: {facts}]"

    consultation_id: Annotated[Id, Known("consultation")]
    view: Literal["at_fault", "not_at_fault", "partly", "unknown"]
    facts: PersonalText = None


@event
class FindingMade(Event):
    """Our judgement of a grievance, and whose fault it was."""

    TOLD: ClassVar[str] = (
        "found[ on {issue_ids}]: {outcome}, fault {fault}[, root cause {root_cause}]"
        "[, on the evidence of {evidence}]{remedy_owed?, remedy owed:, no remedy owed}"
        "[, in place of {supersedes}]"
    )

    finding_id: Annotated[Id, New("finding")]
    outcome: Literal["upheld", "partly_upheld", "not_upheld", "out_of_scope"]
    fault: Literal["ours", "shared", "third_party", "none", "unknown"]
    issue_ids: IssueIds = None
    evidence: Codes = None
    remedy_owed: Flag | None = None
    root_cause: Code | None = None
    supersedes: Annotated[Id | None, Known("finding")] = None


@event
class StatementMade(Event):
    """We told the customer that something is so."""

    TOLD: ClassVar[str] = (
        "stated {statement_id}, on {topic}: {value}{corrects_customer?, correcting the customer:}"
        "[, on the evidence of {evidence}][, in reply {reply_id}][, in place of {supersedes}]"
    )

    statement_id: Annotated[Id, New("statement")]
    topic: Code
    value: Code
    reply_id: ReplyId = None
    corrects_customer: Flag | None = None
    evidence: Codes = None
    supersedes: Annotated[FullId | None, Known("statement")] = None
    """The statement that it replaces: its id, or "case_id/statement_id" for another case's."""


@event
class StatementRetracted(Event):
    """We took a statement back."""

    TOLD: ClassVar[str] = "took back the statement {statement_id}: {reason}"

    statement_id: Annotated[FullId, Known("statement")]
    reason: Literal["untrue_when_made", "changed", "misquoted"]


@event
class RequestRefused(Event):
    """We said no."""

    TOLD: ClassVar[str] = (
        "said no[ to {ask_id}][, on {issue_ids}], reason {reason}"
        "{explained?, explained:, unexplained}"
        "{alternative_told?, naming an alternative:, naming no alternative}"
        "[, offering {alternative_offer_id}][, amount {amount}][, in reply {reply_id}][: {words}]"
    )

    refusal_id: Annotated[Id, New("refusal")]
    reason: Literal[
        "policy", "not_possible", "no_authority", "unreasonable", "not_offered", "other"
    ]
    explained: Flag
    ask_id: AskId = None
    issue_ids: IssueIds = None
    alternative_told: Flag | None = None
    alternative_offer_id: Annotated[Id | None, Known("offer")] = None
    amount: Money | None = None
    reply_id: ReplyId = None
    words: PersonalText = None


@event
class QualityAssessed(Event):
    """Somebody judged how a reply was written or said."""

    TOLD: ClassVar[str] = "judged[ reply {reply_id}] for {attribute}: {verdict} ({assessor})"

    attribute: Literal["sincerity", "reluctance", "humour", "culture", "accuracy"]
    verdict: Literal["good", "poor"]
    assessor: Code
    reply_id: ReplyId = None
