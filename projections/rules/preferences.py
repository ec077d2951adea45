"""Lessons about reaching customers in the way that they prefer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from casestore.events import (
    SPOKEN,
    CaseOpened,
    MessageReceived,
    PreferenceStated,
    PreferenceWithdrawn,
    ReplySent,
)
from projections.history.case_history import CASE
from projections.history.happened import Happened
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

Held = Mapping[str, Happened]
"""The preferences in force: by preference, the event that stated it last."""

_LIVE = SPOKEN | {"chat"}
"""Channels on which both sides talk at the same time."""
_AT_ONCE = _LIVE | {"sms"}
"""Channels that reach the customer at the hour of sending. A letter or mail waits to be read."""
_TALK = timedelta(hours=1)
"""For so long, a reply belongs to a call or chat that the customer began."""


class Preferences:
    """What a customer preferred at any time."""

    def __init__(self, case: Facts) -> None:
        self.since: list[datetime] = []
        self._held: list[Held] = []
        held: Held = {}
        for each in case.of_customer(PreferenceStated, PreferenceWithdrawn):
            held = {name: one for name, one in held.items() if name != each.event.preference}
            if isinstance(each.event, PreferenceStated):
                held[each.event.preference] = each
            self.since.append(each.at)
            self._held.append(held)

    def at(self, at: datetime) -> Held:
        """The preferences in force at a time."""
        place = bisect_right(self.since, at)
        return self._held[place - 1] if place else {}


@rule("preference-ignored", "4", "5", on=ReplySent)
def preference_ignored(case: Facts) -> Iterator[Finding]:
    """Treat customers as they want to be treated: on the channel, in the language and at the
    hours that they named."""
    # A customer who calls us or opens a chat has chosen that channel and that hour. So during that
    # talk only the language is judged.
    preferences = Preferences(case)
    if not preferences.since:
        return
    began: dict[str, datetime] = {}
    for each in case.of(MessageReceived, ReplySent):
        channel = each.event.channel
        if isinstance(each.event, MessageReceived):
            if not each.event.automated:
                began[channel] = each.at
            continue
        chosen = channel in _LIVE and channel in began and each.at - began[channel] <= _TALK
        judged = list(_judged(each.event, preferences.at(each.at), chosen))
        for outcome in ("violated", "unknown", "satisfied"):
            if shown := tuple(stated for this, stated in judged if this == outcome):
                yield Finding(each.event.reply_id, outcome, each.at, each, shown)
                break


def _judged(reply: ReplySent, held: Held, chosen: bool) -> Iterator[tuple[Outcome, Happened]]:
    """The outcome of a reply for each preference, and the event that stated the preference."""
    for name, stated in held.items():
        value = stated.event.value
        match name:
            case "channel":
                yield _fits(chosen or reply.channel == value), stated
            case "language":
                yield _fits(reply.language and _tongue(reply.language) == _tongue(value)), stated
            case "contact_hours" if reply.channel in _AT_ONCE:
                yield _fits(chosen or _within(value, _local(reply.occurred_at, held))), stated


def _fits(it: bool | str | None) -> Outcome:
    return "unknown" if it is None else "satisfied" if it else "violated"


def _tongue(tag: str) -> tuple[str, ...]:
    """The language of a BCP 47 tag, and the script if the tag has one.

    The rest does not count: a customer who asked for en-GB can read en-US.
    """
    language, *rest = tag.casefold().split("-")
    return (language, *(each for each in rest[:1] if len(each) == 4 and each.isalpha()))


def _local(at: datetime, held: Held) -> str | None:
    """The customer's time of day, like 07:35; None if their time zone is not known."""
    if "timezone" not in held:
        return None
    try:
        return f"{at.astimezone(ZoneInfo(held['timezone'].event.value)):%H:%M}"
    except OverflowError:  # the local time is outside of the calendar
        return None


def _within(hours: str, at: str | None) -> bool | None:
    """Whether a time of day is within hours like 17:30-21:00, or 22:00-06:00 over midnight."""
    if at is None:
        return None
    begin, _, end = hours.partition("-")
    return begin <= at <= end if begin < end else at >= begin or at <= end


@rule("no-call", "2", on=ReplySent, numbers="written_rounds")
def no_call(case: Facts) -> Iterator[Finding]:
    """When letters have gone to and fro and it is still not settled, pick up the phone, unless
    the customer wants it in writing."""
    # A round is a customer's written message and a person's written reply that arrived. The rule
    # judges the reply that ends the last allowed round: its writer should have called instead. A
    # call that nobody picked up is no contact. A later call is too late.
    rounds: list[Happened] = []
    talked: Happened | None = None
    waiting = False
    for each in case.of(MessageReceived, ReplySent):
        event = each.event
        ours = isinstance(event, ReplySent)
        if event.automated or (ours and event.reply_id in case.case.failures):
            continue
        if event.channel in SPOKEN:
            talked = talked or each
        elif not ours:
            waiting = True
        elif waiting:
            waiting = False
            rounds.append(each)
            if len(rounds) >= case.number(each.at).written_rounds:
                yield _called(case, rounds, _opening_call(case, each) or talked)
                return


def _opening_call(case: Facts, reply: Happened) -> Happened | None:
    """The call with which the case, or one merged into it, was opened."""
    calls = [each for each in case.of(CaseOpened) if each.event.channel in SPOKEN]
    own = case.case.case_id
    return next((c for c in calls if c.case_id == own or c.moment < reply.moment), None)


def _called(case: Facts, rounds: list[Happened], talked: Happened | None) -> Finding:
    last = rounds[-1]
    preferred = Preferences(case).at(last.at).get("channel")
    if preferred is not None and preferred.event.value not in SPOKEN:
        return Finding(CASE, "exempt", last.at, last, (preferred,))
    if talked is not None:
        return Finding(CASE, "satisfied", last.at, last, (talked,))
    return Finding(CASE, "violated", last.at, last, tuple(rounds))
