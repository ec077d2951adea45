"""Cases that were merged count once: under the case they were merged into, from the earliest
receipt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from projections.models.cases import CASES, CaseRow
from projections.models.deliveries import DeliveryRow
from projections.query.measures import grouped, seconds
from projections.query.view import View, root


class Family:
    """A case with all that is merged into it."""

    def __init__(self, case: CaseRow, members: list[CaseRow]) -> None:
        self.case = case
        self.all = [case, *members]

    @property
    def receipt(self) -> datetime:
        """When the complaint first reached us: received, else opened."""
        return min(each.received_at or each.opened_at for each in self.all)

    @property
    def received_at(self) -> datetime | None:
        """The same, where it was recorded, or a case merged into this one was earlier."""
        own = self.case.received_at or self.case.opened_at
        return self.receipt if self.receipt < own else self.case.received_at

    @property
    def first_response_at(self) -> datetime | None:
        """Of the first human reply that arrived."""
        first = [each.first_response_at for each in self.all if each.first_response_at is not None]
        return min(first, default=None)

    @property
    def first_response_s(self) -> int | None:
        """Seconds from receipt to it; none where we answered before the case was put on record."""
        at = self.first_response_at
        return None if at is None else max(seconds(at - self.receipt), 0)

    @property
    def unanswered(self) -> list[datetime]:
        """The times of the customer's messages that no human reply that arrived came after.

        What came at the very time of a reply in its own case is sorted out in the row.
        """
        answers = [each.answered_at for each in self.all if each.answered_at is not None]
        answered = max(answers, default=None)
        asked = sorted(at for each in self.all for at in each.unanswered)
        return [at for at in asked if answered is None or at >= answered]

    @property
    def waiting_since(self) -> datetime | None:
        """The earliest of them."""
        return next(iter(self.unanswered), None)

    @property
    def agents(self) -> set[str]:
        """Those who replied."""
        return {agent for each in self.all for agent in each.agents}

    @property
    def contacts(self) -> int:
        """The customer's messages."""
        return sum(each.messages for each in self.all)

    @property
    def upheld(self) -> bool | None:
        """Whether a finding that stands upholds an issue, or part of one; None without findings."""
        found = [each.upheld for each in self.all if each.upheld is not None]
        return any(found) if found else None

    @property
    def resolution_s(self) -> int | None:
        """Seconds from receipt to the closing as resolved, or with a final response."""
        case = self.case
        if case.closed_at is None or case.close_reason not in ("resolved", "final_response"):
            return None
        return max(seconds(case.closed_at - self.receipt), 0)


def families(view: View, rows: Collection[CaseRow]) -> Iterator[Family]:
    """The families of some cases, in the order of the cases."""
    into = grouped(_merged(view, rows), lambda row: row.merged_into)

    def members(case: CaseRow) -> list[CaseRow]:
        found = {case.case_id: case}
        last = [case]
        while last:  # not for ever: as of some time, clocks can differ into a circle
            last = [each for one in last for each in into.get(one.case_id, ())]
            last = [each for each in last if each.case_id not in found]
            found |= {each.case_id: each for each in last}
        return list(found.values())[1:]

    return (Family(row, members(row)) for row in rows)


def _merged(view: View, rows: Collection[CaseRow]) -> list[CaseRow]:
    """All that is merged into some cases, directly or not."""
    found: dict[str, CaseRow] = {}
    new = {row.case_id for row in rows}
    while new:
        members = view.lookup(CASES, "merged_into", new)
        new = {row.case_id for row in members} - set(found)
        found |= {row.case_id: row for row in members}
    return list(found.values())


def tops(view: View, rows: Iterable[CaseRow]) -> dict[str, CaseRow]:
    """For each of some cases what it counts under: itself, unless it is merged.

    What it is merged into may not have been opened by the time that is asked about, if it was put
    on record late; then it counts for itself.
    """
    known = {row.case_id: row for row in rows}
    asked = list(known)
    new = {row.merged_into for row in known.values() if row.merged_into} - set(known)
    while new:
        found = {row.case_id: row for row in view.lookup(CASES, "case_id", new)}
        known |= found
        new = {row.merged_into for row in found.values() if row.merged_into} - set(known)
    into = {e.case_id: e.merged_into for e in known.values() if e.merged_into in known}
    return {each: known[root(each, into)] for each in asked}


def counted_cases(
    view: View, *, time: str | None = "opened_at", agent: str | None = "agent"
) -> list[Family]:
    """The cases that the selection asks for, each counted once, in the order of opening."""
    rows = view.chosen(CASES, time=time, agent=agent)
    top = tops(view, rows)
    rows = [row for row in rows if top[row.case_id] is row]
    rows.sort(key=lambda row: (row.opened_at, row.case_id))
    return list(families(view, rows))


def family_of(view: View, case_ids: Collection[str]) -> dict[str, Family]:
    """For each of some cases what it counts with."""
    top = tops(view, view.lookup(CASES, "case_id", case_ids))
    each_once = {case.case_id: case for case in top.values()}
    found = {each.case.case_id: each for each in families(view, list(each_once.values()))}
    return {each: found[case.case_id] for each, case in top.items()}


def made_good(reply: DeliveryRow, family: Family | None) -> bool:
    """Whether the customer heard from us after all, after a reply that did not arrive: by a resend
    or a later human reply, or by any later one in another case of the family, where there is one
    (rows of cases can be parked)."""
    return reply.made_good_at is not None or any(
        case.answered_at is not None and case.answered_at > reply.sent_at
        for case in (family.all if family else ())
        if case.case_id != reply.case_id
    )
