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
    """A new id, by which OptionChosen names this choice."""
    kind: Code
    """What would be given or done, like refund or repair."""
    value: Money | None = None
    """What it is worth."""
    terms_disclosed: Flag | None = None
    """Whether the customer was told the terms that go with it, before choosing."""


@event
class OptionsOffered(Event):
    """We laid choices before the customer."""

    TOLD: ClassVar[str] = "offered {offer_id}[, on {issue_ids}]: {options}[, in reply {reply_id}]"

    offer_id: Annotated[Id, New("offer")]
    """A new id for the choices as a whole."""
    options: tuple[Option, ...]
    """The choices, each with an id of its own."""
    issue_ids: IssueIds = None
    """The grievances that they would settle; left out, those that were open then."""
    reply_id: ReplyId = None
    """The reply in which they were offered."""


@event
class OptionChosen(Event):
    """The customer chose, or chose none of them (no `option_id`)."""

    TOLD: ClassVar[str] = "chose from {offer_id}: {option_id|none of them}"

    offer_id: Annotated[Id, Known("offer")]
    """The choices that were laid before the customer."""
    option_id: Annotated[Id | None, Known("option")] = None
    """Which one they took; left out, none of them."""


@event
class ApologyGiven(Event):
    """We said sorry, with or without a solution."""

    TOLD: ClassVar[str] = (
        "apologised[ for {issue_ids}][, with {solution} as the solution][, in reply {reply_id}]"
    )

    apology_id: Annotated[Id, New("apology")]
    """A new id for the apology."""
    issue_ids: IssueIds = None
    """What we are sorry for; left out, the grievances that were open then."""
    solution: Annotated[Ref | None, Known("*")] = None
    """What we did, gave, offered or promised along with it. Sorry alone is no solution."""
    reply_id: ReplyId = None
    """The reply in which we said so. Where that did not arrive, nor did the apology."""


@event
class RemedyGiven(Event):
    """We made good what was owed."""

    TOLD: ClassVar[str] = (
        "gave the remedy {remedy_id}: {kind}[ of {value}][, for {issue_ids}][, asked in {ask_id}]"
        "[, in reply {reply_id}]"
    )

    remedy_id: Annotated[Id, New("remedy")]
    """A new id for the remedy."""
    kind: Literal["refund", "replacement", "repair", "correction", "compensation", "other"]
    """How it was made good."""
    issue_ids: IssueIds = None
    """The grievances that it settles; left out, those that were open then."""
    value: Money | None = None
    """What it came to; reports add it up by currency."""
    ask_id: AskId = None
    """The customer's ask that it meets."""
    reply_id: ReplyId = None
    """The reply that brought it, or told of it."""


@event
class RemedyReversed(Event):
    """We took it back, or it was booked twice."""

    TOLD: ClassVar[str] = "took back the remedy {remedy_id}[: {words}]"

    remedy_id: Annotated[FullId, Known("remedy")]
    """The remedy that was taken back. What it settled is open again."""
    words: PersonalText = None
    """Why, in words."""


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
    """A new id for the gesture."""
    kind: Literal["cash", "credit", "voucher", "gift", "information", "invitation", "other"]
    """What was given. Limits of money do not bear on information and invitation."""
    value: Money | None = None
    """What it is worth. It is held against the limits of who gave it, and against the loss."""
    issue_ids: IssueIds = None
    """The grievances that it is for; left out, those that were open then."""
    reason: Literal["apology", "delay", "error", "inconvenience", "loyalty", "other"] | None = None
    """Why it was given."""
    asked_for: Flag | None = None
    """Whether the customer had to ask for it."""
    conditions_told: Flag | None = None
    """Whether conditions were told with it: a limit of ours is not the customer's to hear."""
    ask_id: AskId = None
    """The customer's ask that it meets."""
    approved_by: Actor | None = None
    """Who allowed it, where who gave it might not: their authority counts too."""
    policy: Code | None = None
    """The house's rule or scheme under which it was given, by a code of yours."""
    reply_id: ReplyId = None
    """The reply that brought it. An assessment of that reply for reluctance is one of the
    gesture."""
    conditions: PersonalText = None
    """The conditions, in the words in which they were told."""
    note: PersonalText = None
    """What else there is to say of it."""


@event
class GestureDeclined(Event):
    """The customer did not want it."""

    TOLD: ClassVar[str] = "declined the gesture {gesture_id}[: {words}]"

    gesture_id: Annotated[FullId, Known("gesture")]
    """The gesture that they did not want. It counts in no sum and against no limit."""
    words: PersonalText = None
    """What they said."""


@event
class GestureReversed(Event):
    """We took it back."""

    TOLD: ClassVar[str] = "took back the gesture {gesture_id}[: {words}]"

    gesture_id: Annotated[FullId, Known("gesture")]
    """The gesture that was taken back. It counts in no sum and against no limit."""
    words: PersonalText = None
    """Why, in words."""
