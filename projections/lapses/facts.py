"""What rules ask of a case, beyond its events: which issues were open, what covers an issue, when
something was due, whether the case was closed for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

from casestore.events import (
    CaseClosed,
    CaseReopened,
    FindingMade,
    IssueRaised,
    MessageReceived,
    RemedyGiven,
    ResolutionAccepted,
    ResolutionRejected,
)
from casestore.events.document import Conduct, Document
from casestore.working_time import due
from projections.reading import Happened, Moment, Reading

_TURNS = (
    IssueRaised,
    ResolutionAccepted,
    ResolutionRejected,
    RemedyGiven,
    FindingMade,
    CaseClosed,
    CaseReopened,
)
_SETTLING = (ResolutionAccepted, ResolutionRejected, RemedyGiven, CaseClosed, CaseReopened)
UNFOUNDED = ("not_upheld", "out_of_scope")


class Facts:
    """A case as rules judge it.

    Attributes:
        case: the case; `case.of(Type, …)` gives its events in the order in which they happened.
    """

    def __init__(self, case: Reading) -> None:
        self.case = case
        self.of = case.of

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

    @cached_property
    def issues(self) -> dict[str, Happened]:
        """When each issue was raised, by id."""
        return {each.event.issue_id: each for each in self.of(IssueRaised)}

    @cached_property
    def _turns(self) -> list[tuple[Moment, frozenset[str]]]:
        """The issues that are open from each moment on."""
        is_open: dict[str, bool] = {}
        turns = []
        for each in self.of(*_TURNS) if self.issues else ():
            event = each.event
            ids = getattr(event, "issue_ids", None)
            match event:
                case IssueRaised():
                    is_open[event.issue_id] = True
                case FindingMade() if event.outcome not in UNFOUNDED:
                    continue
                case _:
                    again = isinstance(event, ResolutionRejected | CaseReopened)
                    for issue_id in is_open if ids is None else ids:
                        if issue_id in is_open:
                            is_open[issue_id] = again
            turns.append((each.moment, frozenset(i for i, yes in is_open.items() if yes)))
        return turns

    def open_issues(self, moment: Moment) -> frozenset[str]:
        """The issues that are open right before a moment."""
        found: frozenset[str] = frozenset()
        for turn, is_open in self._turns:
            if turn >= moment:
                break
            found = is_open
        return found

    def about(self, each: Happened, field: str = "issue_ids") -> frozenset[str]:
        """The issues that an event is about: those it names, or all that were open then."""
        ids = getattr(each.event, field)
        return self.open_issues(each.moment) if ids is None else frozenset(ids)

    def unsettled(self, moment: Moment) -> bool:
        """Whether an issue, or a case without issues, is unsettled right before a moment."""
        if self.issues:
            return bool(self.open_issues(moment))
        turns = self.of(
            ResolutionAccepted, ResolutionRejected, RemedyGiven, CaseClosed, CaseReopened
        )
        settled = False
        for each in turns:
            if each.moment < moment:
                settled = not isinstance(each.event, ResolutionRejected | CaseReopened)
        return not settled

    @cached_property
    def findings(self) -> list[Happened]:
        """The findings that no later one has superseded."""
        made = self.of(FindingMade)
        superseded = {each.event.supersedes for each in made}
        return [each for each in made if each.event.finding_id not in superseded]

    def finding_on(self, issue_id: str, before: Moment | None = None) -> Happened | None:
        """The last finding on an issue, up to a moment if one is given."""
        found = None
        for each in self.of(FindingMade):
            if issue_id in self.about(each) and (before is None or each.moment < before):
                found = each
        return found

    @property
    def our_faults(self) -> Iterator[tuple[str, Happened]]:
        """The issues at which the last finding holds us at fault, wholly or in part."""
        for issue_id in self.issues:
            found = self.finding_on(issue_id)
            if found is not None and found.event.fault in ("ours", "shared"):
                yield issue_id, found

    # --- messages, and the end --------------------------------------------------------------

    @property
    def messages(self) -> list[Happened]:
        """The customer's messages: one contact each."""
        return list(self.of(MessageReceived))

    @cached_property
    def close(self) -> Happened | None:
        """The closing as resolved or with a final response that stands; None where the case is
        open, or was closed for another reason."""
        last = None
        for last in self.of(CaseClosed, CaseReopened):  # noqa: B007  (the last one is wanted)
            pass
        if last is None or isinstance(last.event, CaseReopened):
            return None
        return last if last.event.reason in ("resolved", "final_response") else None
