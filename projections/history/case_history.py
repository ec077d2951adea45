"""A case as its rows read it: events by type in the order in which they happened, and deliveries.

Facts may be recorded late, so whatever measures time goes by `occurred_at`, then version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar, cast

from casestore.events import (
    CaseAssigned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
    DeliveryConfirmed,
    DeliveryFailed,
    Event,
    IssueRaised,
    MessageReceived,
    ReplySent,
)
from casestore.streams.history import History
from casestore.streams.policies import Policies
from projections.history.happened import Happened, Moment
from projections.history.issues import CHANGING, turns

E = TypeVar("E", bound=Event)

Status = Literal["open", "closed", "merged"]
"""How a case stands. What is merged into another one counts there, open or closed."""

NO_POLICIES = Policies()


class Failure(NamedTuple):
    """The news that a reply did not arrive."""

    at: datetime
    kind: Literal["permanent", "no_answer", "reported_missing"]
    code: str | None


class CaseHistory:
    """A case's history, its customer's, and the policies.

    Args:
        case: a case's events, not none.
        customer: the customer's events, for projections that look at them.
        policies: those adopted, for projections that look at them.
    """

    def __init__(
        self,
        case: History,
        customer: History | None = None,
        policies: Policies = NO_POLICIES,
    ) -> None:
        self.history = case
        self.customer = customer
        self.policies = policies
        self.case_id = case.stream.removeprefix("case:")
        self._by_type: dict[type[Event], list[Happened]] = {}
        self._by_types: dict[tuple[type[Event], ...], list[Happened]] = {}
        by_type = self._by_type
        events = case.effective
        times = [each.event.occurred_at for each in events]
        if times != sorted(times):
            events = tuple(sorted(events, key=lambda r: r.event.occurred_at))  # stable
        for recorded in events:
            happened = Happened.of(recorded)
            try:
                by_type[type(recorded.event)].append(happened)
            except KeyError:
                by_type[type(recorded.event)] = [happened]
        self.last_event_at: datetime = events[-1].event.occurred_at

    @property
    def types(self) -> frozenset[type[Event]]:
        """The types of its events."""
        return frozenset(self._by_type)

    def of(self, first: type[Event], *more: type[Event]) -> Sequence[Happened]:
        """The events of some types, in the order in which they happened."""
        if not more:
            return self._by_type.get(first, ())
        types = (first, *more)
        known = self._by_types.get(types)
        if known is None:  # the same are asked for again and again
            known = [each for cls in types for each in self._by_type.get(cls, ())]
            known.sort(key=lambda each: each.moment)
            self._by_types[types] = known
        return known

    # --- the case --------------------------------------------------------------------------

    @cached_property
    def opened(self) -> CaseOpened:
        """How the case began."""
        return cast(CaseOpened, self.of(CaseOpened)[0].event)

    @property
    def customer_id(self) -> str:
        """Whose case it is."""
        return self.opened.customer_id

    @property
    def receipt(self) -> datetime:
        """When the complaint reached us, as far as is known."""
        return self.opened.received_at or self.opened.occurred_at

    @cached_property
    def about(self) -> tuple[str | None, str | None, str | None]:
        """Product, region and category, as they were last judged to be."""
        opened = self.opened
        product, region, category = opened.product, opened.region, opened.category
        for event in self.in_order(CaseReclassified):
            product = event.product or product
            region = event.region or region
            category = event.category or category
        return product, region, category

    def in_order(self, *types: type[Event]) -> Iterator[Any]:
        """The events of some types in the order of the record, as a case's present state is
        folded: structure has seen to it that this order makes sense."""
        found = [each for cls in types for each in self._by_type.get(cls, ())]
        if len(found) > 1:
            found.sort(key=lambda each: each.moment.version)
        return (each.event for each in found)

    def owner_at(self, at: datetime) -> CaseAssigned | None:
        """The assignment in force at a time."""
        return cast(CaseAssigned | None, self._last_by(at, CaseAssigned))

    def team_of(self, each: Happened) -> str | None:
        """The team of who did something; where that was not recorded, the case's at that time."""
        owner = None if each.event.actor.team else self.owner_at(each.at)
        team: str | None = each.event.actor.team or (owner.team if owner else None)
        return team

    def status_at(self, at: datetime) -> Status:
        """How the case stood at a time."""
        if isinstance(self._last_by(at, CaseMerged, CaseUnmerged), CaseMerged):
            return "merged"
        closing = self._last_by(at, CaseClosed, CaseReopened)
        return "closed" if isinstance(closing, CaseClosed) else "open"

    def _last_by(self, at: datetime, *types: type[Event]) -> Event | None:
        for each in reversed(self.of(*types)):
            if each.at <= at:
                return cast(Event, each.event)
        return None

    @cached_property
    def issue_turns(self) -> list[tuple[Moment, frozenset[str]]]:
        """The issues that are open from each moment on at which that may change."""
        return turns(self.of(*CHANGING)) if self.of(IssueRaised) else []

    # --- deliveries ------------------------------------------------------------------------

    @cached_property
    def replies(self) -> dict[str, Happened]:
        """Every reply, human or automated, by id."""
        return {each.event.reply_id: each for each in self.of(ReplySent)}

    @cached_property
    def failures(self) -> dict[str, Failure]:
        """The replies that are known not to have arrived: the first such news since the last
        confirmation. A temporary failure is none."""
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
        return found

    @cached_property
    def resends(self) -> dict[str, list[str]]:
        """The resends of each reply, in order."""
        found: dict[str, list[str]] = {}
        for reply_id, reply in self.replies.items():
            if (original := reply.event.resend_of) is not None:
                found.setdefault(original, []).append(reply_id)
        return found

    def arrived(self, reply_id: str) -> Moment | None:
        """When a reply arrived as far as is known: when it was sent, or else when a resend of it
        was, which stands for it from its own time. None where nothing arrived."""
        return self._arrivals.get(reply_id)

    @cached_property
    def _arrivals(self) -> dict[str, Moment]:
        replies = self.replies
        if not self.failures:
            return {each: reply.moment for each, reply in replies.items()}
        resends = self.resends
        found = {each: reply.moment for each, reply in replies.items() if each not in self.failures}
        # Resends are on record after what they repeat, so of a chain of them the last comes first.
        for each in sorted(self.failures, key=lambda each: -replies[each].moment.version):
            if again := [found[resend] for resend in resends.get(each, ()) if resend in found]:
                found[each] = min(again)
        return found

    @cached_property
    def answers(self) -> list[tuple[Moment, ReplySent]]:
        """The human replies that arrived, each with the moment from which it counts, in order."""
        if not self.failures:
            sent = self.of(ReplySent)
            return [(each.moment, each.event) for each in sent if not each.event.automated]
        found = []
        for reply_id, reply in self.replies.items():
            if not reply.event.automated and (moment := self.arrived(reply_id)) is not None:
                found.append((moment, reply.event))
        found.sort(key=lambda each: each[0])
        return found
