"""The history of a case, from which its rows are made.

Facts may be recorded late. So events are ordered by when they happened: by `occurred_at`, then by
position. A case that is merged into this one is part of its history: see
`projections.history.family`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter, ne
from typing import Any, Literal, NamedTuple, TypeVar, cast

from casestore.events import (
    ApologyGiven,
    CaseClosed,
    CaseOpened,
    CaseReopened,
    DeliveryConfirmed,
    DeliveryFailed,
    Event,
    FinalDecisionGiven,
    FindingMade,
    GestureGiven,
    IssueRaised,
    MessageReceived,
    OptionsOffered,
    RemedyGiven,
    ReplySent,
    RequestRefused,
)
from casestore.streams.history import LAST, History
from casestore.streams.policies import Policies
from casestore.streams.standing import STANDING, Standing, stand
from casestore.system.once import once
from projections.history.family import Family, happenings
from projections.history.happened import Happened, Moment
from projections.history.issues import CHANGING, turns

E = TypeVar("E", bound=Event)

NO_POLICIES = Policies()
CASE = "case"
"""Stands in the place of an issue's id where the case as a whole is meant."""


_ABOUT_ISSUES = (
    *(FindingMade, RequestRefused, FinalDecisionGiven, OptionsOffered),
    *(ApologyGiven, RemedyGiven, GestureGiven),
)


_FIRST = itemgetter(0)
"""Takes the moment out of a pair."""


class Failure(NamedTuple):
    """The news that a reply did not arrive."""

    at: datetime
    kind: Literal["permanent", "no_answer", "reported_missing"]
    code: str | None


class CaseHistory:
    """What happened to a case, with its customer's history and the policies.

    Args:
        case: the case's events, at least one; or the family that the case is the root of.
        customer: the customer's events, for projections that look at them.
        policies: the adopted policies, for projections that look at them.
    """

    def __init__(
        self,
        case: History | Family,
        customer: History | None = None,
        policies: Policies = NO_POLICIES,
    ) -> None:
        self.customer = customer
        self.policies = policies
        self._family = case if isinstance(case, Family) else None
        self.members = case.members if isinstance(case, Family) else ()
        """The cases that are merged into this one."""
        self.history = case.root if isinstance(case, Family) else case
        """The events of the case itself, without the cases that are merged into it."""
        self.case_id = self.history.stream.removeprefix("case:")
        self._events = _in_order(case)
        self.count = len(self._events)
        """The number of events, those of merged cases included."""
        self.kept: dict[Callable[..., Any], Sequence[Any]] = {}
        """See `projections.history.kept`."""
        self._stood: dict[str, list[tuple[Moment, Standing]]] = {}
        by_type: dict[type[Event], list[Happened]] = {}
        for happened in self._events:
            cls = type(happened.event)
            if cls in by_type:
                by_type[cls].append(happened)
            else:
                by_type[cls] = [happened]
        self.types = frozenset(by_type)
        """The types of events that occur in this history."""
        self._of: dict[tuple[type[Event], ...], Sequence[Happened]]
        self._of = {(cls,): found for cls, found in by_type.items()}
        self.last_event_at: datetime = self._events[-1].at

    def of(self, *types: type[Event]) -> Sequence[Happened]:
        """The events of some types, in the order in which they happened."""
        known = self._of.get(types)
        if known is None:  # rules ask for the same types again and again
            there = self.types.intersection(types)
            if len(there) < 2:
                known = self._of[*there,] if there else ()
            else:
                known = [each for each in self._events if type(each.event) in there]
            self._of[types] = known
        return known

    # --- the family ------------------------------------------------------------------------

    def led_to(self, case_id: str, before: Moment = LAST) -> str:
        """The root that a case of the family had right before a moment."""
        return case_id if self._family is None else self._family.roots.root(case_id, before)

    def covers(self, happened: Happened, case_id: str) -> bool:
        """Whether an event about its whole case also holds for another case of the family.

        It does if the two cases were merged at that moment. A closing or a reopening of a case
        that was then merged into another one holds for no case.
        """
        if self._family is None:
            return True
        leads_to = self.led_to(happened.case_id, happened.moment)
        if leads_to != happened.case_id and isinstance(happened.event, CaseClosed | CaseReopened):
            return False
        return leads_to == self.led_to(case_id, happened.moment)

    def together(self, one: Happened, other: Happened) -> bool:
        """Whether the cases of two events were merged when the second event happened."""
        before = other.moment
        return self.led_to(one.case_id, before) == self.led_to(other.case_id, before)

    @once
    def closings(self) -> Sequence[Happened]:
        """The closings and reopenings that hold for some case (see `covers`), in order."""
        found = self.of(CaseClosed, CaseReopened)
        if self._family is None:
            return found
        return [each for each in found if self.covers(each, each.case_id)]

    @once
    def closing(self) -> Happened | None:
        """The CaseClosed that closed the case; None if the case is open.

        The closing of a case that is merged into this one does not close this one.
        """
        own = [each for each in self.of(CaseClosed, CaseReopened) if each.case_id == self.case_id]
        return own[-1] if own and isinstance(own[-1].event, CaseClosed) else None

    # --- how the case stands -----------------------------------------------------------------

    @once
    def opened(self) -> Happened:
        """The case's CaseOpened."""
        if self._family is None:
            return self.of(CaseOpened)[0]
        return next(each for each in self.of(CaseOpened) if each.case_id == self.case_id)

    @property
    def customer_id(self) -> str:
        """The customer whose case it is."""
        return cast(str, self.opened.event.customer_id)

    def customer_of(self, case_id: str) -> str:
        """The customer of a case of the family."""
        return cast(str, self.standing_of(case_id).customer_id)

    def standing_of(self, case_id: str) -> Standing:
        """The state of a case of the family by its own events, whatever it is merged into."""
        return self._standings(case_id)[-1][1]

    def merged_into(self, case_id: str) -> str | None:
        """The case that a case of the family is merged into; None if it is not merged."""
        return None if self._family is None else self._family.roots.into(case_id)

    @once
    def received(self) -> Happened | None:
        """The CaseOpened of the case in the family that reached us first.

        A case that is recorded as received after it was opened is left out, as that cannot be
        so. None if no case is left.
        """
        if self._family is None:
            return self.opened if _receipt(self.opened) is not None else None
        own_first = sorted(self.of(CaseOpened), key=lambda each: each.case_id != self.case_id)
        known = [(at, each) for each in own_first if (at := _receipt(each)) is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None

    @once
    def receipt(self) -> datetime | None:
        """When the complaint first reached us; None where that is not known."""
        return None if self.received is None else _receipt(self.received)

    @property
    def received_at(self) -> datetime | None:
        """The `received_at` that was recorded when the case was opened; None if none was.

        If a case that is merged into this one reached us earlier, it is that case's receipt.
        """
        own: CaseOpened = self.opened.event
        receipt = self.receipt
        early = receipt is not None and receipt < (own.received_at or own.occurred_at)
        return receipt if early else own.received_at

    @property
    def standing(self) -> Standing:
        """The state of the case after all its events."""
        return self._own_standings[-1][1]

    @property
    def about(self) -> tuple[str | None, str | None, str | None]:
        """Product, region and category, as the last classification says."""
        standing = self.standing
        return standing.product, standing.region, standing.category

    def standing_at(self, at: datetime, case_id: str | None = None) -> Standing:
        """The state that the root of a case had at a time.

        Args:
            at: the time; what happened at exactly that time counts.
            case_id: a case of the family; this case if left out.
        """
        if self._family is None:
            since, standing = self._own_standings[-1]
            if since.at <= at:  # the common case: nothing has changed since
                return standing
        return self.standing_before(Moment(at, LAST.position + 1), case_id or self.case_id)

    def standing_before(self, moment: Moment, case_id: str) -> Standing:
        """The state that the root of a case of the family had right before a moment."""
        root = case_id if self._family is None else self.led_to(case_id, moment)
        standings = self._standings(root)
        place = bisect_left(standings, moment, key=_FIRST)
        return standings[place - 1][1] if place else Standing()

    @once
    def _own_standings(self) -> list[tuple[Moment, Standing]]:
        return self._standings(self.case_id)

    def _standings(self, case_id: str) -> list[tuple[Moment, Standing]]:
        """The states of a case, each with the moment from which it held, in order."""
        known = self._stood.get(case_id)
        if known is None:
            known = self._stood[case_id] = self._fold(case_id)
        return known

    def _fold(self, case_id: str) -> list[tuple[Moment, Standing]]:
        standing, found = Standing(), []
        if self._family is None:
            for happened in self.of(*STANDING):
                standing = stand(standing, happened.event)
                found.append((happened.moment, standing))
            return found
        for recorded in self._family.related[case_id].in_order:
            if isinstance(recorded.event, STANDING):
                standing = stand(standing, recorded.event)
                found.append((recorded.moment, standing))
        return found

    @property
    def first_owners(self) -> tuple[str | None, str | None]:
        """The agent and the team that had the case when it was opened.

        If no agent (or no team) had it then, the first agent (or team) that got it later.
        """
        then = self.standing_at(self.opened.at)
        standings = [then, *(standing for _, standing in self._standings(self.case_id))]
        agents = (standing.agent for standing in standings if standing.agent is not None)
        teams = (standing.team for standing in standings if standing.team is not None)
        return next(agents, None), next(teams, None)

    @property
    def handovers(self) -> int:
        """How often a case of the family went from one agent to another."""
        return sum(map(self._handovers, (self.case_id, *_ids(self.members))))

    def _handovers(self, case_id: str) -> int:
        owners = [(standing.agent, standing.team) for _, standing in self._standings(case_id)]
        changes: int = sum(map(ne, owners, [(None, None), *owners]))
        return max(changes - 1, 0)

    def team_of(self, happened: Happened) -> str | None:
        """The team of the actor; if it was not recorded, the team that had the case then."""
        team: str | None = happened.event.actor.team
        return team or self.standing_at(happened.at, happened.case_id).team

    # --- issues ------------------------------------------------------------------------------

    @once
    def issues(self) -> Mapping[str, Happened]:
        """The event that raised each issue, by the issue's id."""
        return {each.event.issue_id: each for each in self.of(IssueRaised)}

    @once
    def issue_turns(self) -> list[tuple[Moment, frozenset[str]]]:
        """The open issues after each event that may change them, with its moment, in order."""
        if not self.of(IssueRaised):
            return []
        if self._family is None:
            return turns(self.of(*CHANGING), None)
        issues = self.issues
        return turns(
            self.of(*CHANGING),
            lambda happened, issue_id: self.covers(happened, issues[issue_id].case_id),
        )

    def open_issues(self, moment: Moment) -> frozenset[str]:
        """The issues that were open right before a moment."""
        turns = self.issue_turns
        before = bisect_left(turns, moment, key=_FIRST)
        return turns[before - 1][1] if before else frozenset()

    def about_issues(self, happened: Happened, field: str = "issue_ids") -> frozenset[str]:
        """The issues that an event is about.

        They are those it names. If it names none, they are all that were open then in its own
        case and in those that were merged with it at that moment.
        """
        named = getattr(happened.event, field)
        if named is not None:
            return self._raised(named)
        return self._covered(happened, self.open_issues(happened.moment))

    def matters(self, happened: Happened) -> frozenset[str]:
        """The issues that a finding, a gesture or a remedy is for.

        They are those it is about (see `about_issues`). If it names none and none was open any
        more, they are all that had been raised. For a case that never had an issue, CASE stands
        in their place.
        """
        if happened.event.issue_ids is not None:
            return self._raised(happened.event.issue_ids)
        if not self.issues:
            return frozenset({CASE})
        is_open = self.about_issues(happened)
        raised = (i for i, issue in self.issues.items() if issue.moment < happened.moment)
        found = is_open or self._covered(happened, raised)
        if self._family is not None and any(
            self.covers(happened, case_id) for case_id in self._judged_as_a_whole
        ):
            found |= {CASE}
        return found

    @once
    def _judged_as_a_whole(self) -> frozenset[str]:
        """The cases of the family that were judged as a whole.

        They have no issues, and something was said of them before they were merged with a case
        that has some.
        """
        with_issues = {issue.case_id for issue in self.issues.values()}
        return frozenset(
            happened.case_id
            for happened in self.of(*_ABOUT_ISSUES)
            if happened.case_id not in with_issues
            and happened.event.issue_ids is None
            and not any(self.covers(happened, case_id) for case_id in with_issues)
        )

    def _raised(self, named: Iterable[str]) -> frozenset[str]:
        """The named issues that were raised in this case or its family."""
        return frozenset(issue_id for issue_id in named if issue_id in self.issues)

    def _covered(self, happened: Happened, issues: Iterable[str]) -> frozenset[str]:
        if self._family is None:
            return frozenset(issues)
        return frozenset(i for i in issues if self.covers(happened, self.issues[i].case_id))

    # --- deliveries ------------------------------------------------------------------------

    @once
    def contacts(self) -> Sequence[Happened]:
        """The customer's messages, without automated ones."""
        return [each for each in self.of(MessageReceived) if not each.event.automated]

    @once
    def replies(self) -> dict[str, Happened]:
        """Every reply, human or automated, by id."""
        return {each.event.reply_id: each for each in self.of(ReplySent)}

    @once
    def failures(self) -> dict[str, Failure]:
        """The replies that are known not to have arrived, by id.

        Each comes with the first news of the failure since its delivery was last confirmed. A
        temporary failure does not count.
        """
        found: dict[str, Failure] = {}
        for each in self.of(DeliveryFailed, DeliveryConfirmed, MessageReceived):
            event = each.event
            if isinstance(event, DeliveryConfirmed):
                found.pop(event.reply_id, None)
            elif isinstance(event, MessageReceived):
                for reply_id in event.says_not_received or ():
                    found.setdefault(reply_id, Failure(each.at, "reported_missing", None))
            elif event.kind != "temporary":
                found.setdefault(event.reply_id, Failure(each.at, event.kind, event.code))
        return {
            reply_id: failure for reply_id, failure in found.items() if reply_id in self.replies
        }

    @once
    def resends(self) -> dict[str, list[str]]:
        """The resends of each reply, in order."""
        found: dict[str, list[str]] = {}
        for reply_id, reply in self.replies.items():
            if (original := reply.event.resend_of) is not None:
                found.setdefault(original, []).append(reply_id)
        return found

    def arrived(self, reply_id: str) -> Moment | None:
        """When a reply arrived, as far as is known.

        It is the moment when the reply was sent, or, if the reply failed, the moment of the first
        resend that arrived. None if nothing arrived.
        """
        return self._arrivals.get(reply_id)

    @once
    def _arrivals(self) -> dict[str, Moment]:
        replies, failures = self.replies, self.failures
        found = {each: reply.moment for each, reply in replies.items() if each not in failures}
        if failures:
            for reply_id, moment in list(found.items()):
                original = replies[reply_id].event.resend_of
                while original in failures and moment < found.get(original, LAST):
                    found[original] = moment
                    original = replies[original].event.resend_of
        return found

    @once
    def answers(self) -> list[tuple[Moment, ReplySent]]:
        """The human replies that arrived, each with the moment from which it counts, in order."""
        if not self.failures:
            sent = self.of(ReplySent)
            return [(each.moment, each.event) for each in sent if not each.event.automated]
        found = []
        for reply_id, reply in self.replies.items():
            if not reply.event.automated and (moment := self.arrived(reply_id)) is not None:
                found.append((moment, reply.event))
        found.sort(key=_FIRST)
        return found

    @once
    def reply_at(self) -> Callable[[Moment], Happened]:
        """The reply that was sent at a moment."""
        by_moment = {reply.moment: reply for reply in self.replies.values()}
        return by_moment.__getitem__


def _in_order(case: History | Family) -> Sequence[Happened]:
    if isinstance(case, Family):
        return happenings(case)
    case_id = case.stream.partition(":")[2]
    return [
        Happened(moment.at, moment, recorded.event, recorded.uid, case_id)
        for recorded in case.in_order
        for moment in (recorded.moment,)
    ]


def _ids(histories: Sequence[History]) -> list[str]:
    return [history.stream.removeprefix("case:") for history in histories]


def _receipt(opened: Happened) -> datetime | None:
    event: CaseOpened = opened.event
    if event.received_at is None:
        return event.occurred_at
    return event.received_at if event.received_at <= event.occurred_at else None
