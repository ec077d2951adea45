"""casestore: an event-sourced case-history engine for customer complaints.

with CaseStore.open("sqlite:///complaints.db") as store:
    store.append("case:4711", PromiseMade(...), key="crm-99812")

What a service imports stands here, and docs/python.md explains it. Each name is imported from its
module when it is first asked for.
"""

from typing import TYPE_CHECKING

from casestore.system.on_demand import on_demand

if TYPE_CHECKING:
    from casestore.append.request import Append, Outcome, Receipt, Retry
    from casestore.errors import (
        ArchiveDamaged,
        ArchiveRefused,
        BadSignature,
        BundleRefused,
        CannotTell,
        CaseStoreError,
        ConcurrencyConflict,
        CustomerErased,
        EventRefused,
        FoldRefused,
        HistoryChanged,
        IdempotencyConflict,
        InvalidEvent,
        InvalidMapping,
        InvalidNote,
        InvalidPolicy,
        InvalidStream,
        KeyFileError,
        Mistake,
        NotRelayed,
        NotSigned,
        ProofRefused,
        SealRefused,
        StoreDamaged,
        StoreExists,
        StoreNotFound,
        StoreUnavailable,
        StreamNotFound,
        UnreadableInput,
    )
    from casestore.events import *  # noqa: F403  (the vocabulary is the interface)
    from casestore.events.policy_document import Calendar, Conduct, Document, Goodwill, Limit, Role
    from casestore.journal.application import Journal
    from casestore.store import CaseStore
    from casestore.streams.case import Case, Gesture, Keeping, Promise, Reply
    from casestore.streams.customer import Customer
    from casestore.streams.history import (
        Cursor,
        Erased,
        History,
        Metadata,
        Moment,
        Privacy,
        Recorded,
        Withheld,
    )
    from casestore.streams.merged import Merge, Roots
    from casestore.streams.policies import Adopted, Policies
    from casestore.streams.standing import Standing

_NAMES = {
    "casestore.append.request": "Append Outcome Receipt Retry",
    "casestore.errors": (
        "ArchiveDamaged ArchiveRefused "
        "BadSignature BundleRefused CannotTell CaseStoreError ConcurrencyConflict "
        "CustomerErased EventRefused FoldRefused HistoryChanged IdempotencyConflict InvalidEvent "
        "InvalidMapping InvalidNote InvalidPolicy InvalidStream KeyFileError Mistake NotRelayed "
        "NotSigned ProofRefused SealRefused StoreDamaged StoreExists StoreNotFound "
        "StoreUnavailable StreamNotFound UnreadableInput"
    ),
    "casestore.events": (
        "EVENTS SPOKEN VOCABULARY Actor ApologyGiven Ask CaseAssigned CaseClosed "
        "CaseEscalated CaseEvent CaseMerged CaseOpened CaseReclassified CaseReopened "
        "CaseUnmerged Change Channel CustomerEvent CustomerFactRecorded CustomerMerged "
        "CustomerRegistered CustomerUnmerged DeliveryConfirmed DeliveryFailed "
        "DesiredOutcomeStated ErasureRequested EscalationReturned Event EventCorrected "
        "FinalDecisionGiven FindingMade GestureDeclined GestureGiven GestureReversed "
        "HoldPlaced HoldReleased InformationRequested Instant IssueRaised Known "
        "MessageReceived Money New NoteAdded OperationsConsulted OperationsReplied Option "
        "OptionChosen OptionsOffered PersonalDataErased PolicyAdopted PolicyEvent "
        "PreferenceStated PreferenceWithdrawn PromiseAttempted PromiseKept PromiseMade "
        "PromiseReleased PromiseRenegotiated PromiseWithdrawn QualityAssessed Ref "
        "RemedyGiven RemedyReversed ReplySent RequestRefused ResolutionAccepted ResolutionRejected "
        "SatisfactionRated StatementMade StatementRetracted"
    ),
    "casestore.events.policy_document": "Calendar Conduct Document Goodwill Limit Role",
    "casestore.journal.application": "Journal",
    "casestore.store": "CaseStore",
    "casestore.streams.case": "Case Gesture Keeping Promise Reply",
    "casestore.streams.customer": "Customer",
    "casestore.streams.history": "Cursor Erased History Metadata Moment Privacy Recorded Withheld",
    "casestore.streams.merged": "Merge Roots",
    "casestore.streams.policies": "Adopted Policies",
    "casestore.streams.standing": "Standing",
}

if not TYPE_CHECKING:  # a type checker would take any name to be here
    __getattr__, __dir__ = on_demand(__name__, _NAMES)

__all__ = [
    "EVENTS",
    "SPOKEN",
    "VOCABULARY",
    "Actor",
    "Adopted",
    "ApologyGiven",
    "Append",
    "ArchiveDamaged",
    "ArchiveRefused",
    "Ask",
    "BadSignature",
    "BundleRefused",
    "Calendar",
    "CannotTell",
    "Case",
    "CaseAssigned",
    "CaseClosed",
    "CaseEscalated",
    "CaseEvent",
    "CaseMerged",
    "CaseOpened",
    "CaseReclassified",
    "CaseReopened",
    "CaseStore",
    "CaseStoreError",
    "CaseUnmerged",
    "Change",
    "Channel",
    "ConcurrencyConflict",
    "Conduct",
    "Cursor",
    "Customer",
    "CustomerErased",
    "CustomerEvent",
    "CustomerFactRecorded",
    "CustomerMerged",
    "CustomerRegistered",
    "CustomerUnmerged",
    "DeliveryConfirmed",
    "DeliveryFailed",
    "DesiredOutcomeStated",
    "Document",
    "Erased",
    "ErasureRequested",
    "EscalationReturned",
    "Event",
    "EventCorrected",
    "EventRefused",
    "FinalDecisionGiven",
    "FindingMade",
    "FoldRefused",
    "Gesture",
    "GestureDeclined",
    "GestureGiven",
    "GestureReversed",
    "Goodwill",
    "History",
    "HistoryChanged",
    "HoldPlaced",
    "HoldReleased",
    "IdempotencyConflict",
    "InformationRequested",
    "Instant",
    "InvalidEvent",
    "InvalidMapping",
    "InvalidNote",
    "InvalidPolicy",
    "InvalidStream",
    "IssueRaised",
    "Journal",
    "Keeping",
    "KeyFileError",
    "Known",
    "Limit",
    "Merge",
    "MessageReceived",
    "Metadata",
    "Mistake",
    "Moment",
    "Money",
    "New",
    "NotRelayed",
    "NotSigned",
    "NoteAdded",
    "OperationsConsulted",
    "OperationsReplied",
    "Option",
    "OptionChosen",
    "OptionsOffered",
    "Outcome",
    "PersonalDataErased",
    "Policies",
    "PolicyAdopted",
    "PolicyEvent",
    "PreferenceStated",
    "PreferenceWithdrawn",
    "Privacy",
    "Promise",
    "PromiseAttempted",
    "PromiseKept",
    "PromiseMade",
    "PromiseReleased",
    "PromiseRenegotiated",
    "PromiseWithdrawn",
    "ProofRefused",
    "QualityAssessed",
    "Receipt",
    "Recorded",
    "Ref",
    "RemedyGiven",
    "RemedyReversed",
    "Reply",
    "ReplySent",
    "RequestRefused",
    "ResolutionAccepted",
    "ResolutionRejected",
    "Retry",
    "Role",
    "Roots",
    "SatisfactionRated",
    "SealRefused",
    "Standing",
    "StatementMade",
    "StatementRetracted",
    "StoreDamaged",
    "StoreExists",
    "StoreNotFound",
    "StoreUnavailable",
    "StreamNotFound",
    "UnreadableInput",
    "Withheld",
]
