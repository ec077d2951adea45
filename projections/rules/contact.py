"""Lessons about listening, to each message and over a whole case.

If a customer is left waiting, the owner of the case at that time answers for it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from casestore.events import (
    MessageReceived,
    PromiseMade,
    RequestRefused,
)
from projections.history.case_history import CASE
from projections.history.happened import Happened, Moment
from projections.history.kept import kept
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

_CONTACT = ("callback", "reply", "update", "visit", "other")
"""Kinds of promise that may answer an ask for contact, although the promise names no ask."""


class Done(NamedTuple):
    """The event that did what was due, and the time from which it counts as done."""

    at: datetime
    by: Happened


def in_time(
    subject: str,
    due: datetime,
    done: Done | None,
    event: Happened,
    *evidence: Happened,
    missed: Outcome = "violated",
) -> Finding:
    """A finding: satisfied if it was done by the due time, else missed at the due time."""
    if done is None:
        return Finding(subject, missed, due, event, evidence, due_at=due, by_owner=True)
    outcome: Outcome = "satisfied" if done.at <= due else missed
    at = min(done.at, due)
    return Finding(subject, outcome, at, event, (*evidence, done.by), by_owner=True)


def answer_after(case: Facts, moment: Moment) -> Done | None:
    """The first human reply that arrived after a moment."""
    answers = case.case.answers
    place = bisect_right(answers, moment, key=itemgetter(0))
    if place == len(answers):
        return None
    arrived, reply = answers[place]
    return Done(arrived.at, case.case.replies[reply.reply_id])


@kept
def _messages(case: Facts) -> Iterator[tuple[Happened, bool | None]]:
    """Each message, and whether it wants an answer; None if its asks were not recorded.

    It wants one if it asks for something, names an issue that no message before it names, or says
    that something did not come. Automated messages are left out, but an issue that one of them
    names is not new any more.
    """
    named: set[str] = set()
    for message in case.of(MessageReceived):
        event: MessageReceived = message.event
        issues = event.issue_ids or ()
        new = bool(issues) and not named.issuperset(issues)
        if new:
            named.update(issues)
        if event.automated:
            continue
        if new or event.asks or event.says_not_received or event.says_unanswered:
            yield message, True
        else:
            yield message, None if event.asks is None else False


@rule("ignored-message", "1", on=MessageReceived, numbers="reply_within")
def ignored_message(case: Facts) -> Iterator[Finding]:
    """No message is left lying: who asks, complains of something new, or says that we did not
    answer, hears from a person, and soon."""
    for message, wants in _messages(case):
        if wants is not False:
            due = case.due(message.at, "reply_within")
            answer = answer_after(case, message.moment)
            missed: Outcome = "violated" if wants else "unknown"
            yield in_time(message.event.message_id, due, answer, message, missed=missed)


@rule("request-for-contact-missed", "1", on=MessageReceived, numbers="reply_within")
def request_for_contact_missed(case: Facts) -> Iterator[Finding]:
    """When a customer would like to hear from us, promise it or say no; do not let it pass."""
    asked = [
        (ask.ask_id, message)
        for message in case.messages
        for ask in message.event.asks or ()
        if ask.kind == "future_contact"
    ]
    if not asked:
        return
    answers: dict[str, Happened] = {}
    unnamed: list[Happened] = []
    for each in case.of(PromiseMade, RequestRefused):
        if each.event.ask_id is not None:
            answers.setdefault(each.event.ask_id, each)
        elif isinstance(each.event, RequestRefused) or each.event.kind in _CONTACT:
            unnamed.append(each)
    for ask_id, message in asked:
        due = case.due(message.at, "reply_within")
        answer = answers.get(ask_id)
        place = bisect_right(unnamed, message.moment, key=lambda each: each.moment)
        perhaps = unnamed[place] if place < len(unnamed) and unnamed[place].at <= due else None
        if perhaps is not None and (answer is None or answer.at > due):
            yield Finding(ask_id, "unknown", perhaps.at, message, (perhaps,), by_owner=True)
        else:
            done = None if answer is None else Done(answer.at, answer)
            yield in_time(ask_id, due, done, message)


@rule("customer-chasing", "2", "5", on=MessageReceived, numbers="chase_after max_contacts")
def customer_chasing(case: Facts) -> Iterator[Finding]:
    """A customer should not have to run after us: neither write again because nobody answered,
    nor come back time after time."""
    # As long as something is unsettled, every message waits for an answer. After that, a word of
    # thanks does not.
    waits: set[str] = set()
    may_wait: set[str] = set()
    for message, wants in _messages(case):
        if wants or case.unsettled(message.moment):
            waits.add(message.event.message_id)
        elif wants is None:
            may_wait.add(message.event.message_id)
    contacts = case.messages
    if not contacts:
        return
    shown = [_chased(case, contacts, waits), _too_many(case, contacts)]
    first = min(filter(None, shown), key=lambda each: each[-1].moment, default=None)
    outcome: Outcome = "violated"
    if first is None and may_wait:
        first, outcome = _chased(case, contacts, waits | may_wait), "unknown"
    if first is None:
        first, outcome = contacts[-1:], "satisfied"
    last = first[-1]
    yield Finding(CASE, outcome, last.at, last, tuple(first[:-1]), by_owner=True)


def _chased(
    case: Facts, contacts: Sequence[Happened], waits: set[str]
) -> Sequence[Happened] | None:
    """A message that still waited, and the first later one that came too long after it."""
    waiting: Happened | None = None
    answer: Done | None = None
    for message in contacts:
        if waiting is not None and answer is not None and answer.at <= message.at:
            waiting = None
        if waiting is None:
            if message.event.message_id in waits:
                waiting, answer = message, answer_after(case, message.moment)
        elif message.at > case.due(waiting.at, "chase_after", message.at):
            return waiting, message
    return None


def _too_many(case: Facts, contacts: Sequence[Happened]) -> Sequence[Happened] | None:
    """The contacts up to the first one beyond the policy's number; None if there is none."""
    for count, message in enumerate(contacts, 1):
        if count > case.number(message.at).max_contacts:
            return contacts[:count]
    return None
