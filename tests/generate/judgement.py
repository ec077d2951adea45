"""How we judge in generated cases: findings, statements, refusals and decisions."""

from __future__ import annotations

from casestore.events import (
    Actor,
    FinalDecisionGiven,
    FindingMade,
    OperationsConsulted,
    OperationsReplied,
    Option,
    OptionChosen,
    OptionsOffered,
    RequestRefused,
    ResolutionAccepted,
    ResolutionRejected,
    StatementMade,
    StatementRetracted,
)
from tests.generate.story import DAY, HOUR, Story


def inquiry(s: Story) -> None:
    """We may ask operations, and make a finding; sometimes another supersedes it."""
    if s.dice.chance(0.7):
        s.work(HOUR, 2 * DAY)
        consultation_id, unit = (
            s.new("o"),
            s.dice.pick(("warehouse", "billing", "workshop", "network")),
        )
        s.record(OperationsConsulted, s.agent, consultation_id=consultation_id, unit=unit)
        if s.dice.chance(0.85):
            s.work(4 * HOUR, 8 * DAY)
            by = Actor(kind="operations", id=unit)
            view = s.dice.pick(("at_fault", "at_fault", "not_at_fault", "partly", "unknown"))
            facts = s.dice.pick(s.words.answers)
            s.record(OperationsReplied, by, consultation_id=consultation_id, view=view, facts=facts)
    s.work(HOUR, 3 * DAY)
    finding_id = finding(s, None)
    if s.dice.chance(0.1):
        s.work(DAY, 6 * DAY)
        finding(s, finding_id)


def finding(s: Story, supersedes: str | None) -> str:
    """We make a finding. Gives its id."""
    outcome = s.dice.pick(("upheld", "upheld", "partly_upheld", "not_upheld", "out_of_scope"))
    ours, finding_id = outcome in ("upheld", "partly_upheld"), s.new("f")
    s.record(
        FindingMade,
        s.agent,
        finding_id=finding_id,
        outcome=outcome,
        fault=s.dice.pick(("ours", "ours", "shared") if ours else ("none", "third_party")),
        issue_ids=s.dice.maybe(0.7, tuple(s.issues)),
        evidence=s.dice.maybe(0.6, ("scan-log",)),
        remedy_owed=s.dice.maybe(0.7, ours),
        root_cause=s.dice.maybe(0.5, s.dice.pick(("carrier", "double-booking", "part-worn"))),
        supersedes=supersedes,
    )
    return finding_id


def statement(s: Story) -> None:
    """We state something to the customer, and may state something else, or retract it, later."""
    s.work(HOUR, 2 * DAY)
    reply_id, topic = s.reply(), s.dice.pick(("delivery-date", "refund-sent", "warranty", "fee"))
    statement_id, values = s.new("s"), ("yes", "no", "2024-02-01", "14-days")
    s.record(
        StatementMade,
        s.agent,
        statement_id=statement_id,
        topic=topic,
        value=s.dice.pick(values),
        reply_id=reply_id,
    )
    if s.dice.chance(0.4):
        s.work(DAY, 9 * DAY)
        s.record(
            StatementMade,
            s.supervisor(),
            statement_id=s.new("s"),
            topic=topic,
            value=s.dice.pick(values),
            corrects_customer=s.dice.maybe(0.2, value=True),
            supersedes=s.dice.maybe(0.4, statement_id),
        )
    if s.dice.chance(0.25):
        s.work(HOUR, 3 * DAY)
        reason = s.dice.pick(("untrue_when_made", "changed", "misquoted"))
        s.record(StatementRetracted, s.agent, statement_id=statement_id, reason=reason)


def refusal(s: Story) -> None:
    """We refuse what the customer asks for, with or without a reason and an alternative."""
    s.work(HOUR, 3 * DAY)
    ask_id = s.asks[-1] if s.asks else None
    offer_id = offer(s) if s.dice.chance(0.4) else None
    s.record(
        RequestRefused,
        s.agent,
        refusal_id=s.new("n"),
        reason=s.dice.pick(("policy", "policy", "not_possible", "no_authority", "unreasonable")),
        explained=s.dice.chance(0.7),
        ask_id=ask_id,
        alternative_told=s.dice.maybe(0.8, offer_id is not None),
        alternative_offer_id=offer_id,
        amount=s.dice.maybe(0.4, s.money(10, 300)),
        reply_id=s.dice.maybe(0.7, s.reply(s.words.no)),
        words=s.words.no,
    )
    if offer_id is not None and s.dice.chance(0.8):
        s.wait(HOUR, 5 * DAY)
        option_id = s.dice.pick((f"{offer_id}-1", f"{offer_id}-2", None))
        s.record(OptionChosen, s.customer, offer_id=offer_id, option_id=option_id)


def offer(s: Story) -> str:
    """We offer two options. Gives the offer's id."""
    offer_id, disclosed = s.new("x"), s.dice.pick((True, True, False, None))
    options = (
        Option(option_id=f"{offer_id}-1", kind="voucher", value=s.money(5, 60)),
        Option(option_id=f"{offer_id}-2", kind="replacement", terms_disclosed=disclosed),
    )
    s.record(OptionsOffered, s.agent, offer_id=offer_id, options=options)
    return offer_id


def decision(s: Story) -> None:
    """We give our final decision, and the customer may accept or reject it."""
    s.work(DAY, 6 * DAY)
    reply_id = s.reply(purpose="final_response")
    s.record(
        FinalDecisionGiven,
        s.agent,
        authority=s.dice.maybe(0.6, "complaints-board"),
        decision_id=s.new("d"),
        reply_id=reply_id,
    )
    if s.dice.chance(0.6):
        s.wait(HOUR, 6 * DAY)
        content = s.dice.chance(0.6)
        cls = ResolutionAccepted if content else ResolutionRejected
        s.record(cls, s.customer, words=s.words.thanks if content else s.words.chase)
