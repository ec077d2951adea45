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
    """A new id for the grievance, by which replies, findings and remedies name it."""
    category: Code | None = None
    """What kind of grievance it is; left out, that of the case."""
    loss: Money | None = None
    """What it cost the customer. Gestures are held against it."""
    summary: PersonalText = None
    """The grievance, in words."""


@value
class Ask:
    """Something that the customer asks for in a message."""

    ask_id: Annotated[Id, New("ask")]
    """A new id, by which replies, promises and refusals name what they answer."""
    kind: Literal["question", "action", "compensation", "future_contact"]
    """What is wanted: an answer, that something is done, money or the like, or to hear from us."""


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
    """A new id for the message."""
    channel: Channel
    """How they got in touch."""
    issue_ids: IssueIds = None
    """The grievances that it is about. One that no message before it names makes it wait for an
    answer."""
    asks: tuple[Ask, ...] | None = None
    """What they ask for, each with an id of its own. A message with an ask waits for an answer."""
    provides: Codes = None
    """Which facts it gives us, like card_number: we ought not to ask for them again."""
    says_not_received: Annotated[tuple[FullId, ...] | None, Known("reply")] = None
    """The replies that they say never came. They count as undelivered from then on."""
    says_unanswered: Annotated[tuple[FullId, ...] | None, Known("ask")] = None
    """The asks that they say were not answered. They are open again."""
    sentiment: Literal["calm", "upset", "angry"] | None = None
    """How they sounded."""
    automated: Flag | None = None
    """Whether a machine sent it. It is then no contact and never waits for an answer."""
    text: PersonalText = None
    """What they wrote, or what was said."""


@event
class ReplySent(Event):
    """We answered, or a machine did (`automated`)."""

    TOLD: ClassVar[str] = (
        "sent {automated?an automated :}reply {reply_id} by {channel}[, {purpose}]"
        "[, again for {resend_of}][, on {addresses}][, answering {answers}][, in {language}]"
        "{closing_pleasantry?, closing with a pleasantry:}[, to {to}][: {text}]"
    )

    reply_id: Annotated[Id, New("reply")]
    """A new id for the reply."""
    channel: Channel
    """How we answered."""
    automated: Flag = False
    """Whether a machine wrote it. Then it answers nobody, and ends no waiting."""
    purpose: Literal["substantive", "acknowledgement", "holding", "final_response"] | None = None
    """What it is for. An acknowledgement or a holding reply (we are looking into it) is not meant
    to answer yet; a final_response is our last word."""
    addresses: IssueIds = None
    """The grievances that it goes into; an empty list says none."""
    answers: Annotated[tuple[FullId, ...] | None, Known("ask")] = None
    """The asks that it answers; an empty list says none."""
    resend_of: ReplyId = None
    """The reply that it sends again. It stands for that one from its own time."""
    language: Language | None = None
    """The language that it is in, like en or pt-BR; it is held against what the customer wants."""
    closing_pleasantry: Flag | None = None
    """Whether it ends with a good wish. Over something unsettled, that is a lapse."""
    to: PersonalText = None
    """The address or number that it went to."""
    text: PersonalText = None
    """What we wrote, or what was said."""


@event
class DeliveryConfirmed(Event):
    """A reply is known to have arrived."""

    TOLD: ClassVar[str] = "confirmed that reply {reply_id} arrived[, by {evidence}]"

    reply_id: Annotated[FullId, Known("reply")]
    """The reply that arrived."""
    evidence: Code | None = None
    """What shows it, by a code of yours: a receipt, a registered letter's number."""


@event
class DeliveryFailed(Event):
    """A reply did not arrive, for good or for now (`temporary`)."""

    TOLD: ClassVar[str] = (
        "reported that reply {reply_id} did not arrive: {kind}[, code {code}]"
        "[, sent to {recipient}][: {diagnostic}]"
    )

    reply_id: Annotated[FullId, Known("reply")]
    """The reply that did not arrive."""
    kind: Literal["permanent", "temporary", "no_answer", "reported_missing"]
    """How it failed. A temporary failure says only that it is late: the reply is not
    undelivered."""
    code: Annotated[str, Kept(pattern=r"^[245]\.\d{1,3}\.\d{1,3}$")] | None = None
    """An enhanced mail system status code of RFC 3463, like 5.1.1."""
    diagnostic: PersonalText = None
    """What the mail system said."""
    recipient: PersonalText = None
    """The address or number that it could not reach."""


@event
class InformationRequested(Event):
    """We asked the customer for a fact: because we need it, or to verify it."""

    TOLD: ClassVar[str] = "asked the customer for {field}[ ({purpose})][, in reply {reply_id}]"

    request_id: Annotated[Id, New("request")]
    """A new id for the request."""
    field: Code
    """Which fact we asked for, by its code, like residential_address."""
    purpose: Literal["need", "verify"] | None = None
    """Whether we need it, or verify what we know. To verify is not to ask again."""
    reply_id: ReplyId = None
    """The reply in which we asked. We wait for the customer from when it arrived."""


@event
class DesiredOutcomeStated(Event):
    """What the customer wants, and whether we had to be told without asking."""

    TOLD: ClassVar[str] = (
        "made the customer's wish known{asked_by_us?, when we asked:, without our asking}"
        "[, on {issue_ids}][: {wanted}]"
    )

    asked_by_us: Flag
    """Whether we asked them what they want."""
    issue_ids: IssueIds = None
    """What it is about; left out, the whole case."""
    wanted: PersonalText = None
    """What they want, in words."""


@event
class SatisfactionRated(Event):
    """The customer rated how we did, on a scale from 1."""

    TOLD: ClassVar[str] = "rated us {rating} of {scale}[, for reply {reply_id}][: {words}]"

    rating: Annotated[int, Kept(ge=1, strict=True)]
    """The rating, from 1 (the worst)."""
    scale: Annotated[int, Kept(ge=2, le=1000, strict=True)]
    """The best rating that can be given; the worst is 1."""
    reply_id: ReplyId = None
    """The reply that was rated; left out, the case as a whole."""
    words: PersonalText = None
    """What they said along with it."""

    def _check(self) -> None:
        if self.rating > self.scale:
            raise refused("rating", "rating is beyond the scale: it is 1 to scale")
