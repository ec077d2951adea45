"""Events about contact: what the customer said, what we sent, and whether it arrived."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from casestore.events.base import (
    Channel,
    Code,
    Codes,
    Event,
    Flag,
    FullId,
    Id,
    IssueIds,
    Known,
    Language,
    Money,
    New,
    PersonalText,
    ReplyId,
    event,
    value,
)
from casestore.events.made import Kept, refused


@event
class IssueRaised(Event):
    """One grievance. A case may hold several."""

    TOLD: ClassVar[str] = (
        "raised the issue {issue_id}[, {category}][, at a loss of {loss}][: {summary}]"
    )

    issue_id: Annotated[Id, New("issue")]
    category: Code | None = None
    loss: Money | None = None
    summary: PersonalText = None


@value
class Ask:
    """Something that the customer asks for in a message."""

    ask_id: Annotated[Id, New("ask")]
    kind: Literal["question", "action", "compensation", "future_contact"]


@event
class MessageReceived(Event):
    """The customer got in touch: one contact. Or a machine of theirs did (`automated`)."""

    TOLD: ClassVar[str] = (
        "got in touch{automated? automatically:} by {channel}[, {sentiment}]"
        "[, about {issue_ids}][, asking for {asks}]"
        "[, giving {provides}][, saying that {says_not_received} never came]"
        "[, saying that {says_unanswered} was not answered][: {text}]"
    )

    message_id: Annotated[Id, New("message")]
    channel: Channel
    issue_ids: IssueIds = None
    asks: tuple[Ask, ...] | None = None
    provides: Codes = None
    says_not_received: Annotated[tuple[FullId, ...] | None, Known("reply")] = None
    says_unanswered: Annotated[tuple[FullId, ...] | None, Known("ask")] = None
    sentiment: Literal["calm", "upset", "angry"] | None = None
    automated: Flag | None = None
    """Whether a machine sent it. It is then no contact and never waits for an answer."""
    text: PersonalText = None


@event
class ReplySent(Event):
    """We answered, or a machine did (`automated`)."""

    TOLD: ClassVar[str] = (
        "sent {automated?an automated :}reply {reply_id} by {channel}[, {purpose}]"
        "[, again for {resend_of}][, on {addresses}][, answering {answers}][, in {language}]"
        "{closing_pleasantry?, closing with a pleasantry:}[, to {to}][: {text}]"
    )

    reply_id: Annotated[Id, New("reply")]
    channel: Channel
    automated: Flag = False
    purpose: Literal["substantive", "acknowledgement", "holding", "final_response"] | None = None
    addresses: IssueIds = None
    answers: Annotated[tuple[FullId, ...] | None, Known("ask")] = None
    resend_of: ReplyId = None
    language: Language | None = None
    closing_pleasantry: Flag | None = None
    to: PersonalText = None
    text: PersonalText = None


@event
class DeliveryConfirmed(Event):
    """A reply is known to have arrived."""

    TOLD: ClassVar[str] = "confirmed that reply {reply_id} arrived[, by {evidence}]"

    reply_id: Annotated[FullId, Known("reply")]
    evidence: Code | None = None


@event
class DeliveryFailed(Event):
    """A reply did not arrive, for good or for now (`temporary`)."""

    TOLD: ClassVar[str] = (
        "reported that reply {reply_id} did not arrive: {kind}[, code {code}]"
        "[, sent to {recipient}][: {diagnostic}]"
    )

    reply_id: Annotated[FullId, Known("reply")]
    kind: Literal["permanent", "temporary", "no_answer", "reported_missing"]
    code: Annotated[str, Kept(pattern=r"^[245]\.\d{1,3}\.\d{1,3}$")] | None = None
    """An enhanced mail system status code of RFC 3463, like 5.1.1."""
    diagnostic: PersonalText = None
    recipient: PersonalText = None


@event
class InformationRequested(Event):
    """We asked the customer for a fact: because we need it, or to verify it."""

    TOLD: ClassVar[str] = "asked the customer for {field}[ ({purpose})][, in reply {reply_id}]"

    request_id: Annotated[Id, New("request")]
    field: Code
    purpose: Literal["need", "verify"] | None = None
    reply_id: ReplyId = None


@event
class DesiredOutcomeStated(Event):
    """What the customer wants, and whether we had to be told without asking."""

    TOLD: ClassVar[str] = (
        "made the customer's wish known{asked_by_us?, when we asked:, without our asking}"
        "[, on {issue_ids}][: {wanted}]"
    )

    asked_by_us: Flag
    issue_ids: IssueIds = None
    wanted: PersonalText = None


@event
class SatisfactionRated(Event):
    """The customer rated how we did, on a scale from 1."""

    TOLD: ClassVar[str] = "rated us {rating} of {scale}[, for reply {reply_id}][: {words}]"

    rating: Annotated[int, Kept(ge=1, strict=True)]
    scale: Annotated[int, Kept(ge=2, le=1000, strict=True)]
    """The best rating that can be given; the worst is 1."""
    reply_id: ReplyId = None
    words: PersonalText = None

    def _check(self) -> None:
        if self.rating > self.scale:
            raise refused("rating", "rating is beyond the scale: it is 1 to scale")
