"""What rules ask about a case beyond its events.

Which issues were open, what an event is about, when something was due, how the case ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from casestore.events import (
    CaseOpened,
    CaseReopened,
    Event,
    FindingMade,
    RemedyGiven,
    RemedyReversed,
    ResolutionRejected,
)
from casestore.events.policy_document import Conduct, Document
from casestore.policy.working_time import due
from casestore.system.once import once
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened, Moment
from projections.history.issues import SETTLING
from projections.models.cases import RESOLVED

OUR_FAULT = ("ours", "shared")


class Facts:
    """A case, as rules see it.

    Attributes:
        case: the history of the case.
        of: `of(Type, …)` gives the events of these types, in the order of happening.
        kept: what rules share (see `projections.history.kept`).
    """

    def __init__(self, case: CaseHistory) -> None:
        self.case = case
        self.of = case.of
        self.kept: dict[Callable[..., Any], Sequence[Any]] = {}
        self._closes: dict[str, Happened | None] = {}

    def of_customer(self, *types: type[Event]) -> list[Happened]:
        """The events of some types in the customer's history, in the order of happening."""
        if self.case.customer is None:
            return []
        in_order = self.case.customer.in_order
        return [Happened.of(each) for each in in_order if isinstance(each.event, types)]

    # --- the policy ------------------------------------------------------------------------

    def policy(self, at: datetime) -> Document:
        """The policy that judges what happens at a time: the one in force then."""
        return self.case.policies.at(at)

    def number(self, at: datetime) -> Conduct:
        """The numbers of that policy."""
        return self.policy(at).conduct

    def due(self, start: datetime, number: str, at: datetime | None = None) -> datetime:
        """When something is due, by one of the policy's numbers.

        Args:
            start: the time at which counting begins.
            number: the name of the number, like "reply_within".
            at: the time of the event that is judged, whose policy counts; `start` if left out.
        """
        policy = self.policy(at or start)
        return due(start, getattr(policy.conduct, number), policy.calendar)

    # --- issues ----------------------------------------------------------------------------

    @property
    def issues(self) -> Mapping[str, Happened]:
        """The event that raised each issue, by the issue's id."""
        return self.case.issues

    def open_issues(self, moment: Moment) -> frozenset[str]:
        """The issues that were open right before a moment."""
        return self.case.open_issues(moment)

    def about(self, each: Happened, field: str = "issue_ids") -> frozenset[str]:
        """The issues that an event is about; see `CaseHistory.about_issues`."""
        return self.case.about_issues(each, field)

    def matters(self, each: Happened) -> frozenset[str]:
        """The issues that a finding, gesture or remedy is for; see `CaseHistory.matters`."""
        return self.case.matters(each)

    def is_about(self, said: Happened, issue_id: str, later: Happened) -> bool:
        """Whether an event is about an issue, which need not be open.

        It is if it names the issue, or if it names none and the issue's case was merged with its
        own at that moment. If `issue_id` is CASE, the cases of the two events must have been
        merged when the later one happened.
        """
        if named := said.event.issue_ids:
            return issue_id in named
        if issue_id in self.issues:
            return self.case.covers(said, self.issues[issue_id].case_id)
        return self.case.together(said, later)

    def unsettled(self, moment: Moment) -> bool:
        """Whether something was unsettled right before a moment: an issue was open, or, if the
        case has no issues, the case itself was."""
        if self.issues:
            return bool(self.open_issues(moment))
        turns = self._turns_without_issues
        before = bisect_left(turns, moment, key=itemgetter(0))
        return turns[before - 1][1] if before else True

    @once
    def _turns_without_issues(self) -> list[tuple[Moment, bool]]:
        """Whether a case without issues was unsettled after each event that may change it.

        It was, as long as one of the cases in its family was.
        """
        turns: list[tuple[Moment, bool]] = []
        past: list[Happened] = []
        taken_back: set[str] = set()
        unsettled = {self.case.case_id: True}
        for happened in self.of(CaseOpened, RemedyReversed, *SETTLING):
            event = happened.event
            if isinstance(event, RemedyReversed):
                taken_back.add(event.remedy_id)
                unsettled = {self.case.case_id: True}
                for earlier in past:
                    self._turn(unsettled, earlier, taken_back)
            else:
                past.append(happened)
                self._turn(unsettled, happened, taken_back)
            turns.append((happened.moment, any(unsettled.values())))
        return turns

    def _turn(
        self, unsettled: dict[str, bool], happened: Happened, taken_back: Container[str]
    ) -> None:
        event = happened.event
        if isinstance(event, CaseOpened):
            unsettled.setdefault(happened.case_id, True)
            return
        if isinstance(event, RemedyGiven) and event.remedy_id in taken_back:
            return
        again = isinstance(event, ResolutionRejected | CaseReopened)
        for case_id in unsettled:
            if self.case.covers(happened, case_id):
                unsettled[case_id] = again

    @once
    def taken_back(self) -> dict[str, Happened]:
        """The event that reversed a remedy, by the remedy's id."""
        return {each.event.remedy_id: each for each in reversed(self.of(RemedyReversed))}

    @once
    def findings_on(self) -> dict[str, list[Happened]]:
        """The findings on each issue, in order, superseded ones included."""
        found: dict[str, list[Happened]] = {}
        for each in self.of(FindingMade):
            for issue_id in sorted(self.matters(each)):
                found.setdefault(issue_id, []).append(each)
        return found

    @once
    def _superseded(self) -> dict[str | None, Moment]:
        made = reversed(self.of(FindingMade))
        return {each.event.supersedes: each.moment for each in made}

    def finding_on(self, issue_id: str, before: Moment | None = None) -> Happened | None:
        """The finding on an issue that stands now, or stood right before a moment.

        It is the last finding that no other one had superseded.
        """
        made = self.findings_on.get(issue_id, [])
        if before is not None:
            made = made[: bisect_left(made, before, key=lambda each: each.moment)]
        for each in made[::-1]:
            gone = self._superseded.get(each.event.finding_id)
            if gone is None or (before is not None and gone >= before):
                return each
        return None

    @once
    def fault_since(self) -> dict[str, Happened]:
        """The issues that are our fault, each with the finding since which this has held.

        CASE stands for a case without issues. An issue is left out if the finding that stands
        says it is not our fault.
        """
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
    def messages(self) -> Sequence[Happened]:
        """The customer's messages, without automated ones. Each is one contact."""
        return self.case.contacts

    def close(self, case_id: str) -> Happened | None:
        """The closing that stands for a case of the family, if it resolves the case.

        It does with the reason "resolved" or "final_response".
        It is the case's own, or that of the case it was merged into. None if the case is open or
        was closed for another reason.
        """
        if case_id not in self._closes:
            turns = (t for t in reversed(self.case.closings) if self.case.covers(t, case_id))
            self._closes[case_id] = next(turns, None)
        last = self._closes[case_id]
        if last is None or isinstance(last.event, CaseReopened):
            return None
        return last if last.event.reason in RESOLVED else None

    def close_of(self, issue_id: str, found: Happened) -> Happened | None:
        """The closing that stands for an issue; see `close`.

        If `issue_id` is CASE, it is the closing of the case in which something was found.
        """
        issue = self.issues.get(issue_id, found)
        return self.close(issue.case_id)
