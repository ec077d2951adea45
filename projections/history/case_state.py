"""How a case stands by its events: which issues are open, what was asked, what went up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from casestore.events import Ask, CaseEscalated, EscalationReturned, MessageReceived
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened


class Issue(NamedTuple):
    """A grievance of the customer."""

    issue_id: str
    category: str | None
    state: Literal["open", "settled"]
    raised: Happened


def issues(case: CaseHistory) -> Iterator[Issue]:
    """The issues of a case, in the order in which they were raised."""
    turns = case.issue_turns
    still_open = turns[-1][1] if turns else frozenset()
    for issue_id, raised in case.issues.items():
        state: Literal["open", "settled"] = "open" if issue_id in still_open else "settled"
        yield Issue(issue_id, raised.event.category, state, raised)


def asks(case: CaseHistory) -> Iterator[tuple[Ask, Happened]]:
    """What the customer asked for, each with the message."""
    for message in case.of(MessageReceived):
        yield from ((ask, message) for ask in message.event.asks or ())


def escalations(case: CaseHistory) -> Iterator[tuple[Happened, Happened | None]]:
    """Where the case went up, each with its return; None if it has not come back."""
    returned = {each.event.escalation_id: each for each in case.of(EscalationReturned)}
    for each in case.of(CaseEscalated):
        yield each, returned.get(each.event.escalation_id)
