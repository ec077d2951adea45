"""Events about the course of a case: opened, assigned, escalated, closed, merged, corrected."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from uuid import UUID

from typing_extensions import TypedDict

from casestore.events.base import (
    Actor,
    Channel,
    Code,
    Event,
    Id,
    Identity,
    Instant,
    IssueIds,
    Known,
    New,
    PersonalText,
    ReplyId,
    event,
)
from casestore.events.made import After, adapter, refused

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter


@event
class CaseOpened(Event):
    """The first event of every case. A case belongs to one customer, for ever."""

    TOLD: ClassVar[str] = (
        "opened the case for customer {customer_id}, by {channel}[, received {received_at}]"
        "[, {product}][, {region}][, {category}][: {subject}]"
    )

    customer_id: Annotated[Id, Identity()]
    channel: Channel
    received_at: Instant | None = None
    product: Code | None = None
    region: Code | None = None
    category: Code | None = None
    subject: PersonalText = None


@event
class CaseAssigned(Event):
    """The case went to an agent, to a team, or to both."""

    TOLD: ClassVar[str] = "assigned the case[ to {agent}][, team {team}]"

    agent: Id | None = None
    team: Code | None = None

    def _check(self) -> None:
        if self.agent is None and self.team is None:
            raise refused("assigned", "name an agent, a team, or both")


@event
class CaseEscalated(Event):
    """The case was passed on to somebody who knows more or may do more."""

    TOLD: ClassVar[str] = "escalated the case to {to} ({kind}) as {escalation_id}[: {words}]"

    escalation_id: Annotated[Id, New("escalation")]
    kind: Literal["expertise", "authority", "executive", "external"]
    to: Id
    words: PersonalText = None


@event
class EscalationReturned(Event):
    """An escalation came back."""

    TOLD: ClassVar[str] = "returned the escalation {escalation_id} to {to}"

    escalation_id: Annotated[Id, Known("escalation")]
    to: Id


@event
class FinalDecisionGiven(Event):
    """Our final say."""

    TOLD: ClassVar[str] = (
        "gave the final decision {decision_id}[, on {issue_ids}][, with the authority of "
        "{authority}][, in reply {reply_id}]"
    )

    decision_id: Annotated[Id, New("decision")]
    issue_ids: IssueIds = None
    authority: Code | None = None
    reply_id: ReplyId = None


@event
class ResolutionAccepted(Event):
    """The customer is content."""

    TOLD: ClassVar[str] = "accepted the resolution[ of {issue_ids}][: {words}]"

    issue_ids: IssueIds = None
    words: PersonalText = None


@event
class ResolutionRejected(Event):
    """The customer is not content."""

    TOLD: ClassVar[str] = "rejected the resolution[ of {issue_ids}][: {words}]"

    issue_ids: IssueIds = None
    words: PersonalText = None


@event
class CaseReclassified(Event):
    """What the case is about was judged anew. What is left out stays as it was."""

    TOLD: ClassVar[str] = (
        "reclassified the case[, product {product}][, region {region}][, category {category}]"
    )

    product: Code | None = None
    region: Code | None = None
    category: Code | None = None


@event
class CaseClosed(Event):
    """We closed the case. It discharges nothing: promises stay open."""

    TOLD: ClassVar[str] = "closed the case: {reason}"

    reason: Literal[
        "resolved", "final_response", "withdrawn", "no_contact", "duplicate", "not_a_complaint"
    ]


@event
class CaseReopened(Event):
    """The case was not over."""

    TOLD: ClassVar[str] = "reopened the case[: {words}]"

    words: PersonalText = None


@event
class CaseMerged(Event):
    """This case counts under another one. A mapping: no event moves."""

    TOLD: ClassVar[str] = "merged the case into {into}"

    into: Annotated[Id, Identity()]


@event
class CaseUnmerged(Event):
    """This case counts for itself again."""

    TOLD: ClassVar[str] = "took the case out of {out_of} again"

    out_of: Annotated[Id, Identity()]


@event
class NoteAdded(Event):
    """Something that somebody thought worth writing down."""

    TOLD: ClassVar[str] = "added a note[: {text}]"

    text: PersonalText = None


# pydantic's JsonValue checks that a value is plain JSON. msgspec does not know JsonValue, so for
# msgspec the field is any object.
@cache
def _json_adapter() -> TypeAdapter[JsonValue]:
    from pydantic import JsonValue  # noqa: PLC0415  (only where an event is made)

    return adapter(JsonValue)


def _json(given: object) -> object:
    return _json_adapter().validate_python(given)


_Json = Annotated[object, After(_json)]

Change = TypedDict("Change", {"from": _Json, "to": _Json}, total=False)
"""A field's stored value before and after. A value that is left out is None (not recorded)."""


@event
class EventCorrected(Event):
    """An earlier event of the same stream was wrong. Nothing is ever edited: this is read with it.

    `changes` maps a field's name to its stored (JSON) value before and after. Ids cannot be
    amended (void the event and record it anew), nor Personal fields: `personal_changes` tells
    in words what should be read differently.
    """

    TOLD: ClassVar[str] = (
        "corrected the event {event_id}: {kind}[, {changes}], reason {reason}, authorised by "
        "{authorised_by}[: {personal_changes}]"
    )

    event_id: Annotated[UUID, Identity()]
    kind: Literal["amended", "voided"]
    reason: Literal["mistyped", "wrong_case", "duplicate", "misreported", "other"]
    authorised_by: Actor
    changes: dict[Code, Change] | None = None
    personal_changes: PersonalText = None

    def _check(self) -> None:
        if self.kind == "voided" and self.changes:
            raise refused("corrected", "a voided event has no changes; leave them out")
        if self.kind == "amended" and not self.changes and self.personal_changes is None:
            raise refused("corrected", "an amended event needs changes")
