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
    """Whose case it is; everything said in it is sealed with this customer's key."""
    channel: Channel
    """How the complaint reached us."""
    received_at: Instant | None = None
    """When it reached us, where that was before the case was opened. All times to answer and to
    resolve are counted from it."""
    product: Code | None = None
    """What was bought or used, by a code."""
    region: Code | None = None
    """Where, by a code."""
    category: Code | None = None
    """What kind of complaint it is, by a code."""
    subject: PersonalText = None
    """The complaint in a line."""


@event
class CaseAssigned(Event):
    """The case went to an agent, to a team, or to both."""

    TOLD: ClassVar[str] = "assigned the case[ to {agent}][, team {team}]"

    agent: Id | None = None
    """Who has the case from now on. Left out, nobody has it if the team is another one."""
    team: Code | None = None
    """Which team has it from now on; left out, the same as before."""

    def _check(self) -> None:
        if self.agent is None and self.team is None:
            raise refused("assigned", "name an agent, a team, or both")


@event
class CaseEscalated(Event):
    """The case was passed on to somebody who knows more or may do more."""

    TOLD: ClassVar[str] = "escalated the case to {to} ({kind}) as {escalation_id}[: {words}]"

    escalation_id: Annotated[Id, New("escalation")]
    """A new id for the escalation."""
    kind: Literal["expertise", "authority", "executive", "external"]
    """To whom it went up: somebody who knows more (expertise) or may do more (authority), an
    executive, or somebody outside, like an ombudsman."""
    to: Id
    """Who has it now: an id or a code."""
    words: PersonalText = None
    """Why, in words."""


@event
class EscalationReturned(Event):
    """An escalation came back."""

    TOLD: ClassVar[str] = "returned the escalation {escalation_id} to {to}"

    escalation_id: Annotated[Id, Known("escalation")]
    """The escalation that came back."""
    to: Id
    """Who has the case again."""


@event
class FinalDecisionGiven(Event):
    """Our final say."""

    TOLD: ClassVar[str] = (
        "gave the final decision {decision_id}[, on {issue_ids}][, with the authority of "
        "{authority}][, in reply {reply_id}]"
    )

    decision_id: Annotated[Id, New("decision")]
    """A new id for the decision."""
    issue_ids: IssueIds = None
    """What it decides; left out, the grievances that were open then."""
    authority: Code | None = None
    """The role in whose name it was given, where that is not the actor's own. A policy says which
    roles have the final say."""
    reply_id: ReplyId = None
    """The reply in which it was given. What that reply gives is part of the decision."""


@event
class ResolutionAccepted(Event):
    """The customer is content."""

    TOLD: ClassVar[str] = "accepted the resolution[ of {issue_ids}][: {words}]"

    issue_ids: IssueIds = None
    """The grievances that they hold to be settled; left out, all that were open then."""
    words: PersonalText = None
    """What they said."""


@event
class ResolutionRejected(Event):
    """The customer is not content."""

    TOLD: ClassVar[str] = "rejected the resolution[ of {issue_ids}][: {words}]"

    issue_ids: IssueIds = None
    """The grievances that are not settled, and are open again; left out, all that were raised."""
    words: PersonalText = None
    """What they said."""


@event
class CaseReclassified(Event):
    """What the case is about was judged anew. What is left out stays as it was."""

    TOLD: ClassVar[str] = (
        "reclassified the case[, product {product}][, region {region}][, category {category}]"
    )

    product: Code | None = None
    """The product that it turned out to be about."""
    region: Code | None = None
    """The region that it turned out to be about."""
    category: Code | None = None
    """The category that it turned out to belong to."""


@event
class CaseClosed(Event):
    """We closed the case. It discharges nothing: promises stay open."""

    TOLD: ClassVar[str] = "closed the case: {reason}"

    reason: Literal[
        "resolved", "final_response", "withdrawn", "no_contact", "duplicate", "not_a_complaint"
    ]
    """Why. What is closed as duplicate or not_a_complaint is counted as no complaint."""


@event
class CaseReopened(Event):
    """The case was not over."""

    TOLD: ClassVar[str] = "reopened the case[: {words}]"

    words: PersonalText = None
    """Why, in words."""


@event
class CaseMerged(Event):
    """This case counts under another one. A mapping: no event moves."""

    TOLD: ClassVar[str] = "merged the case into {into}"

    into: Annotated[Id, Identity()]
    """The case under which it counts from now on. Until it is unmerged, both are read as one."""


@event
class CaseUnmerged(Event):
    """This case counts for itself again."""

    TOLD: ClassVar[str] = "took the case out of {out_of} again"

    out_of: Annotated[Id, Identity()]
    """The case under which it had counted."""


@event
class NoteAdded(Event):
    """Something that somebody thought worth writing down."""

    TOLD: ClassVar[str] = "added a note[: {text}]"

    text: PersonalText = None
    """The note."""


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
    """The event that was wrong, by its event id, which receipts, timelines and exports show."""
    kind: Literal["amended", "voided"]
    """Whether it is to be read otherwise (amended), or as if it had never been told (voided)."""
    reason: Literal["mistyped", "wrong_case", "duplicate", "misreported", "other"]
    """Why it was wrong."""
    authorised_by: Actor
    """Who allowed the correction."""
    changes: dict[Code, Change] | None = None
    """By field, its stored value before (from) and after (to). Of a voided event there are none."""
    personal_changes: PersonalText = None
    """What is to be read otherwise in the words, in words."""

    def _check(self) -> None:
        if self.kind == "voided" and self.changes:
            raise refused("corrected", "a voided event has no changes; leave them out")
        if self.kind == "amended" and not self.changes and self.personal_changes is None:
            raise refused("corrected", "an amended event needs changes")
