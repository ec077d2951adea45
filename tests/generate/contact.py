"""Messages and replies in generated cases, and whether the replies arrive."""

from __future__ import annotations

from casestore.events import (
    DeliveryConfirmed,
    DeliveryFailed,
    DesiredOutcomeStated,
    InformationRequested,
    IssueRaised,
    QualityAssessed,
    ReplySent,
)
from tests.generate.story import DAY, HOUR, MACHINE, MINUTE, Story


def issue(s: Story) -> None:
    """The customer raises an issue: one grievance."""
    s.issues.append(s.new("i"))
    s.record(
        IssueRaised,
        s.customer,
        issue_id=s.issues[-1],
        category=s.category,
        loss=s.dice.maybe(0.4, s.money(5, 400)),
        summary=s.dice.pick(s.words.complaints),
    )


def machine_reply(s: Story) -> None:
    """A machine acknowledges a message, which answers nothing."""
    s.wait(1, 5 * MINUTE)
    s.record(
        ReplySent,
        MACHINE,
        reply_id=s.new("r"),
        channel="email",
        automated=True,
        purpose="acknowledgement",
        language=s.words.language,
        to=s.address,
    )


def answer(s: Story) -> None:
    """We reply, and may learn that the reply arrived."""
    s.work(HOUR, 3 * DAY)
    reply_id = s.reply(purpose=s.dice.pick(("substantive", "substantive", "holding", None)))
    if s.dice.chance(0.25):
        s.wait(1, HOUR)
        evidence = s.dice.maybe(0.5, "receipt")
        s.record(DeliveryConfirmed, MACHINE, reply_id=reply_id, evidence=evidence)
    if s.dice.chance(0.08):
        s.work(DAY, 20 * DAY)
        s.record(
            QualityAssessed,
            s.supervisor(),
            attribute=s.dice.pick(("sincerity", "reluctance", "humour", "culture", "accuracy")),
            verdict=s.dice.pick(("good", "good", "poor")),
            assessor="review-panel",
            reply_id=reply_id,
        )


def chase(s: Story) -> None:
    """The customer has to ask again."""
    s.wait(DAY, 12 * DAY)
    s.hear(s.words.chase, says_unanswered=tuple(s.asks) or None)
    if s.dice.chance(0.8):
        answer(s)


def bounce(s: Story) -> None:
    """A reply does not arrive; we may learn of it days later, and may send it again."""
    s.work(HOUR, 3 * DAY)
    reply_id = s.reply()
    if s.dice.chance(0.3):
        s.wait(MINUTE, HOUR)
        s.record(DeliveryFailed, MACHINE, reply_id=reply_id, kind="temporary", code="4.4.1")
    until_it_fails = s.dice.between(MINUTE, 4 * HOUR)
    until_we_learn = s.dice.between(HOUR, 9 * DAY) if s.dice.chance(0.3) else 0
    s.at += until_it_fails + until_we_learn
    failed = s.record(
        DeliveryFailed,
        MACHINE,
        ago=until_we_learn,
        reply_id=reply_id,
        kind="no_answer" if s.channel == "phone" else "permanent",
        code=None if s.channel == "phone" else s.dice.pick(("5.1.1", "5.2.2", "5.7.1")),
        diagnostic=f"550 <{s.address}>: no such mailbox" if s.channel == "email" else None,
        recipient=s.address,
    )
    if s.dice.chance(0.6):
        s.work(HOUR, 4 * DAY)
        resent_id = s.reply(resend_of=reply_id)
        s.wait(1, HOUR)
        s.record(DeliveryConfirmed, MACHINE, reply_id=resent_id)
    elif s.dice.chance(0.15):
        s.work(HOUR, 3 * DAY)
        s.void(failed, "misreported")


def missing(s: Story) -> None:
    """The customer says that a reply never arrived."""
    if not s.replies:
        answer(s)
    lost_id = s.replies[-1]
    s.wait(2 * DAY, 9 * DAY)
    s.hear(s.words.missing, says_not_received=(lost_id,))
    if s.dice.chance(0.4):
        s.record(DeliveryFailed, s.agent, reply_id=lost_id, kind="reported_missing")
    if s.dice.chance(0.7):
        s.work(HOUR, 3 * DAY)
        s.reply(resend_of=lost_id)


def out_of_office(s: Story) -> None:
    """A machine of the customer's writes back."""
    answer(s)
    s.wait(1, 5 * MINUTE)
    s.hear(s.dice.pick(s.words.answers), automated=True)


def information(s: Story) -> None:
    """We ask for a fact, perhaps one that we could have known."""
    s.work(HOUR, 2 * DAY)
    field = s.dice.pick(("order_number", "date_of_birth", "iban", "photo", "postal_address"))
    s.record(
        InformationRequested,
        s.agent,
        request_id=s.new("q"),
        field=field,
        purpose=s.dice.pick(("need", "need", "verify", None)),
        reply_id=s.dice.maybe(0.6, s.reply(purpose="holding")),
    )
    if s.dice.chance(0.8):
        s.wait(HOUR, 6 * DAY)
        s.hear(s.dice.pick(s.words.complaints), provides=(field,))


def wish(s: Story) -> None:
    """The customer says what outcome they want."""
    s.wait(MINUTE, DAY)
    wanted = s.dice.pick(s.words.complaints)
    s.record(DesiredOutcomeStated, s.customer, asked_by_us=s.dice.chance(0.5), wanted=wanted)
