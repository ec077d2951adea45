"""What is known of a municipality's permit applications: promises with real deadlines.

Every row of the file is one completed task, and repeats what is known of its whole case. Each case
becomes a CaseOpened and a PromiseMade at `case:startdate`, an event for each task at its own time,
and a PromiseKept at `case:enddate` if there is one, in order of time. Every time in the file names
its offset, +01:00 in winter and +02:00 in summer, and is taken over unchanged.

permits.toml maps them. What the file is like, and what we make of it:

- Every case has a deadline, and every deadline is after the start: there is nothing to decide.
- 49 of the 726 cases have no enddate: their promise is not kept.
- case-10862 ended (at midnight) 67 minutes before it started, on the same day. Its PromiseKept has
  that time, and comes after the PromiseMade. The answers are not changed by it at any time: before
  the start there is no promise, and from the start on it is kept.
- 69 cases ended before their last task, 52 even before their first: all tasks become events.
- A deadline is a moment, mostly 00:00 or 01:06:40, and not a whole day. 39 cases ended later on the
  day of their deadline, one of them by 20 ms. By the definition of the report they are late.
- The file does not say who applied: each case has a customer of its own. Nor does it say who opened
  the case or kept the promise: the actor of both is the person responsible for the case.
- It does not say what was promised either: the promise is of kind "other".
- `case:department`, `case:group` and `case:enddate_planned` are left out: they are the case's last
  values, and the file does not say since when they held. An org:group "EMPTY" means no team.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from tests.support.real_data import PERMITS, histories

State = Literal["kept", "late", "open", "broken"]

_CASE, _START, _DUE, _END = "case:concept:name", "case:startdate", "case:deadline", "case:enddate"


def permit_answers(data_dir: Path, as_of: datetime) -> dict[str, State]:
    """The state of each case's promise at a time, by the dates in the file.

    Args:
        as_of: with its zone. Cases that start later are left out, and later ends do not count.
    """
    return {
        permit: _state(
            due_at=datetime.fromisoformat(case[_DUE]),
            kept_at=datetime.fromisoformat(case[_END]) if case[_END] else None,
            as_of=as_of,
        )
        for permit, (case, *_) in histories(data_dir / PERMITS, _CASE)
        if datetime.fromisoformat(case[_START]) <= as_of
    }


def _state(due_at: datetime, kept_at: datetime | None, as_of: datetime) -> State:
    if kept_at is not None and kept_at <= as_of:
        return "kept" if kept_at <= due_at else "late"
    return "open" if as_of <= due_at else "broken"
