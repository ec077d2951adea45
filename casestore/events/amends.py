"""Events about apologies, options, remedies (what was owed) and gestures (given beyond that)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from casestore.events.base import (
    Actor,
    AskId,
    Code,
    Event,
    Flag,
    FullId,
    Id,
    IssueIds,
    Known,
    Money,
    New,
    PersonalText,
    Ref,
    ReplyId,
    event,
    value,
)


@value
class Option:
    """One of the choices laid before the customer."""

    option_id: Annotated[Id, New("option")]
    kind: Code
    value: Money | None = None
    terms_disclosed: Flag | None = None


@event
class OptionsOffered(Event):
    """We laid choices before the customer."""

    TOLD: ClassVar[str] = "offered {offer_id}[, on {issue_ids}]: {options}[, in reply {reply_id}]"

    offer_id: Annotated[Id, New("offer")]
    options: tuple[Option, ...]
    issue_ids: IssueIds = None
    reply_id: ReplyId = None


@event
class OptionChosen(Event):
    """The customer chose, or chose none of them (no `option_id`)."""

    TOLD: ClassVar[str] = "chose from {offer_id}: {option_id|none of them}"

    offer_id: Annotated[Id, Known("offer")]
    option_id: Annotated[Id | None, Known("option")] = None


@event
class ApologyGiven(Event):
    """We said sorry, with or without a solution."""

    TOLD: ClassVar[str] = (
        "apologised[ for {issue_ids}][, with {solution} as the solution][, in reply {reply_id}]"
    )

    apology_id: Annotated[Id, New("apology")]
    issue_ids: IssueIds = None
    solution: Annotated[Ref | None, Known("*")] = None
    reply_id: ReplyId = None


@event
class RemedyGiven(Event):
    """We made good what was owed."""

    TOLD: ClassVar[str] = (
        "gave the remedy {remedy_id}: {kind}[ of {value}][, for {issue_ids}][, asked in {ask_id}]"
        "[, in reply {reply_id}]"
    )

    remedy_id: Annotated[Id, New("remedy")]
    kind: Literal["refund", "replacement", "repair", "correction", "compensation", "other"]
    issue_ids: IssueIds = None
    value: Money | None = None
    ask_id: AskId = None
    reply_id: ReplyId = None


@event
class RemedyReversed(Event):
    """We took it back, or it was booked twice."""

    TOLD: ClassVar[str] = "took back the remedy {remedy_id}[: {words}]"

    remedy_id: Annotated[FullId, Known("remedy")]
    words: PersonalText = None


@event
class GestureGiven(Event):
    """Goodwill: something beyond what was owed."""

    TOLD: ClassVar[str] = (
        "gave the gesture {gesture_id}: {kind}[ worth {value}][, for {issue_ids}]"
        "[, reason {reason}]{asked_for?, asked for:, unasked}"
        "{conditions_told?, told with conditions:}[, approved by {approved_by}]"
        "[, under {policy}][, in reply {reply_id}][, conditions {conditions}][: {note}]"
    )

    gesture_id: Annotated[Id, New("gesture")]
    kind: Literal["cash", "credit", "voucher", "gift", "information", "invitation", "other"]
    value: Money | None = None
    issue_ids: IssueIds = None
    reason: Literal["apology", "delay", "error", "inconvenience", "loyalty", "other"] | None = None
    asked_for: Flag | None = None
    conditions_told: Flag | None = None
    ask_id: AskId = None
    approved_by: Actor | None = None
    policy: Code | None = None
    reply_id: ReplyId = None
    conditions: PersonalText = None
    note: PersonalText = None


@event
class GestureDeclined(Event):
    """The customer did not want it."""

    TOLD: ClassVar[str] = "declined the gesture {gesture_id}[: {words}]"

    gesture_id: Annotated[FullId, Known("gesture")]
    words: PersonalText = None


@event
class GestureReversed(Event):
    """We took it back."""

    TOLD: ClassVar[str] = "took back the gesture {gesture_id}[: {words}]"

    gesture_id: Annotated[FullId, Known("gesture")]
    words: PersonalText = None
