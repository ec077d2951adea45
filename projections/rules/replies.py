"""Lessons about replies: they arrive, come from few agents, and have a fitting tone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from casestore.events import (
    DeliveryFailed,
    MessageReceived,
    RemedyGiven,
    ReplySent,
)
from projections.history.case_history import CASE
from projections.history.happened import Happened, Moment
from projections.models.lapses import Outcome
from projections.rules.contact import Done, in_time
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule


@rule("undelivered-reply", "1", on=ReplySent, numbers="resend_within")
def undelivered_reply(case: Facts) -> Iterator[Finding]:
    """A reply that did not arrive was no reply: send it again, or say it anew, as soon as you
    hear of it."""
    # Time runs from when we heard of the failure. The owner at that time answers for it, as the
    # writer may be away. If the issues of a reply were not recorded, it is unknown whether a later
    # reply was about the same ones.
    if not case.case.failures:
        return
    news = _news(case)
    replies = case.case.replies
    by_moment = {each.moment: each for each in replies.values()}
    later = _LaterReplies(case)
    for reply_id, failure in case.case.failures.items():
        reply, due = replies[reply_id], case.due(failure.at, "resend_within")
        moment, perhaps = later.on_the_same(reply)
        if (resent := case.case.arrived(reply_id)) is not None:
            moment = resent if moment is None else min(moment, resent)
        done = None if moment is None else Done(moment.at, by_moment[moment])
        if perhaps is not None and perhaps.at <= due and (done is None or done.at > due):
            evidence = (*news.get(reply_id, ()), by_moment[perhaps])
            yield Finding(reply_id, "unknown", perhaps.at, reply, evidence, by_owner=True)
        else:
            yield in_time(reply_id, due, done, reply, *news.get(reply_id, ()))


def _news(case: Facts) -> dict[str, list[Happened]]:
    """By reply, the events that told us that it did not arrive."""
    found: dict[str, list[Happened]] = {}
    for each in case.of(DeliveryFailed, MessageReceived):
        event = each.event
        if isinstance(event, MessageReceived):
            for reply_id in event.says_not_received or ():
                found.setdefault(reply_id, []).append(each)
        elif event.kind != "temporary":
            found.setdefault(event.reply_id, []).append(each)
    return found


class _LaterReplies:
    """The human replies that arrived, by the issues that they address."""

    def __init__(self, case: Facts) -> None:
        self._no_issues = not case.issues
        self._all: list[Moment] = []
        self._on: dict[str | None, list[Moment]] = {}
        for moment, reply in case.case.answers:
            if reply.addresses != ():  # a reply that addresses no issue replaces no other reply
                self._all.append(moment)
            for issue_id in (None,) if reply.addresses is None else reply.addresses:
                self._on.setdefault(issue_id, []).append(moment)

    def on_the_same(self, reply: Happened) -> tuple[Moment | None, Moment | None]:
        """The first later reply that is about a reply's issues, and the first that may be."""
        addresses = reply.event.addresses
        if self._no_issues or addresses == ():  # about the case as a whole
            return _after(self._all, reply.moment), None
        if addresses is None:
            return None, _after(self._all, reply.moment)
        found = (_after(self._on.get(issue_id, []), reply.moment) for issue_id in addresses)
        first = min((each for each in found if each is not None), default=None)
        return first, _after(self._on.get(None, []), reply.moment)


def _after(moments: list[Moment], moment: Moment) -> Moment | None:
    place = bisect_right(moments, moment)
    return moments[place] if place < len(moments) else None


@rule("pleasantry-on-unresolved", "5", on=ReplySent)
def pleasantry_on_unresolved(case: Facts) -> Iterator[Finding]:
    """Do not wish a good day to a customer whose day you have not put right yet."""
    # A remedy that is given with the reply settles its issues, even if it is recorded after it.
    remedies: dict[str | None, list[Happened]] = {}
    for each in case.of(RemedyGiven):
        remedies.setdefault(each.event.reply_id, []).append(each)
    outcomes: dict[bool | None, Outcome] = {True: "violated", False: "satisfied"}
    for reply in case.of(ReplySent):
        event: ReplySent = reply.event
        brought = remedies.get(event.reply_id, ())
        if not case.issues:
            unsettled = case.unsettled(reply.moment) and not brought
        else:
            left = case.open_issues(reply.moment).difference(*map(case.about, brought))
            unsettled = bool(left)
        if unsettled:
            outcome = outcomes.get(event.closing_pleasantry, "unknown")
            yield Finding(event.reply_id, outcome, reply.at, reply)


@rule("too-many-hands", "2", "3", "5", on=ReplySent, numbers="max_agents")
def too_many_hands(case: Facts) -> Iterator[Finding]:
    """One case, one face: a customer is not handed from agent to agent."""
    first: dict[str, Happened] = {}
    last: Happened | None = None
    for reply in case.of(ReplySent):
        actor = reply.event.actor
        if reply.event.automated or actor.kind != "agent":
            continue
        last = reply
        if actor.id not in first:
            first[actor.id] = reply
            if len(first) > case.number(reply.at).max_agents:
                *others, _ = first.values()
                yield Finding(CASE, "violated", reply.at, reply, tuple(others), by_owner=True)
                return
    if last is not None:
        *others, newest = first.values()
        yield Finding(CASE, "satisfied", last.at, newest, tuple(others), by_owner=True)
