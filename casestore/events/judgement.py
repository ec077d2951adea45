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
    """A new id for the question to them."""
    unit: Code
    """Whom we asked, by a code, like venue or billing."""
    issue_ids: IssueIds = None
    """What we asked about; left out, the whole case."""


@event
class OperationsReplied(Event):
    """The department's view of what happened."""

    TOLD: ClassVar[str] = "answered for operations: {view}[: {facts}]"

    consultation_id: Annotated[Id, Known("consultation")]
    """The question that they answer."""
    view: Literal["at_fault", "not_at_fault", "partly", "unknown"]
    """Whether they hold that it was their fault."""
    facts: PersonalText = None
    """What happened, in their words."""


@event
class FindingMade(Event):
    """Our judgement of a grievance, and whose fault it was."""

    TOLD: ClassVar[str] = (
        "found[ on {issue_ids}]: {outcome}, fault {fault}[, root cause {root_cause}]"
        "[, on the evidence of {evidence}]{remedy_owed?, remedy owed:, no remedy owed}"
        "[, in place of {supersedes}]"
    )

    finding_id: Annotated[Id, New("finding")]
    """A new id for the finding."""
    outcome: Literal["upheld", "partly_upheld", "not_upheld", "out_of_scope"]
    """Whether the grievance was right. With upheld or partly_upheld it counts in causes."""
    fault: Literal["ours", "shared", "third_party", "none", "unknown"]
    """Whose fault it was. For ours and shared we owe an apology, and in time."""
    issue_ids: IssueIds = None
    """The grievances that it judges; left out, those that were open then."""
    evidence: Codes = None
    """What it rests on, by codes of yours; an empty list says nothing."""
    remedy_owed: Flag | None = None
    """Whether something has to be made good."""
    root_cause: Code | None = None
    """What caused it, by a code: the rows of the report causes."""
    supersedes: Annotated[Id | None, Known("finding")] = None
    """The finding that it replaces."""


@event
class StatementMade(Event):
    """We told the customer that something is so."""

    TOLD: ClassVar[str] = (
        "stated {statement_id}, on {topic}: {value}{corrects_customer?, correcting the customer:}"
        "[, on the evidence of {evidence}][, in reply {reply_id}][, in place of {supersedes}]"
    )

    statement_id: Annotated[Id, New("statement")]
    """A new id for the statement."""
    topic: Code
    """What it is about, by a code, like delivery_date."""
    value: Code
    """What we said of it, by a code. Two values on one topic, told to one customer, are in
    conflict."""
    reply_id: ReplyId = None
    """The reply in which we said so."""
    corrects_customer: Flag | None = None
    """Whether it tells the customer that they are mistaken."""
    evidence: Codes = None
    """What shows that it is so, by codes of yours; an empty list says nothing."""
    supersedes: Annotated[FullId | None, Known("statement")] = None
    """The statement that it replaces: its id, or "case_id/statement_id" for another case's."""


@event
class StatementRetracted(Event):
    """We took a statement back."""

    TOLD: ClassVar[str] = "took back the statement {statement_id}: {reason}"

    statement_id: Annotated[FullId, Known("statement")]
    """The statement that holds no more."""
    reason: Literal["untrue_when_made", "changed", "misquoted"]
    """Why. What was untrue_when_made was a lapse from the beginning."""


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
    """A new id for the refusal."""
    reason: Literal[
        "policy", "not_possible", "no_authority", "unreasonable", "not_offered", "other"
    ]
    """Why we refused. With no_authority or not_possible it is asked whether we could have."""
    explained: Flag
    """Whether we said why."""
    ask_id: AskId = None
    """The ask that we refused."""
    issue_ids: IssueIds = None
    """What it is about; left out, the grievances that were open then."""
    alternative_told: Flag | None = None
    """Whether we said what could be done instead."""
    alternative_offer_id: Annotated[Id | None, Known("offer")] = None
    """The choices that we offered instead."""
    amount: Money | None = None
    """How much was asked for."""
    reply_id: ReplyId = None
    """The reply in which we refused."""
    words: PersonalText = None
    """How we said it."""


@event
class QualityAssessed(Event):
    """Somebody judged how a reply was written or said."""

    TOLD: ClassVar[str] = "judged[ reply {reply_id}] for {attribute}: {verdict} ({assessor})"

    attribute: Literal["sincerity", "reluctance", "humour", "culture", "accuracy"]
    """What was judged."""
    verdict: Literal["good", "poor"]
    """How it was."""
    assessor: Code
    """Who or what judged, by a code: a reviewer, a model."""
    reply_id: ReplyId = None
    """The reply that was judged."""
