"""The vocabulary: every event that a case history can hold, one module per theme.

`CaseEvent`, `CustomerEvent` and `PolicyEvent` say which events each kind of stream holds. They are
unions, so that a type checker finds every `match` that does not handle a new event yet.
"""

from typing import get_args

from casestore.events.amends import (
    ApologyGiven,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    Option,
    OptionChosen,
    OptionsOffered,
    RemedyGiven,
    RemedyReversed,
)
from casestore.events.base import SPOKEN, Actor, Channel, Event, Instant, Known, Money, New, Ref
from casestore.events.contact import (
    Ask,
    DeliveryConfirmed,
    DeliveryFailed,
    DesiredOutcomeStated,
    InformationRequested,
    IssueRaised,
    MessageReceived,
    ReplySent,
    SatisfactionRated,
)
from casestore.events.course import (
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
    Change,
    EscalationReturned,
    EventCorrected,
    FinalDecisionGiven,
    NoteAdded,
    ResolutionAccepted,
    ResolutionRejected,
)
from casestore.events.customers import (
    CustomerFactRecorded,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    ErasureRequested,
    HoldPlaced,
    HoldReleased,
    PersonalDataErased,
    PreferenceStated,
    PreferenceWithdrawn,
)
from casestore.events.judgement import (
    FindingMade,
    OperationsConsulted,
    OperationsReplied,
    QualityAssessed,
    RequestRefused,
    StatementMade,
    StatementRetracted,
)
from casestore.events.policy import PolicyAdopted
from casestore.events.promises import (
    PromiseAttempted,
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
)

CaseEvent = (
    CaseOpened
    | IssueRaised
    | MessageReceived
    | ReplySent
    | DeliveryConfirmed
    | DeliveryFailed
    | InformationRequested
    | DesiredOutcomeStated
    | OperationsConsulted
    | OperationsReplied
    | FindingMade
    | StatementMade
    | StatementRetracted
    | RequestRefused
    | OptionsOffered
    | OptionChosen
    | ApologyGiven
    | PromiseMade
    | PromiseKept
    | PromiseAttempted
    | PromiseRenegotiated
    | PromiseReleased
    | PromiseWithdrawn
    | SatisfactionRated
    | RemedyGiven
    | RemedyReversed
    | GestureGiven
    | GestureDeclined
    | GestureReversed
    | CaseAssigned
    | CaseEscalated
    | EscalationReturned
    | FinalDecisionGiven
    | ResolutionAccepted
    | ResolutionRejected
    | CaseReclassified
    | CaseClosed
    | CaseReopened
    | CaseMerged
    | CaseUnmerged
    | QualityAssessed
    | NoteAdded
    | EventCorrected
)
CustomerEvent = (
    CustomerRegistered
    | CustomerFactRecorded
    | PreferenceStated
    | PreferenceWithdrawn
    | CustomerMerged
    | CustomerUnmerged
    | ErasureRequested
    | PersonalDataErased
    | HoldPlaced
    | HoldReleased
    | EventCorrected
)
PolicyEvent = PolicyAdopted

EVENTS: dict[str, tuple[type[Event], ...]] = {
    "case": get_args(CaseEvent),
    "customer": get_args(CustomerEvent),
    "policy": (PolicyAdopted,),
}
"""The event classes that each kind of stream holds, in the order of the vocabulary."""

VOCABULARY: tuple[type[Event], ...] = tuple(
    dict.fromkeys(cls for classes in EVENTS.values() for cls in classes)
)
"""Every event class, each once."""

__all__ = [
    "EVENTS",
    "SPOKEN",
    "VOCABULARY",
    "Actor",
    "ApologyGiven",
    "Ask",
    "CaseAssigned",
    "CaseClosed",
    "CaseEscalated",
    "CaseEvent",
    "CaseMerged",
    "CaseOpened",
    "CaseReclassified",
    "CaseReopened",
    "CaseUnmerged",
    "Change",
    "Channel",
    "CustomerEvent",
    "CustomerFactRecorded",
    "CustomerMerged",
    "CustomerRegistered",
    "CustomerUnmerged",
    "DeliveryConfirmed",
    "DeliveryFailed",
    "DesiredOutcomeStated",
    "ErasureRequested",
    "EscalationReturned",
    "Event",
    "EventCorrected",
    "FinalDecisionGiven",
    "FindingMade",
    "GestureDeclined",
    "GestureGiven",
    "GestureReversed",
    "HoldPlaced",
    "HoldReleased",
    "InformationRequested",
    "Instant",
    "IssueRaised",
    "Known",
    "MessageReceived",
    "Money",
    "New",
    "NoteAdded",
    "OperationsConsulted",
    "OperationsReplied",
    "Option",
    "OptionChosen",
    "OptionsOffered",
    "PersonalDataErased",
    "PolicyAdopted",
    "PolicyEvent",
    "PreferenceStated",
    "PreferenceWithdrawn",
    "PromiseAttempted",
    "PromiseKept",
    "PromiseMade",
    "PromiseReleased",
    "PromiseRenegotiated",
    "PromiseWithdrawn",
    "QualityAssessed",
    "Ref",
    "RemedyGiven",
    "RemedyReversed",
    "ReplySent",
    "RequestRefused",
    "ResolutionAccepted",
    "ResolutionRejected",
    "SatisfactionRated",
    "StatementMade",
    "StatementRetracted",
]
