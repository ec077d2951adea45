"""A case: what can happen to it, what that makes true, and what may happen next.

`evolve` takes a case and an event and gives the case after it. `check` gives the reason why
structure does not allow an event, or None. Both are pure and know every event of a case stream:
a new one without its arm fails type checking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, assert_never

import msgspec
from msgspec.structs import replace

from casestore.events import (
    ApologyGiven,
    Ask,
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseEvent,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
    DeliveryConfirmed,
    DeliveryFailed,
    DesiredOutcomeStated,
    EscalationReturned,
    EventCorrected,
    FinalDecisionGiven,
    FindingMade,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    InformationRequested,
    IssueRaised,
    MessageReceived,
    Money,
    NoteAdded,
    OperationsConsulted,
    OperationsReplied,
    OptionChosen,
    OptionsOffered,
    PromiseAttempted,
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
    QualityAssessed,
    Ref,
    RemedyGiven,
    RemedyReversed,
    ReplySent,
    RequestRefused,
    ResolutionAccepted,
    ResolutionRejected,
    SatisfactionRated,
    StatementMade,
    StatementRetracted,
)
from casestore.events.markers import places
from casestore.policy.authority import check_gesture
from casestore.streams.checks import (
    NO_CONTEXT,
    Context,
    check_correction,
    check_ids,
    check_values,
    known_ids,
)
from casestore.streams.standing import Standing, stand


class Reply(msgspec.Struct, frozen=True):
    """A reply and whether it is known not to have arrived."""

    sent_at: datetime
    channel: str
    automated: bool
    resend_of: str | None = None
    undelivered: bool = False
    heard_at: datetime | None = None
    """The time of the latest news of its delivery."""


class Promise(msgspec.Struct, frozen=True):
    """A promise and what became of it. Whether it is late is a question of when one asks."""

    kind: str
    made_at: datetime
    due_at: datetime | None
    """The time that judges it: moved only where the customer agreed before it had passed."""
    status: Literal["open", "kept", "released", "withdrawn"] = "open"
    kept_at: datetime | None = None
    kept_by: Ref | None = None
    renegotiations: int = 0


class Gesture(msgspec.Struct, frozen=True):
    """A gesture of goodwill."""

    kind: str
    value: Money | None
    given_at: datetime
    status: Literal["given", "declined", "reversed"] = "given"


class Case(Standing, frozen=True, kw_only=True):
    """The present state of a case. `Case(case_id=...)` is one to which nothing has happened."""

    case_id: str
    issues: Mapping[str, str | None] = {}
    """Category by issue id."""
    asks: Mapping[str, Ask] = {}
    replies: Mapping[str, Reply] = {}
    promises: Mapping[str, Promise] = {}
    offers: Mapping[str, tuple[str, ...]] = {}
    """Option ids by offer id."""
    gestures: Mapping[str, Gesture] = {}
    escalations: Mapping[str, str] = {}
    """To whom, by escalation id, for those not returned yet."""
    last_event_at: datetime | None = None
    promises_elsewhere: Mapping[str, str] = {}
    """What became, as told here, of promises of other cases of the family, by "case_id/id"."""
    ids: Mapping[str, frozenset[str]] = {}
    """Every id in the stream, by kind."""

    def arrived(self, reply_id: str) -> bool:
        """Whether a reply arrived as far as is known, itself or by a resend of it."""
        sent = {reply_id}
        for each, reply in self.replies.items():  # a resend comes after what it repeats
            if each in sent or reply.resend_of in sent:
                if not reply.undelivered:
                    return True
                sent.add(each)
        return False

    def is_kept(self, promise_id: str) -> bool:
        """Whether a promise is kept: one kept by a reply is not, if that proved undelivered."""
        promise = self.promises[promise_id]
        if promise.status != "kept":
            return False
        by = promise.kept_by
        return by is None or by.kind != "reply" or by.id not in self.replies or self.arrived(by.id)


def evolve(case: Case, event: CaseEvent) -> Case:
    """The case after an event."""
    case = _apply(case, event)
    last = case.last_event_at
    if last is None or event.occurred_at > last:
        last = event.occurred_at
    return replace(case, ids=known_ids(case.ids, event), last_event_at=last)


def _apply(case: Case, event: CaseEvent) -> Case:
    match event:
        case MessageReceived():
            asks = {ask.ask_id: ask for ask in event.asks or ()}
            case = replace(case, asks={**case.asks, **asks}) if asks else case
            return _delivery(case, event, event.says_not_received or (), undelivered=True)
        case ReplySent():
            reply = Reply(event.occurred_at, event.channel, event.automated, event.resend_of)
            return replace(case, replies={**case.replies, event.reply_id: reply})
        case DeliveryConfirmed():
            return _delivery(case, event, (event.reply_id,), undelivered=False)
        case DeliveryFailed():
            if event.kind == "temporary":
                return case
            return _delivery(case, event, (event.reply_id,), undelivered=True)
        case (
            CaseOpened()
            | CaseAssigned()
            | CaseReclassified()
            | CaseClosed()
            | CaseReopened()
            | CaseMerged()
            | CaseUnmerged()
        ):
            return stand(case, event)
        case IssueRaised():
            return replace(case, issues={**case.issues, event.issue_id: event.category})
        case PromiseMade():
            promise = Promise(event.kind, event.occurred_at, event.due_at)
            return replace(case, promises={**case.promises, event.promise_id: promise})
        case PromiseKept():
            return _promise(
                case, event.promise_id, status="kept", kept_at=event.occurred_at, kept_by=event.by
            )
        case PromiseRenegotiated():
            return _renegotiated(case, event)
        case PromiseReleased():
            return _promise(case, event.promise_id, status="released")
        case PromiseWithdrawn():
            return _promise(case, event.promise_id, status="withdrawn")
        case OptionsOffered():
            options = tuple(option.option_id for option in event.options)
            return replace(case, offers={**case.offers, event.offer_id: options})
        case GestureGiven():
            gesture = Gesture(event.kind, event.value, event.occurred_at)
            return replace(case, gestures={**case.gestures, event.gesture_id: gesture})
        case GestureDeclined():
            return _gesture(case, event.gesture_id, "declined")
        case GestureReversed():
            return _gesture(case, event.gesture_id, "reversed")
        case CaseEscalated():
            return replace(case, escalations={**case.escalations, event.escalation_id: event.to})
        case EscalationReturned():
            open_ones = {k: v for k, v in case.escalations.items() if k != event.escalation_id}
            return replace(case, escalations=open_ones)
        case (
            ApologyGiven()
            | DesiredOutcomeStated()
            | EventCorrected()  # applied by History, before anything is folded
            | FinalDecisionGiven()
            | FindingMade()
            | InformationRequested()
            | NoteAdded()
            | OperationsConsulted()
            | OperationsReplied()
            | OptionChosen()
            | PromiseAttempted()
            | QualityAssessed()
            | RemedyGiven()
            | RemedyReversed()
            | RequestRefused()
            | ResolutionAccepted()
            | ResolutionRejected()
            | SatisfactionRated()
            | StatementMade()
            | StatementRetracted()
        ):
            return case
        case _:
            assert_never(event)


def _delivery(case: Case, event: CaseEvent, reply_ids: Iterable[str], *, undelivered: bool) -> Case:
    """What was heard of replies. News may come late: the latest by its own time counts."""
    at = event.occurred_at
    changed = {}
    for each in reply_ids:
        reply = case.replies.get(each)
        if reply is not None and (reply.heard_at is None or reply.heard_at <= at):
            changed[each] = replace(reply, undelivered=undelivered, heard_at=at)
    return replace(case, replies={**case.replies, **changed}) if changed else case


def _promise(case: Case, promise_id: str, **changes: object) -> Case:
    if promise_id not in case.promises:  # of another case, or left out of the selection
        if "/" not in promise_id or "status" not in changes:
            return case
        elsewhere = {**case.promises_elsewhere, promise_id: str(changes["status"])}
        return replace(case, promises_elsewhere=elsewhere)
    promise = replace(case.promises[promise_id], **changes)
    return replace(case, promises={**case.promises, promise_id: promise})


def _renegotiated(case: Case, event: PromiseRenegotiated) -> Case:
    promise = case.promises.get(event.promise_id)
    if promise is None:
        return case
    in_time = promise.due_at is None or event.occurred_at <= promise.due_at
    due_at = event.due_at if event.agreed_by_customer and in_time else promise.due_at
    count = promise.renegotiations + 1
    return _promise(case, event.promise_id, due_at=due_at, renegotiations=count)


def _gesture(case: Case, gesture_id: str, status: str) -> Case:
    if gesture_id not in case.gestures:
        return case
    gesture = replace(case.gestures[gesture_id], status=status)
    return replace(case, gestures={**case.gestures, gesture_id: gesture})


def check(case: Case, event: CaseEvent, context: Context = NO_CONTEXT) -> str | None:
    """Why structure refuses an event on this case, in words; None where it does not."""
    if case.status is None and not isinstance(event, CaseOpened):
        return "the case is not open yet; its first event must be CaseOpened"
    return (
        check_values(event, context.now)
        or check_ids(case.ids, event, case.case_id, context.family)
        or _check(case, event, context)
    )


def _check(case: Case, event: CaseEvent, context: Context) -> str | None:
    match event:
        case (
            MessageReceived()
            | ReplySent()
            | NoteAdded()
            | CaseAssigned()
            | DeliveryConfirmed()
            | DeliveryFailed()
            | IssueRaised()
            | FindingMade()
            | ApologyGiven()
            | CaseEscalated()
            | CaseReclassified()
            | DesiredOutcomeStated()
            | EscalationReturned()
            | FinalDecisionGiven()
            | GestureDeclined()
            | GestureReversed()
            | InformationRequested()
            | OperationsConsulted()
            | OperationsReplied()
            | OptionsOffered()
            | PromiseAttempted()
            | QualityAssessed()
            | RemedyGiven()
            | RemedyReversed()
            | RequestRefused()
            | ResolutionAccepted()
            | ResolutionRejected()
            | SatisfactionRated()
            | StatementRetracted()
        ):
            return None  # facts, good or bad: their ids are all that structure asks about
        case GestureGiven():
            if context.goodwill is not None:
                return check_gesture(event, context.goodwill)
        case CaseOpened():
            if case.status is not None:
                return "the case is open already; reopen it with CaseReopened, or use another id"
        case PromiseMade():
            if event.due_at is not None and event.due_at <= event.occurred_at:
                return "due_at is not after occurred_at; a promise is for the future"
        case PromiseKept() | PromiseReleased() | PromiseWithdrawn():
            return _check_promise(case, event.promise_id, context)
        case PromiseRenegotiated():
            if event.due_at <= event.occurred_at:
                return "due_at is not after occurred_at; a promise is for the future"
            return _check_promise(case, event.promise_id, context)
        case CaseClosed():
            if case.status == "closed":
                return "the case is closed already; reopen it first"
        case CaseReopened():
            if case.status != "closed":
                return "the case is open already; only a closed case can be reopened"
        case OptionChosen():
            chosen = event.option_id
            if chosen is not None and chosen not in case.offers.get(event.offer_id, ()):
                return f"option {chosen!r} was not in offer {event.offer_id!r}; name one that was"
        case StatementMade():
            return _check_supersedes(case, event.supersedes)
        case CaseMerged():
            return _check_merge(case, event.into, context)
        case CaseUnmerged():
            if case.merged_into != event.out_of:
                return f"the case is not merged into {event.out_of!r}; name the one that it is in"
        case EventCorrected():
            return check_correction(event, context)
        case _:
            assert_never(event)
    return None


def _check_promise(case: Case, promise_id: str, context: Context) -> str | None:
    status = _promise_status(case, promise_id, context)
    if status is None:
        return None
    return f"promise {promise_id!r} is {status} already; make a new promise instead"


def _promise_status(case: Case, promise_id: str, context: Context) -> str | None:
    """What ended a promise, as far as this case and those that it leads to tell; None: nothing."""
    family: Mapping[str, Case] = context.family or {}
    owner, inner = case, promise_id
    if promise_id not in case.promises:
        for case_id, rest in places(promise_id):
            other = case if case_id == case.case_id else family.get(case_id)
            if other is not None and rest in other.promises:
                owner, inner = other, rest
    if inner not in owner.promises:
        return None  # a replay, which knows of no other case
    own = owner.promises[inner]
    if own.status != "open" and not (own.status == "kept" and not owner.is_kept(inner)):
        return own.status
    full_id = f"{owner.case_id}/{inner}"
    told = (each.promises_elsewhere.get(full_id) for each in (case, *family.values()))
    return next((status for status in told if status is not None), None)


def _check_supersedes(case: Case, supersedes: str | None) -> str | None:
    known = case.ids.get("statement", ())
    if supersedes is None or "/" not in supersedes or supersedes in known:
        return None  # a plain id was looked for with all the others
    if supersedes.removeprefix(f"{case.case_id}/") in known:
        return None  # one of this case, by its whole name
    other, slash, _ = supersedes.rpartition("/")
    if slash and other and other != case.case_id:
        return None  # a statement of another case, taken at its word
    return (
        f"statement {supersedes!r} is not known here; record it first, or write "
        "case_id/statement_id for one of another case"
    )


def _check_merge(case: Case, into: str, context: Context) -> str | None:
    if into == case.case_id:
        return "a case cannot be merged into itself; name the case that it counts under"
    if context.related is None:
        return None
    target: Case | None = context.related[f"case:{into}"]
    if target is None or target.status is None:
        return f"there is no case {into!r} to merge into; open it first, or correct the id"
    if target.merged_into is not None:
        return f"case {into!r} is itself merged, into {target.merged_into!r}; merge into that one"
    return None
