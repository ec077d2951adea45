"""Events about promises: made, attempted, kept, renegotiated, released or withdrawn."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from casestore.events.base import (
    AskId,
    Event,
    Flag,
    FullId,
    Id,
    Instant,
    Known,
    New,
    PersonalText,
    Ref,
    ReplyId,
    event,
)

PromiseId = Annotated[FullId, Known("promise")]


@event
class PromiseMade(Event):
    """We promised something, by a time or without one."""

    TOLD: ClassVar[str] = (
        "made the promise {promise_id}: {kind}[ by {due_at}][, capability {capability}]"
        "[, for {ask_id}][, in reply {reply_id}][: {words}]"
    )

    promise_id: Annotated[Id, New("promise")]
    """A new id for the promise."""
    kind: Literal[
        "callback",
        "reply",
        "update",
        "refund",
        "credit",
        "repair",
        "replacement",
        "visit",
        "investigation",
        "other",
    ]
    """What was promised."""
    due_at: Instant | None = None
    """By when. Without it, the promise is undated, and never late."""
    capability: Literal["confirmed", "unconfirmed"] | None = None
    """Whether whoever promised had made sure that it can be done."""
    ask_id: AskId = None
    """The customer's ask that it answers."""
    reply_id: ReplyId = None
    """The reply in which it was made."""
    words: PersonalText = None
    """The promise, in the words in which it was made."""


@event
class PromiseKept(Event):
    """We did what we had promised. If it was by a reply, that reply has to arrive."""

    TOLD: ClassVar[str] = "kept the promise {promise_id}[, by {by}]"

    promise_id: PromiseId
    """The promise that was kept."""
    by: Annotated[Ref | None, Known("*")] = None
    """What kept it. A reply that did not arrive keeps none."""


@event
class PromiseAttempted(Event):
    """We tried to keep it, and it did not work: nobody picked up, say."""

    TOLD: ClassVar[str] = "tried to keep the promise {promise_id}[, with {reply_id}]"

    promise_id: PromiseId
    """The promise that we tried to keep."""
    reply_id: ReplyId = None
    """The reply, or call, with which we tried."""


@event
class PromiseRenegotiated(Event):
    """A new time. It excuses us only if the customer agreed before the old one had passed."""

    TOLD: ClassVar[str] = (
        "moved the promise {promise_id} to {due_at}"
        "{agreed_by_customer?, agreed by the customer:, not agreed by the customer}"
    )

    promise_id: PromiseId
    """The promise that gets a new time."""
    due_at: Instant
    """The new time."""
    agreed_by_customer: Flag
    """Whether the customer agreed. Only then, and in time, does the new time count."""


@event
class PromiseReleased(Event):
    """The customer let us off."""

    TOLD: ClassVar[str] = "let us off the promise {promise_id}[: {words}]"

    promise_id: PromiseId
    """The promise that they let us off."""
    words: PersonalText = None
    """What they said."""


@event
class PromiseWithdrawn(Event):
    """We went back on it."""

    TOLD: ClassVar[str] = "went back on the promise {promise_id}[: {words}]"

    promise_id: PromiseId
    """The promise that we went back on."""
    words: PersonalText = None
    """Why, in words."""
