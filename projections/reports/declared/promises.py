"""`promises`: every promise and its state, and the rates by team."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from casestore.streams.history import to_microseconds
from casestore.streams.promise_state import PromiseState, promise_state
from projections.models.promises import PROMISES, PromiseRow
from projections.models.promises import state as state_at
from projections.projection import Row
from projections.query.lines import Lines, comparable
from projections.query.measures import seconds, share, shifted
from projections.query.report import Answer, CannotAsk, Line, Option, Report
from projections.query.selection import listed, matching
from projections.query.view import View

STATES: tuple[PromiseState, ...] = (
    "kept",
    "late",
    "broken",
    "withdrawn",
    "open",
    "undated",
    "released",
)
KINDS = (
    *("callback", "reply", "update", "refund", "credit"),
    *("repair", "replacement", "visit", "investigation", "other"),
)
_BROKEN: tuple[PromiseState, ...] = ("late", "broken", "withdrawn")


class PromiseLine(Line, frozen=True, kw_only=True):
    """A promise and its state."""

    promise_id: str
    case_id: str
    customer_id: str
    kind: str
    made_at: datetime
    made_by: str
    team: str | None
    first_due_at: datetime | None
    due_at: datetime | None
    state: PromiseState
    broken_at: datetime | None
    """The earlier of the due time and the withdrawal, if the promise was not kept in time."""
    kept_at: datetime | None
    late_by_s: int | None
    """Seconds from the due time to when it was kept; if it is broken, to as-of or to when the
    customer released us from it."""
    renegotiations: int
    owner_at_due: str | None
    case_status_at_due: str | None


class RateLine(Line, frozen=True, kw_only=True):
    """The promises of one team."""

    team: str | None
    kept: int
    late: int
    broken: int
    withdrawn: int
    kept_rate: float | None


class AgentRateLine(Line, frozen=True, kw_only=True):
    """The promises that one agent made."""

    agent: str
    kept: int
    late: int
    broken: int
    withdrawn: int
    kept_rate: float | None


def line_of(promise: PromiseRow, customer_id: str, as_of: datetime) -> PromiseLine:
    """The line of a promise as of a time.

    Args:
        promise: the promise.
        customer_id: the customer under whom reports count it.
        as_of: the time.
    """
    now, due = state_at(promise, as_of), promise.due_at
    ended = [at for at in (due, promise.withdrawn_at) if at is not None]
    late_until = {"late": promise.kept_at, "broken": promise.released_at or as_of}.get(now)
    was_due = due is not None and due <= as_of
    return PromiseLine(
        promise_id=promise.promise_id,
        case_id=promise.case_id,
        customer_id=customer_id,
        kind=promise.kind,
        made_at=promise.made_at,
        made_by=promise.made_by,
        team=promise.team,
        first_due_at=promise.first_due_at,
        due_at=due,
        state=now,
        broken_at=min(ended) if now in _BROKEN else None,
        kept_at=promise.kept_at,
        late_by_s=None if due is None or late_until is None else seconds(late_until - due),
        renegotiations=promise.renegotiations,
        owner_at_due=promise.owner_at_due if was_due else None,
        case_status_at_due=promise.status_at_due if was_due else None,
    )


class _Standing(Row, frozen=True):
    """Of a promise what is counted, as it is stored: see PromiseRow."""

    made_by: str
    team: str | None
    due_at: int | None
    kept_at: int | None
    withdrawn_at: int | None
    released_at: int | None


def _states(rows: Iterable[_Standing], as_of: datetime) -> Iterator[tuple[_Standing, PromiseState]]:
    """Promises, each with its state as of a time."""
    at = to_microseconds(as_of)
    for row in rows:
        withdrawn = row.withdrawn_at is not None
        state = promise_state(
            at,
            due_at=row.due_at,
            kept_at=row.kept_at,
            released_at=row.released_at,
            withdrawn=withdrawn,
        )
        yield row, state


def _answer(
    view: View,
    *,
    broken: bool = False,
    due: timedelta | None = None,
    state: Sequence[str] = (),
    kind: Sequence[str] = (),
) -> Answer[PromiseLine]:
    if broken + (due is not None) + bool(state) > 1:
        raise CannotAsk("broken, due and state each say how a promise stands; give one of them")
    where, params = matching(kind=kind)
    order = _ORDER
    wanted = {*listed(state)} or {*STATES}
    if broken:
        wanted = {*_BROKEN}
    if due is not None:
        soon = to_microseconds(view.as_of), to_microseconds(shifted(view.as_of, due))
        where.append("due_at >= {} AND due_at <= {}".format(*soon))
        wanted, order = {"open"}, f"due_at, {_ORDER}"
    read: Any = partial(
        view.stream, PROMISES, *where, params=params, time="made_at", agent="made_by"
    )
    states = Counter(state for _, state in _states(read(row=_Standing), view.as_of))
    total = sum(states[each] for each in states if each in wanted)

    def lines(rows: Sequence[PromiseRow]) -> Iterator[PromiseLine]:
        some = [row for row in rows if state_at(row, view.as_of) in wanted]
        roots = view.roots((row.customer_id for row in some), total)
        return (line_of(row, roots[row.customer_id], view.as_of) for row in some)

    shown = Lines(
        read,
        lines,
        total=total,
        order=order,
        columns=comparable(PromiseRow, "customer_id", "owner_at_due"),
        every=len(wanted) == len(STATES),
    )
    return Answer(shown, _counts(states))


_ORDER = "made_at, case_id, promise_id"


def _counts(states: Counter[PromiseState]) -> dict[str, Any]:
    judged = sum(states[each] for each in ("kept", *_BROKEN))
    return {
        "promises": states.total(),
        **{state: states[state] for state in STATES},
        "kept_rate": share(states["kept"], judged),
    }


def _rates(view: View) -> Answer[RateLine]:
    by_team = _states_by(view, lambda row: row.team)
    found = [RateLine(team=team, **_rate(each)) for team, each in by_team.items()]
    found.sort(key=lambda row: (row.kept_rate is None, row.kept_rate or 0, row.team or ""))
    return Answer(found, _counts(sum(by_team.values(), Counter())))


def _agent_rates(view: View) -> Answer[AgentRateLine]:
    by_agent = _states_by(view, lambda row: row.made_by)
    found = [AgentRateLine(agent=agent, **_rate(each)) for agent, each in by_agent.items()]
    found.sort(key=lambda row: (-(row.late + row.broken + row.withdrawn), row.kept, row.agent))
    return Answer(found, _counts(sum(by_agent.values(), Counter())))


K = TypeVar("K", bound=Hashable)


def _states_by(view: View, key: Callable[[_Standing], K]) -> dict[K, Counter[PromiseState]]:
    """How many promises stand how, by team or by who made them."""
    found: defaultdict[K, Counter[PromiseState]] = defaultdict(Counter)
    rows = view.stream(PROMISES, time="made_at", agent="made_by", row=_Standing)
    for row, state in _states(rows, view.as_of):
        found[key(row)][state] += 1
    return found


def _rate(states: Counter[PromiseState]) -> dict[str, Any]:
    counts = _counts(states)
    return {name: counts[name] for name in ("kept", *_BROKEN, "kept_rate")}


PROMISE_RATES = Report(
    "promises",
    "How many of its promises each team keeps.",
    RateLine,
    _rates,
    needs=(PROMISES,),
    shown="team kept late broken withdrawn kept_rate",
)
PROMISE_RATES_BY_AGENT = Report(
    "promises",
    "How many of their promises each agent keeps.",
    AgentRateLine,
    _agent_rates,
    needs=(PROMISES,),
    shown="agent kept late broken withdrawn kept_rate",
)
PROMISES_REPORT = Report(
    "promises",
    "What we promised, and how each promise stands.",
    PromiseLine,
    _answer,
    needs=(PROMISES,),
    shown="promise_id case_id customer_id kind made_by due_at state late_by_s",
    options=(
        Option("broken", "Only what was kept late, broken or withdrawn."),
        Option("due", "Only what is open and due within that time, like 7d or 12h.", timedelta),
        Option("state", "Only those that stand so.", STATES, multiple=True),
        Option("kind", "Only those of that kind.", KINDS, multiple=True),
        Option("rate", "How many of its promises each team keeps.", instead=PROMISE_RATES),
        Option(
            "rate-by-agent",
            "How many of their promises each agent keeps.",
            instead=PROMISE_RATES_BY_AGENT,
        ),
    ),
    example="promises --broken --team north",
)
