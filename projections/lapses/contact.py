"""Lessons about listening: to each message, and over a whole case.

Nobody in particular lets a customer wait: these rules name no event of their own, so that whoever
has the case at that time answers for it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from casestore.events import (
    CustomerFactRecorded,
    InformationRequested,
    MessageReceived,
    PersonalDataErased,
    PromiseMade,
    ReplySent,
    RequestRefused,
)
from projections.lapses.facts import CASE, Facts
from projections.lapses.rule import Finding, Outcome, rule
from projections.reading import Happened, Moment


class Done(NamedTuple):
    """What was to be done, and from when it counts as done."""

    at: datetime
    by: Happened


def in_time(
    case: Facts,
    subject: str,
    due: datetime,
    done: Done | None,
    shown: tuple[Happened, ...],
    *,
    missed: Outcome = "violated",
) -> Iterator[Finding]:
    """Done by the time when it was due, or missed then.

    What was still to be done in a case that was merged is recorded where that counts now: no row.
    """
    if done is not None:
        outcome: Outcome = "satisfied" if done.at <= due else missed
        yield Finding(subject, outcome, min(done.at, due), None, (*shown, done.by))
    elif case.case.status_at(due) != "merged":
        yield Finding(subject, missed, due, None, shown, due_at=due)


def answer_after(case: Facts, moment: Moment) -> Done | None:
    """The first human reply after a moment that arrived."""
    answers = case.case.answers
    place = bisect_right(answers, moment, key=itemgetter(0))
    if place == len(answers):
        return None
    arrived, reply = answers[place]
    return Done(arrived.at, case.case.replies[reply.reply_id])


def _messages(case: Facts) -> Iterator[tuple[Happened, bool | None]]:
    """Each message, and whether it wants an answer: it asks for something, it is the first about
    an issue, or it says that something did not come. None where asks were not recorded."""
    named: set[str] = set()
    for message in case.of(MessageReceived):
        event: MessageReceived = message.event
        issues = event.issue_ids or ()
        wants = event.asks or event.says_not_received or event.says_unanswered
        if wants or not named.issuperset(issues):
            yield message, True
        else:
            yield message, None if event.asks is None else False
        named.update(issues)


@rule("ignored-message", "000", numbers="reply_within")
def ignored_message(case: Facts) -> Iterator[Finding]:
    """No message is left lying: who asks, complains of something new, or says that we did not
    answer, hears from a person, and soon."""
    for message, wants in _messages(case):
        if wants is not False:
            due = case.due(message.at, "reply_within")
            answer = answer_after(case, message.moment)
            missed: Outcome = "violated" if wants else "unknown"
            yield from in_time(
                case, message.event.message_id, due, answer, (message,), missed=missed
            )


@rule("request-for-contact-missed", "000", numbers="reply_within")
def request_for_contact_missed(case: Facts) -> Iterator[Finding]:
    """When a customer would like to hear from us, promise it or say no; do not let it pass."""
    asked = [
        (ask.ask_id, message)
        for message in case.of(MessageReceived)
        for ask in message.event.asks or ()
        if ask.kind == "future_contact"
    ]
    if not asked:
        return
    answers: dict[str | None, list[Happened]] = {}
    for each in case.of(PromiseMade, RequestRefused):
        answers.setdefault(each.event.ask_id, []).append(each)
    for ask_id, message in asked:
        due = case.due(message.at, "reply_within")
        answer = next(iter(answers.get(ask_id, ())), None)
        done = None if answer is None else Done(answer.at, answer)
        perhaps = [e for e in answers.get(None, ()) if e.moment > message.moment and e.at <= due]
        could_be = next((each for each in perhaps if _could_be_contact(each)), None)
        if could_be is not None and (done is None or done.at > due):
            yield Finding(ask_id, "unknown", could_be.at, None, (message, could_be))
        else:
            yield from in_time(case, ask_id, due, done, (message,))


def _could_be_contact(each: Happened) -> bool:
    """Whether a promise or a refusal that names no ask could be the answer to "write to me"."""
    if isinstance(each.event, PromiseMade):
        return each.event.kind in ("callback", "reply", "update", "visit", "other")
    return True


@rule("asked-again", "000", "001")
def asked_again(case: Facts) -> Iterator[Finding]:
    """Look before you ask: what the customer has told us, and what stands on their record, is not
    asked for a second time."""
    # To verify is to ask for what is known, so that is not judged. A fact without an end is not
    # stale. What was erased is not known any more.
    if not any(each.event.purpose != "verify" for each in case.of(InformationRequested)):
        return
    told: dict[str, Happened] = {}
    on_record: dict[str, Happened] = {}
    course = [
        *((each.at, False, each) for each in case.of_customer(CustomerFactRecorded)),
        *((each.at, False, each) for each in case.of_customer(PersonalDataErased)),
        *((each.at, True, each) for each in case.of(MessageReceived, InformationRequested)),
    ]
    course.sort(key=lambda step: (step[0], step[1], step[2].moment))
    for at, _, each in course:
        match each.event:
            case MessageReceived(provides=provides):
                told.update((field, each) for field in provides or ())
            case CustomerFactRecorded(field=field):
                on_record[field] = each
            case PersonalDataErased():
                told.clear()
                on_record.clear()
            case InformationRequested() as request if request.purpose != "verify":
                known = told.get(request.field) or _fresh(on_record.get(request.field), at)
                again: Outcome = "violated" if request.purpose == "need" else "unknown"
                outcome: Outcome = "satisfied" if known is None else again
                yield Finding(
                    request.request_id, outcome, at, each, () if known is None else (known,)
                )


def _fresh(fact: Happened | None, at: datetime) -> Happened | None:
    """A fact on record, if one could still rely on it."""
    if fact is None or (fact.event.stale_after is not None and fact.event.stale_after < at):
        return None
    return fact


@rule("customer-chasing", "001", "004", numbers="chase_after max_contacts")
def customer_chasing(case: Facts) -> Iterator[Finding]:
    """A customer should not have to run after us: neither write again because nobody answered,
    nor come back time after time."""
    # Words of thanks when all is settled wait for no answer; until it is, every message does.
    waits: set[str] = set()
    may_wait: set[str] = set()
    for message, wants in _messages(case):
        if wants or case.unsettled(message.moment):
            waits.add(message.event.message_id)
        elif wants is None:
            may_wait.add(message.event.message_id)
    contacts = case.of(MessageReceived)
    if not contacts:
        return
    shown = [_chased(case, contacts, waits), _too_many(case, contacts)]
    first = min(filter(None, shown), key=lambda each: each[-1].moment, default=None)
    outcome: Outcome = "violated"
    if first is None and may_wait:
        first, outcome = _chased(case, contacts, waits | may_wait), "unknown"
    if first is None:
        first, outcome = contacts[-1:], "satisfied"
    yield Finding(CASE, outcome, first[-1].at, None, tuple(first))


def _chased(
    case: Facts, contacts: Sequence[Happened], waits: set[str]
) -> Sequence[Happened] | None:
    """The first message that came too long after one that still waited, and that one."""
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
    """The contacts up to the first that was too many."""
    for count, message in enumerate(contacts, 1):
        if count > case.number(message.at).max_contacts:
            return contacts[:count]
    return None


@rule("too-many-hands", "001", "002", "004", numbers="max_agents")
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
                yield Finding(CASE, "violated", reply.at, None, tuple(first.values()))
                return
    if last is not None:
        yield Finding(CASE, "satisfied", last.at, None, tuple(first.values()))
