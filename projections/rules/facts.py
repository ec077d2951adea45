"""What rules ask of a case, beyond its events: which issues were open, what covers an issue, when
something was due, whether the case was closed for good."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from casestore.events import (
    CaseReopened,
    Event,
    FindingMade,
    RemedyGiven,
    RemedyReversed,
    ResolutionRejected,
)
from casestore.events.policy_document import Conduct, Document
from casestore.policy.working_time import due
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened, Moment
from projections.history.issues import SETTLING

OUR_FAULT = ("ours", "shared")


class Facts:
    """A case as rules judge it.

    Attributes:
        case: the case; `case.of(Type, …)` gives its events in the order in which they happened.
    """

    def __init__(self, case: CaseHistory) -> None:
        self.case = case
        self.of = case.of

    def of_customer(self, *types: type[Event]) -> list[Happened]:
        """The events of some types in the customer's history, in the order in which they
        happened."""
        found = [
            Happened.of(each) for each in self.case.customer or () if isinstance(each.event, types)
        ]
        found.sort(key=lambda each: each.moment)
        return found

    # --- the policy ------------------------------------------------------------------------

    def policy(self, at: datetime) -> Document:
        """The policy that judges what happens at a time."""
        return self.case.policies.at(at)

    def number(self, at: datetime) -> Conduct:
        """Its numbers."""
        return self.policy(at).conduct

    def due(self, start: datetime, number: str, at: datetime | None = None) -> datetime:
        """When something is due by a number like "reply_within" of the policy in force then.

        Args:
            start: when it begins to count.
            number: the name of the number.
            at: the time of the judged event, if not `start`.
        """
        policy = self.policy(at or start)
        return due(start, getattr(policy.conduct, number), policy.calendar)

    # --- issues ----------------------------------------------------------------------------

    @property
    def issues(self) -> Mapping[str, Happened]:
        """When each issue was raised, by id."""
        return self.case.issues

    def open_issues(self, moment: Moment) -> frozenset[str]:
        """The issues that are open right before a moment."""
        return self.case.open_issues(moment)

    def about(self, each: Happened, field: str = "issue_ids") -> frozenset[str]:
        """The issues that an event is about: those it names, or all that were open then."""
        return self.case.about_issues(each, field)

    def matters(self, each: Happened) -> frozenset[str]:
        """The issues that a finding, or something given, is for; see CaseHistory."""
        return self.case.matters(each)

    def unsettled(self, moment: Moment) -> bool:
        """Whether an issue, or a case without issues, is unsettled right before a moment."""
        if self.issues:
            return bool(self.open_issues(moment))
        settled = False
        for each in self.of(*SETTLING):
            if each.moment < moment and self.settles(each):
                settled = not isinstance(each.event, ResolutionRejected | CaseReopened)
        return not settled

    def settles(self, each: Happened) -> bool:
        """Whether what settles a case, or opens it again, holds: of what was merged then no closing
        does, nor does a remedy that was taken back."""
        if isinstance(each.event, RemedyGiven):
            return each.event.remedy_id not in self.taken_back
        return self.case.covers(each, self.case.case_id)

    @cached_property
    def taken_back(self) -> frozenset[str]:
        """The remedies that were taken back."""
        return frozenset(each.event.remedy_id for each in self.of(RemedyReversed))

    @cached_property
    def findings_on(self) -> dict[str, list[Happened]]:
        """The findings on each issue, in order, those superseded among them."""
        found: dict[str, list[Happened]] = {}
        for each in self.of(FindingMade):
            for issue_id in sorted(self.matters(each)):
                found.setdefault(issue_id, []).append(each)
        return found

    @cached_property
    def _superseded(self) -> dict[str | None, Moment]:
        made = reversed(self.of(FindingMade))
        return {each.event.supersedes: each.moment for each in made}

    def finding_on(self, issue_id: str, before: Moment | None = None) -> Happened | None:
        """The finding on an issue that stands: the last one, at present or right before a
        moment, that none had superseded by then."""
        made = self.findings_on.get(issue_id, [])
        if before is not None:
            made = made[: bisect_left(made, before, key=lambda each: each.moment)]
        for each in made[::-1]:
            gone = self._superseded.get(each.event.finding_id)
            if gone is None or (before is not None and gone >= before):
                return each
        return None

    @cached_property
    def fault_since(self) -> dict[str, Happened]:
        """The finding since which it stands that an issue, or a case without issues, is our
        fault; without those that are not, as far as we found."""
        since: dict[str, Happened] = {}
        for issue_id, made in self.findings_on.items():
            last = self.finding_on(issue_id)
            if last is None or last.event.fault not in OUR_FAULT:
                continue
            since[issue_id] = last
            for each in reversed(made[: made.index(last)]):
                if each.event.fault not in OUR_FAULT:
                    break
                since[issue_id] = each
        return since

    # --- messages, and the end --------------------------------------------------------------

    @property
    def messages(self) -> list[Happened]:
        """The customer's messages, one contact each, without those of machines."""
        return list(self.case.contacts)

    @cached_property
    def close(self) -> Happened | None:
        """The closing as resolved or with a final response that stands; None where the case is
        open, or was closed for another reason."""
        if self.case.standing.status != "closed":
            return None
        own = (turn for turn in reversed(self.case.closings) if turn.case_id == self.case.case_id)
        last = next(own, None)
        if last is None or last.event.reason not in ("resolved", "final_response"):
            return None
        return last
