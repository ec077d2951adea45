"""Stories: given these events, when another one comes, then it is accepted or refused.

    given(opened(), promised("p1", due="+2h"), kept("p1", at="+3h"))
        .when(withdrew("p1", at="+4h")).refused("kept already")

The functions that make events have names in the past tense. They fill in the fields that a story
does not care about, and take any field by name. Times count from START: "+2h", "-1d", "+5m", "+1s".

A step of a story is an event that was recorded when it happened (or together with the step before,
if that was recorded later); or it is `learnt("+3h", event)`, an event that was recorded at +3h.

The event of version 3 is at position 3 of its store, and has the id `uid(3)`. So that two stories
can be read together, `given(..., after=100)` begins at position 101; its event of version 3 has the
id `uid(103)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from casestore.events import (
    Actor,
    ApologyGiven,
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
    CustomerFactRecorded,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    DeliveryConfirmed,
    DeliveryFailed,
    DesiredOutcomeStated,
    ErasureRequested,
    EscalationReturned,
    Event,
    EventCorrected,
    FinalDecisionGiven,
    FindingMade,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    HoldPlaced,
    HoldReleased,
    InformationRequested,
    IssueRaised,
    MessageReceived,
    NoteAdded,
    OperationsConsulted,
    OperationsReplied,
    OptionChosen,
    OptionsOffered,
    PersonalDataErased,
    PolicyAdopted,
    PreferenceStated,
    PreferenceWithdrawn,
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
from casestore.streams import kinds
from casestore.streams.case import Case
from casestore.streams.checks import Context
from casestore.streams.customer import Customer
from casestore.streams.history import History, Recorded, to_microseconds
from casestore.streams.kinds import Stream
from casestore.streams.policies import Policies
from projections.history.case_history import CaseHistory

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ANNA = Actor(kind="agent", id="anna", role="first_line", team="north")
BOSS = Actor(kind="agent", id="boss", role="manager")

Moment = str | datetime
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def moment(at: Moment) -> datetime:
    """The time of "+2h", which is two hours after START."""
    if isinstance(at, datetime):
        return at
    return START + timedelta(**{_UNITS[at[-1]]: int(at[:-1])})


def stamp(at: Moment) -> str:
    """A time as it is stored."""
    return f"{moment(at):%Y-%m-%dT%H:%M:%SZ}"


def uid(position: int) -> UUID:
    """The id of the event at that position."""
    return UUID(int=position)


class Learnt(NamedTuple):
    """An event that was recorded later than it happened."""

    at: datetime
    event: Event


def learnt(at: Moment, event: Event) -> Learnt:
    return Learnt(moment(at), event)


@dataclass(frozen=True)
class Story:
    """A stream with the events that were recorded in it so far.

    Attributes:
        after: the position in the store after which it begins.
    """

    stream: str
    recorded: tuple[Recorded, ...] = ()
    after: int = 0

    def history(self, as_of: Moment | None = None, known_at: Moment | None = None) -> History:
        return History(
            self.stream,
            self.recorded,
            as_of=None if as_of is None else moment(as_of),
            known_at=None if known_at is None else moment(known_at),
        )

    def reading(self, as_of: Moment | None = None, known_at: Moment | None = None) -> CaseHistory:
        return CaseHistory(self.history(as_of, known_at))

    @property
    def folded(self) -> Stream:
        return kinds.fold(self.stream, self.recorded)

    @property
    def case(self) -> Case:
        """The case as an append is checked against it."""
        state = self.folded.state
        assert isinstance(state, Case)
        return state

    @property
    def read(self) -> Case:
        """The case as it is read: its events in the order in which they happened."""
        state = kinds.fold_history(self.history())
        assert isinstance(state, Case)
        return state

    @property
    def customer(self) -> Customer:
        state = self.folded.state
        assert isinstance(state, Customer)
        return state

    @property
    def policies(self) -> Policies:
        state = self.folded.state
        assert isinstance(state, Policies)
        return state

    def when(
        self,
        step: Event | Learnt,
        *,
        now: Moment | None = None,
        others: Sequence[Story] | None = None,
        imported: bool = False,
    ) -> Verdict:
        """Whether one more event is accepted.

        Args:
            step: the event.
            now: the store's clock; if left out, no rule about clocks is checked.
            others: the other streams that exist; if left out, no rule that needs other streams is
                checked. The event may refer to those that are merged with this one.
            imported: whether the event is imported, and not live.
        """
        event = step if isinstance(step, Event) else step.event
        states = {story.stream: story.folded.state for story in (self, *(others or ()))}

        def root(stream: str) -> str:
            into = getattr(states.get(stream), "merged_into", None)
            return stream if into is None else root(f"case:{into}")

        family = [s for s in states if s.startswith("case:") and root(s) == root(self.stream)]
        other = kinds.related(event)
        context = Context(
            now=None if now is None else moment(now),
            related=None if others is None else {other: states.get(other)} if other else {},
            history=self.history() if isinstance(event, EventCorrected) else None,
            imported=imported,
            family=None if others is None else {states[s].case_id: states[s] for s in family},
        )
        return Verdict(self, step, kinds.check(self.folded, event, context))

    def plus(self, step: Event | Learnt) -> Story:
        """The story with one more event on record; it is not checked."""
        event = step if isinstance(step, Event) else step.event
        at = to_microseconds(event.occurred_at if isinstance(step, Event) else step.at)
        last = max((r.recorded_us or 0 for r in self.recorded), default=at)
        version = len(self.recorded) + 1
        position = self.after + version
        recorded = Recorded(
            event, self.stream, version, position, str(uid(position)), None, max(at, last)
        )
        return replace(self, recorded=(*self.recorded, recorded))


class Verdict(NamedTuple):
    """What the structural checks say to one more event of a story."""

    story: Story
    step: Event | Learnt
    refusal: str | None

    def accepted(self) -> Story:
        """Assert that the event was accepted; gives the story with it."""
        assert self.refusal is None, f"refused: {self.refusal}\n{self.step}"
        return self.story.plus(self.step)

    def refused(self, because: str) -> None:
        """Assert that it was refused: with these words and, after a semicolon, what to do."""
        assert self.refusal is not None, f"accepted: {self.step}"
        assert because in self.refusal
        assert "; " in self.refusal, f"it does not say what to do: {self.refusal}"


def given(*steps: Event | Learnt, stream: str = "case:c1", after: int = 0) -> Story:
    """A story of these events. Every one of them must be accepted."""
    story = Story(stream, after=after)
    for step in steps:
        story = story.when(step).accepted()
    return story


def given_customer(*steps: Event | Learnt, stream: str = "customer:k1") -> Story:
    return given(*steps, stream=stream)


def given_policy(*steps: Event | Learnt) -> Story:
    return given(*steps, stream="policy")


def versions(events: Iterable[Recorded]) -> list[int]:
    return [recorded.version for recorded in events]


E = TypeVar("E", bound=Event)


def make(cls: type[E], at: Moment, more: dict[str, Any], **fields: Any) -> E:
    return cls(**{"occurred_at": moment(at), "actor": ANNA, **fields, **more})


def ref(kind: Any, thing_id: str) -> Ref:
    return Ref(kind=kind, id=thing_id)


# --- contact


def opened(at: Moment = "+0h", **more: Any) -> CaseOpened:
    return make(CaseOpened, at, more, customer_id="k1", channel="email")


def issue(issue_id: str = "i1", at: Moment = "+0h", **more: Any) -> IssueRaised:
    return make(IssueRaised, at, more, issue_id=issue_id)


def wrote(message_id: str = "m1", at: Moment = "+0h", **more: Any) -> MessageReceived:
    return make(MessageReceived, at, more, message_id=message_id, channel="email")


def asked(ask_id: str = "a1", at: Moment = "+0h", **more: Any) -> MessageReceived:
    """A message with one ask, which gives the message its id."""
    ask = {"ask_id": ask_id, "kind": "question"}
    return wrote(f"m-{ask_id}", at, **{"asks": [ask], **more})


def replied(reply_id: str = "r1", at: Moment = "+0h", **more: Any) -> ReplySent:
    return make(ReplySent, at, more, reply_id=reply_id, channel="email")


def delivered(reply_id: str = "r1", at: Moment = "+0h", **more: Any) -> DeliveryConfirmed:
    return make(DeliveryConfirmed, at, more, reply_id=reply_id)


def bounced(reply_id: str = "r1", at: Moment = "+0h", **more: Any) -> DeliveryFailed:
    return make(DeliveryFailed, at, more, reply_id=reply_id, kind="permanent")


def inquired(request_id: str = "q1", at: Moment = "+0h", **more: Any) -> InformationRequested:
    return make(InformationRequested, at, more, request_id=request_id, field="order_no")


def wished(at: Moment = "+0h", **more: Any) -> DesiredOutcomeStated:
    return make(DesiredOutcomeStated, at, more, asked_by_us=True)


def rated(rating: int = 4, at: Moment = "+0h", **more: Any) -> SatisfactionRated:
    return make(SatisfactionRated, at, more, rating=rating, scale=5)


# --- judgement


def consulted(consultation_id: str = "o1", at: Moment = "+0h", **more: Any) -> OperationsConsulted:
    return make(OperationsConsulted, at, more, consultation_id=consultation_id, unit="depot")


def explained(consultation_id: str = "o1", at: Moment = "+0h", **more: Any) -> OperationsReplied:
    return make(OperationsReplied, at, more, consultation_id=consultation_id, view="at_fault")


def found(finding_id: str = "f1", at: Moment = "+0h", **more: Any) -> FindingMade:
    return make(FindingMade, at, more, finding_id=finding_id, outcome="upheld", fault="ours")


def stated(statement_id: str = "s1", at: Moment = "+0h", **more: Any) -> StatementMade:
    return make(StatementMade, at, more, statement_id=statement_id, topic="fee", value="12")


def retracted(statement_id: str = "s1", at: Moment = "+0h", **more: Any) -> StatementRetracted:
    return make(StatementRetracted, at, more, statement_id=statement_id, reason="changed")


def said_no(refusal_id: str = "n1", at: Moment = "+0h", **more: Any) -> RequestRefused:
    return make(RequestRefused, at, more, refusal_id=refusal_id, reason="policy", explained=False)


def assessed(at: Moment = "+0h", **more: Any) -> QualityAssessed:
    fields = {"attribute": "sincerity", "verdict": "poor", "assessor": "qa"}
    return make(QualityAssessed, at, more, **fields)


# --- promises


def promised(
    promise_id: str = "p1", at: Moment = "+0h", due: Moment | None = None, **more: Any
) -> PromiseMade:
    due_at = None if due is None else moment(due)
    return make(PromiseMade, at, more, promise_id=promise_id, kind="callback", due_at=due_at)


def kept(promise_id: str = "p1", at: Moment = "+0h", **more: Any) -> PromiseKept:
    return make(PromiseKept, at, more, promise_id=promise_id)


def kept_by_reply(
    reply_id: str = "r1", promise_id: str = "p1", at: Moment = "+0h", **more: Any
) -> PromiseKept:
    return kept(promise_id, at, by=ref("reply", reply_id), **more)


def attempted(promise_id: str = "p1", at: Moment = "+0h", **more: Any) -> PromiseAttempted:
    return make(PromiseAttempted, at, more, promise_id=promise_id)


def moved(
    promise_id: str = "p1", at: Moment = "+0h", due: Moment = "+1d", **more: Any
) -> PromiseRenegotiated:
    fields = {"promise_id": promise_id, "due_at": moment(due), "agreed_by_customer": True}
    return make(PromiseRenegotiated, at, more, **fields)


def released(promise_id: str = "p1", at: Moment = "+0h", **more: Any) -> PromiseReleased:
    return make(PromiseReleased, at, more, promise_id=promise_id)


def withdrew(promise_id: str = "p1", at: Moment = "+0h", **more: Any) -> PromiseWithdrawn:
    return make(PromiseWithdrawn, at, more, promise_id=promise_id)


# --- amends


def offered(
    offer_id: str = "x1", options: Sequence[str] = ("red", "blue"), at: Moment = "+0h", **more: Any
) -> OptionsOffered:
    choices = [{"option_id": option_id, "kind": "colour"} for option_id in options]
    return make(OptionsOffered, at, more, offer_id=offer_id, options=choices)


def chose(
    option_id: str | None = "red", offer_id: str = "x1", at: Moment = "+0h", **more: Any
) -> OptionChosen:
    return make(OptionChosen, at, more, offer_id=offer_id, option_id=option_id)


def apologised(apology_id: str = "y1", at: Moment = "+0h", **more: Any) -> ApologyGiven:
    return make(ApologyGiven, at, more, apology_id=apology_id)


def remedied(remedy_id: str = "e1", at: Moment = "+0h", **more: Any) -> RemedyGiven:
    return make(RemedyGiven, at, more, remedy_id=remedy_id, kind="refund")


def reclaimed(remedy_id: str = "e1", at: Moment = "+0h", **more: Any) -> RemedyReversed:
    return make(RemedyReversed, at, more, remedy_id=remedy_id)


def gave(gesture_id: str = "g1", at: Moment = "+0h", **more: Any) -> GestureGiven:
    return make(GestureGiven, at, more, gesture_id=gesture_id, kind="voucher")


def declined(gesture_id: str = "g1", at: Moment = "+0h", **more: Any) -> GestureDeclined:
    return make(GestureDeclined, at, more, gesture_id=gesture_id)


def took_back(gesture_id: str = "g1", at: Moment = "+0h", **more: Any) -> GestureReversed:
    return make(GestureReversed, at, more, gesture_id=gesture_id)


# --- the course of a case


def assigned(
    agent: str | None = "anna", team: str | None = None, at: Moment = "+0h", **more: Any
) -> CaseAssigned:
    return make(CaseAssigned, at, more, agent=agent, team=team)


def escalated(escalation_id: str = "u1", at: Moment = "+0h", **more: Any) -> CaseEscalated:
    return make(CaseEscalated, at, more, escalation_id=escalation_id, kind="authority", to="boss")


def returned(escalation_id: str = "u1", at: Moment = "+0h", **more: Any) -> EscalationReturned:
    return make(EscalationReturned, at, more, escalation_id=escalation_id, to="anna")


def decided(decision_id: str = "d1", at: Moment = "+0h", **more: Any) -> FinalDecisionGiven:
    return make(FinalDecisionGiven, at, more, decision_id=decision_id)


def content(at: Moment = "+0h", **more: Any) -> ResolutionAccepted:
    return make(ResolutionAccepted, at, more)


def not_content(at: Moment = "+0h", **more: Any) -> ResolutionRejected:
    return make(ResolutionRejected, at, more)


def reclassified(at: Moment = "+0h", **more: Any) -> CaseReclassified:
    return make(CaseReclassified, at, more)


def closed(at: Moment = "+0h", **more: Any) -> CaseClosed:
    return make(CaseClosed, at, more, reason="resolved")


def reopened(at: Moment = "+0h", **more: Any) -> CaseReopened:
    return make(CaseReopened, at, more)


def merged(into: str = "c2", at: Moment = "+0h", **more: Any) -> CaseMerged:
    return make(CaseMerged, at, more, into=into)


def unmerged(out_of: str = "c2", at: Moment = "+0h", **more: Any) -> CaseUnmerged:
    return make(CaseUnmerged, at, more, out_of=out_of)


def noted(at: Moment = "+0h", **more: Any) -> NoteAdded:
    return make(NoteAdded, at, more)


# --- corrections


def corrected(position: int, at: Moment = "+0h", **more: Any) -> EventCorrected:
    fields = {"event_id": uid(position), "reason": "mistyped", "authorised_by": BOSS}
    return make(EventCorrected, at, more, **fields)


def amended(position: int, /, at: Moment = "+0h", **changes: tuple[Any, Any]) -> EventCorrected:
    """Correct fields of the event at that position: `amended(2, product=("toaster", "kettle"))`."""
    by_field = {name: {"from": before, "to": after} for name, (before, after) in changes.items()}
    return corrected(position, at, kind="amended", changes=by_field)


def reworded(position: int, words: str, at: Moment = "+0h") -> EventCorrected:
    """Say how the personal words in the event at that position should be read."""
    return corrected(position, at, kind="amended", personal_changes=words)


def voided(position: int, at: Moment = "+0h") -> EventCorrected:
    return corrected(position, at, kind="voided")


# --- customers and policies


def registered(at: Moment = "+0h", **more: Any) -> CustomerRegistered:
    return make(CustomerRegistered, at, more)


def knew(field: str = "birthday", at: Moment = "+0h", **more: Any) -> CustomerFactRecorded:
    return make(CustomerFactRecorded, at, more, field=field)


def prefers(
    preference: str = "channel", value: str | None = "phone", at: Moment = "+0h", **more: Any
) -> PreferenceStated:
    return make(PreferenceStated, at, more, preference=preference, value=value)


def no_longer_prefers(
    preference: str = "channel", at: Moment = "+0h", **more: Any
) -> PreferenceWithdrawn:
    return make(PreferenceWithdrawn, at, more, preference=preference)


def customer_merged(into: str = "k2", at: Moment = "+0h", **more: Any) -> CustomerMerged:
    return make(CustomerMerged, at, more, into=into)


def customer_unmerged(out_of: str = "k2", at: Moment = "+0h", **more: Any) -> CustomerUnmerged:
    return make(CustomerUnmerged, at, more, out_of=out_of)


def asked_to_be_forgotten(at: Moment = "+0h", **more: Any) -> ErasureRequested:
    return make(ErasureRequested, at, more, basis="gdpr-17")


def erased(at: Moment = "+0h", **more: Any) -> PersonalDataErased:
    return make(PersonalDataErased, at, more, basis="gdpr-17")


def held(hold_id: str = "h1", at: Moment = "+0h", **more: Any) -> HoldPlaced:
    return make(HoldPlaced, at, more, hold_id=hold_id, reason="court")


def let_go(hold_id: str = "h1", at: Moment = "+0h", **more: Any) -> HoldReleased:
    return make(HoldReleased, at, more, hold_id=hold_id, reason="court")


def adopted(
    name: str = "house", at: Moment = "+0h", effective: Moment = "+1d", **more: Any
) -> PolicyAdopted:
    return make(PolicyAdopted, at, more, name=name, effective_from=moment(effective), policy={})
