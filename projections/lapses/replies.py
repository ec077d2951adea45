"""Lessons about what we send: that it arrives, answers what was asked, and does not jar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from casestore.events import (
    DeliveryFailed,
    MessageReceived,
    RemedyGiven,
    ReplySent,
    RequestRefused,
)
from projections.lapses.contact import Done, in_time
from projections.lapses.facts import Facts
from projections.lapses.rule import Finding, Outcome, rule
from projections.reading import Happened, Moment

_NOT_AN_ANSWER = ("acknowledgement", "holding")
"""What replies are for that are not meant to answer anything yet."""


@rule("undelivered-reply", "000", numbers="resend_within")
def undelivered_reply(case: Facts) -> Iterator[Finding]:
    """A reply that did not arrive was no reply: send it again, or say it anew, as soon as you
    hear of it."""
    # It is due from the news on, and of whoever has the case then: who wrote it may be away.
    # Where the replies' issues were not recorded, nobody can tell whether a later one was on them.
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
        shown = (reply, *news.get(reply_id, ()))
        if perhaps is not None and perhaps.at <= due and (done is None or done.at > due):
            yield Finding(reply_id, "unknown", perhaps.at, None, (*shown, by_moment[perhaps]))
        else:
            yield from in_time(case, reply_id, due, done, shown)


def _news(case: Facts) -> dict[str, list[Happened]]:
    """What told of each reply that it did not arrive."""
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
            self._all.append(moment)
            for issue_id in (None,) if reply.addresses is None else reply.addresses:
                self._on.setdefault(issue_id, []).append(moment)

    def on_the_same(self, reply: Happened) -> tuple[Moment | None, Moment | None]:
        """When the first after a reply came that is on its issues, and the first that could be."""
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


@rule("wrong-question-answered", "001")
def wrong_question_answered(case: Facts) -> Iterator[Finding]:
    """Read to the end and answer what was asked, not what you are used to being asked."""
    # A question is open until a reply that arrived answers it, or it is refused; and again when
    # the customer says that it was not answered. A reply sent again is not judged again.
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
                    shown = tuple(dict.fromkeys(still_open.values()))
                    yield Finding(reply.reply_id, _answers(reply), each.at, each, shown)
                for ask_id in answered.get(each.moment, ()):
                    still_open.pop(ask_id, None)


def _answers(reply: ReplySent) -> Outcome:
    """How a reply is judged that was sent while a question was open."""
    if reply.purpose in _NOT_AN_ANSWER:
        return "exempt"
    if reply.answers or reply.addresses:
        return "satisfied"
    recorded = None not in (reply.answers, reply.addresses, reply.purpose)
    return "violated" if recorded else "unknown"


def _questions(case: Facts) -> Iterator[tuple[str, Happened]]:
    """Each question, with the message that asked it."""
    for message in case.of(MessageReceived):
        for ask in message.event.asks or ():
            if ask.kind == "question":
                yield ask.ask_id, message


def _answered_at(case: Facts) -> dict[Moment, tuple[str, ...]]:
    """The asks that are answered at each moment, by a reply that arrived."""
    found: dict[Moment, tuple[str, ...]] = {}
    for reply_id, reply in case.case.replies.items():
        if reply.event.answers and (moment := case.case.arrived(reply_id)) is not None:
            found[moment] = (*found.get(moment, ()), *reply.event.answers)
    return found


@rule("question-unanswered", "001")
def question_unanswered(case: Facts) -> Iterator[Finding]:
    """No case is closed over an open question: each gets its answer, or an honest no. When the
    customer says that it was not answered, it was not."""
    # What the customer says holds at once, and for whatever they asked.
    messages = case.of(MessageReceived)
    says: dict[str, Happened] = {}
    for message in messages:
        for ask_id in message.event.says_unanswered or ():
            if ask_id not in says:
                says[ask_id] = message
                yield Finding(ask_id, "violated", message.at, None, (message,))
    close = case.close
    if close is None:
        return
    asked = [(i, m) for i, m in _questions(case) if i not in says and m.moment < close.moment]
    answers = _answers_before(case, close.moment) if asked else {}
    for ask_id, message in asked:
        by, perhaps = answers.get(ask_id), answers.get(None)
        if by is not None:
            yield Finding(ask_id, "satisfied", close.at, close, (message, by))
        elif perhaps is not None and perhaps.moment > message.moment:
            yield Finding(ask_id, "unknown", close.at, close, (message, perhaps))
        else:
            yield Finding(ask_id, "violated", close.at, close, (message,))


def _answers_before(case: Facts, close: Moment) -> dict[str | None, Happened]:
    """What answered each ask, or refused it, by the close. None: the last reply or refusal of
    which it was not recorded what it answers."""
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


@rule("pleasantry-on-unresolved", "004")
def pleasantry_on_unresolved(case: Facts) -> Iterator[Finding]:
    """Do not wish a good day to a customer whose day you have not put right yet."""
    # What a reply itself brings as the remedy is settled by it, though recorded after it.
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
