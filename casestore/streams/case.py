"""The state of a case, how each event changes it, and which events structure refuses.

`evolve` takes a case and an event and returns the case after it. `check` returns the reason why
structure refuses an event, or None. Both are pure functions and match every event of a case stream:
type checking fails if an event has no arm.
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
from casestore.policy.authority import check_gesture
from casestore.streams.checks import (
    NO_CONTEXT,
    Context,
    check_correction,
    check_ids,
    check_values,
    known_ids,
)
from casestore.streams.growing import put, put_all, take_out
from casestore.streams.promise_state import PromiseState, promise_state
from casestore.streams.standing import Standing, stand


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A reply and whether it is known not to have arrived."""

    sent_at: datetime
    channel: str
    automated: bool
    resend_of: str | None = None
    undelivered: bool = False
    heard_at: datetime | None = None
    """When the latest news of its delivery happened."""


class Keeping(msgspec.Struct, frozen=True, gc=False):
    """A report that a promise was kept: when, and by what."""

    at: datetime
    by: Ref | None = None


class Promise(msgspec.Struct, frozen=True, gc=False):
    """A promise and what became of it. Whether it is late depends on the time asked for: see
    `Case.promise_state`."""

    kind: str
    made_at: datetime
    due_at: datetime | None
    """When it must be kept. A new time replaces it only if the customer agreed before it passed."""
    status: Literal["open", "kept", "released", "withdrawn"] = "open"
    """If several were recorded, the one furthest right in this list counts."""
    kept: tuple[Keeping, ...] = ()
    """Every report that it was kept. `Case.keeping` says which of them counts."""
    released_at: datetime | None = None
    """When the customer first released us from it."""
    renegotiations: int = 0


class Gesture(msgspec.Struct, frozen=True, gc=False):
    """A gesture of goodwill."""

    kind: str
    value: Money | None
    given_at: datetime
    status: Literal["given", "declined", "reversed"] = "given"


class Case(Standing, frozen=True, kw_only=True, gc=False):
    """The state of a case. `Case(case_id=...)` is a case without events."""

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
    """To whom each escalation went that is not returned yet, by escalation id."""
    last_event_at: datetime | None = None
    ids: Mapping[str, frozenset[str]] = {}
    """Every id in the stream, by kind."""

    @property
    def arrivals(self) -> dict[str, datetime]:
        """When each reply counts as arrived, by reply id.

        This is when it was sent. If it is known to be undelivered, it is when its first resend that
        arrived was sent. A reply is left out if neither it nor a resend arrived.
        """
        found: dict[str, datetime] = {}
        for reply_id, reply in self.replies.items():
            if reply.undelivered:
                continue
            found[reply_id] = reply.sent_at
            again = reply.resend_of
            while again is not None and (lost := self.replies.get(again)) and lost.undelivered:
                if again in found and found[again] <= reply.sent_at:
                    break
                found[again] = reply.sent_at
                again = lost.resend_of
        return found

    def arrived(self, reply_id: str) -> datetime | None:
        """When a reply counts as arrived, see `arrivals`; None if it did not arrive."""
        return self.arrivals.get(reply_id)

    def keeping(
        self, promise_id: str, arrivals: Mapping[str, datetime] | None = None
    ) -> Keeping | None:
        """How a promise was first kept; None if it is not kept.

        A reply that did not arrive keeps no promise. If it was sent again, the promise is kept when
        the resend counts as arrived.

        Args:
            promise_id: which promise.
            arrivals: `arrivals` of this case, if the caller has them already.
        """
        promise = self.promises[promise_id]
        kept = [k for report in promise.kept if (k := self._counting(report, arrivals))]
        return min(kept, key=lambda keeping: keeping.at, default=None)

    def _counting(self, report: Keeping, arrivals: Mapping[str, datetime] | None) -> Keeping | None:
        by = report.by
        reply = self.replies.get(by.id) if by is not None and by.kind == "reply" else None
        if by is None or reply is None or not reply.undelivered:
            return report
        arrived = (self.arrivals if arrivals is None else arrivals).get(by.id)
        return None if arrived is None else Keeping(max(report.at, arrived), by)

    def promise_state(
        self, promise_id: str, at: datetime, arrivals: Mapping[str, datetime] | None = None
    ) -> PromiseState:
        """The state of a promise at a time. For `arrivals`, see `keeping`."""
        promise, kept = self.promises[promise_id], self.keeping(promise_id, arrivals)
        return promise_state(
            at,
            due_at=promise.due_at,
            kept_at=None if kept is None else kept.at,
            released_at=promise.released_at,
            withdrawn=promise.status == "withdrawn",
        )


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
            case = replace(case, asks=put_all(case.asks, asks)) if asks else case
            return _delivery(case, event, event.says_not_received or (), undelivered=True)
        case ReplySent():
            reply = Reply(event.occurred_at, event.channel, event.automated, event.resend_of)
            return replace(case, replies=put(case.replies, event.reply_id, reply))
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
            return replace(case, issues=put(case.issues, event.issue_id, event.category))
        case PromiseMade():
            promise = Promise(event.kind, event.occurred_at, event.due_at)
            return replace(case, promises=put(case.promises, event.promise_id, promise))
        case PromiseKept():
            return _kept(case, event)
        case PromiseRenegotiated():
            return _renegotiated(case, event)
        case PromiseReleased():
            return _released(case, event)
        case PromiseWithdrawn():
            return _promise(case, event.promise_id, status="withdrawn")
        case OptionsOffered():
            options = tuple(option.option_id for option in event.options)
            return replace(case, offers=put(case.offers, event.offer_id, options))
        case GestureGiven():
            gesture = Gesture(event.kind, event.value, event.occurred_at)
            return replace(case, gestures=put(case.gestures, event.gesture_id, gesture))
        case GestureDeclined():
            return _gesture(case, event.gesture_id, "declined")
        case GestureReversed():
            return _gesture(case, event.gesture_id, "reversed")
        case CaseEscalated():
            escalations = put(case.escalations, event.escalation_id, event.to)
            return replace(case, escalations=escalations)
        case EscalationReturned():
            return replace(case, escalations=take_out(case.escalations, event.escalation_id))
        case (
            ApologyGiven()
            | DesiredOutcomeStated()
            | EventCorrected()  # History applies corrections before the fold
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
    """The case after news of delivery. News may be recorded late: the latest occurred_at counts."""
    at = event.occurred_at
    changed = {}
    for each in reply_ids:
        reply = case.replies.get(each)
        if reply is not None and (reply.heard_at is None or reply.heard_at <= at):
            changed[each] = replace(reply, undelivered=undelivered, heard_at=at)
    return replace(case, replies=put_all(case.replies, changed)) if changed else case


def _promise(case: Case, promise_id: str, **changes: object) -> Case:
    if promise_id not in case.promises:
        return case  # the promise belongs to another case
    promise = replace(case.promises[promise_id], **changes)
    return replace(case, promises=put(case.promises, promise_id, promise))


def _kept(case: Case, event: PromiseKept) -> Case:
    promise = case.promises.get(event.promise_id)
    if promise is None:
        return case
    kept = (*promise.kept, Keeping(event.occurred_at, event.by))
    status = "kept" if promise.status == "open" else promise.status
    return _promise(case, event.promise_id, status=status, kept=kept)


def _released(case: Case, event: PromiseReleased) -> Case:
    promise = case.promises.get(event.promise_id)
    if promise is None:
        return case
    status = promise.status if promise.status == "withdrawn" else "released"
    released_at = promise.released_at or event.occurred_at
    return _promise(case, event.promise_id, status=status, released_at=released_at)


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
    return replace(case, gestures=put(case.gestures, gesture_id, gesture))


def check(case: Case, event: CaseEvent, context: Context = NO_CONTEXT) -> str | None:
    """The reason why structure refuses an event on this case, as text; None if it does not."""
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
            | StatementMade()
            | StatementRetracted()
        ):
            return None  # these record facts, good or bad: structure checks only their ids
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
            if chosen is not None and chosen not in case.offers[event.offer_id]:
                return f"option {chosen!r} was not in offer {event.offer_id!r}; name one that was"
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
    whole: Case = context.whole or case
    if promise_id not in whole.promises:
        return None  # a promise of another case; only a replay, which has no family, gets here
    status = whole.promises[promise_id].status
    if status == "open" or (status == "kept" and whole.keeping(promise_id) is None):
        return None
    return f"promise {promise_id!r} is {status} already; make a new promise instead"


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
