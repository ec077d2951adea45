"""Lessons about questions: those that we asked, and those that customers asked us."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from casestore.events import (
    CustomerFactRecorded,
    InformationRequested,
    MessageReceived,
    PersonalDataErased,
    ReplySent,
    RequestRefused,
)
from projections.history.happened import Happened, Moment
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

_NOT_AN_ANSWER = ("acknowledgement", "holding")
"""Purposes of replies that are not meant to answer anything yet."""


@rule("asked-again", "1", "2", on=InformationRequested)
def asked_again(case: Facts) -> Iterator[Finding]:
    """Look before you ask: what the customer has told us, and what stands on their record, is not
    asked for a second time."""
    # A request for verification asks for what is known, so it is not judged. A fact without an end
    # never becomes stale. An erased fact is no longer known. If nobody recorded what an earlier
    # message gave us, it may have given the same fact.
    if not any(each.event.purpose != "verify" for each in case.of(InformationRequested)):
        return
    told: dict[str, Happened] = {}
    untold: Happened | None = None
    on_record: dict[str, Happened] = {}
    course = [
        *((each.at, False, each) for each in case.of_customer(CustomerFactRecorded)),
        *((each.at, False, each) for each in case.of_customer(PersonalDataErased)),
        *((each.at, True, each) for each in case.of(MessageReceived, InformationRequested)),
    ]
    course.sort(key=lambda step: (step[0], step[1], step[2].moment))
    for at, _, each in course:
        match each.event:
            case MessageReceived(provides=provides, automated=automated):
                told.update((field, each) for field in provides or ())
                untold = each if provides is None and not automated else untold
            case CustomerFactRecorded(field=field):
                on_record[field] = each
            case PersonalDataErased():
                told.clear()
                on_record.clear()
            case InformationRequested() as request if request.purpose != "verify":
                known = told.get(request.field) or _fresh(on_record.get(request.field), at)
                shown = known or untold
                outcome: Outcome = "satisfied" if shown is None else "unknown"
                if known is not None and request.purpose == "need":
                    outcome = "violated"
                yield Finding(request.request_id, outcome, at, each, (shown,) if shown else ())


def _fresh(fact: Happened | None, at: datetime) -> Happened | None:
    """The fact, if it could still be relied on at a time; else None."""
    if fact is None or (fact.event.stale_after is not None and fact.event.stale_after < at):
        return None
    return fact


@rule("wrong-question-answered", "2", on=ReplySent)
def wrong_question_answered(case: Facts) -> Iterator[Finding]:
    """Read to the end and answer what was asked, not what you are used to being asked."""
    # A question is open until a reply that arrived answers it, or until it is refused. It is open
    # again when the customer says that it was not answered. A resend is not judged.
    asked = dict(_questions(case))
    if not asked:
        return
    answered = _answered_at(case)
    still_open: dict[str, Happened] = {}
    for each in case.of(MessageReceived, ReplySent, RequestRefused):
        match each.event:
            case MessageReceived() as message:
                said = (ask.ask_id for ask in message.asks or ())
                for ask_id in (*said, *(message.says_unanswered or ())):
                    if ask_id in asked:
                        still_open[ask_id] = asked[ask_id]
            case RequestRefused(ask_id=ask_id):
                still_open.pop(ask_id or "", None)
            case _:
                reply: ReplySent = each.event
                if still_open and not reply.automated and reply.resend_of is None:
                    asking = next(reversed(still_open.values()))
                    yield Finding(reply.reply_id, _answers(reply), each.at, each, (asking,))
                for ask_id in answered.get(each.moment, ()):
                    still_open.pop(ask_id, None)


def _answers(reply: ReplySent) -> Outcome:
    """The outcome for a reply that was sent while a question was open."""
    if reply.purpose in _NOT_AN_ANSWER:
        return "exempt"
    if reply.answers or reply.addresses:
        return "satisfied"
    recorded = None not in (reply.answers, reply.addresses, reply.purpose)
    return "violated" if recorded else "unknown"


def _questions(case: Facts) -> Iterator[tuple[str, Happened]]:
    """Each question's id, with the customer's message that asked it."""
    for message in case.messages:
        for ask in message.event.asks or ():
            if ask.kind == "question":
                yield ask.ask_id, message


def _answered_at(case: Facts) -> dict[Moment, tuple[str, ...]]:
    """By moment, the asks that were answered then by a reply that arrived."""
    found: dict[Moment, tuple[str, ...]] = {}
    for reply_id, reply in case.case.replies.items():
        if reply.event.answers and (moment := case.case.arrived(reply_id)) is not None:
            found[moment] = (*found.get(moment, ()), *reply.event.answers)
    return found


@rule("question-unanswered", "2", on=MessageReceived)
def question_unanswered(case: Facts) -> Iterator[Finding]:
    """No case is closed over an open question: each gets its answer, or an honest no. When the
    customer says that it was not answered, it was not."""
    # If the customer says that a question was not answered, the rule is violated at once, whatever
    # was recorded. As long as cases were not merged, the closing of one did not hold for another.
    asks = {ask.ask_id for each in case.of(MessageReceived) for ask in each.event.asks or ()}
    says: set[str] = set()
    for message in case.of(MessageReceived):
        for ask_id in message.event.says_unanswered or ():
            if ask_id in asks and ask_id not in says:
                says.add(ask_id)
                yield Finding(ask_id, "violated", message.at, message, by_owner=True)
    answers: dict[Moment, dict[str | None, Happened]] = {}
    for ask_id, message in _questions(case):
        close = case.close(message.case_id)
        if ask_id in says or close is None or message.moment > close.moment:
            continue
        if close.moment not in answers:
            answers[close.moment] = _answers_before(case, close.moment)
        by, perhaps = (answers[close.moment].get(each) for each in (ask_id, None))
        if by is not None:
            yield Finding(ask_id, "satisfied", close.at, close, (message, by))
        elif perhaps is not None and perhaps.moment > message.moment:
            yield Finding(ask_id, "unknown", close.at, close, (message, perhaps))
        else:
            yield Finding(ask_id, "violated", close.at, close, (message,))


def _answers_before(case: Facts, close: Moment) -> dict[str | None, Happened]:
    """By ask, the reply or refusal that answered it before the close.

    Under None stands the last reply or refusal for which nobody recorded what it answers.
    """
    found: dict[str | None, Happened] = {}
    for each in case.of(ReplySent, RequestRefused):
        event = each.event
        if isinstance(event, RequestRefused):
            if each.moment < close:
                found[event.ask_id] = each
            continue
        arrived = case.case.arrived(event.reply_id)
        if arrived is None or arrived > close:
            continue
        found.update(dict.fromkeys(event.answers or (), each))
        tells = event.answers is not None or event.purpose in _NOT_AN_ANSWER
        if not (tells or event.automated or event.resend_of):
            found[None] = each
    return found
