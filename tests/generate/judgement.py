"""What made cases come to: findings, statements, refusals and decisions."""

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
    """Operations are asked, and a finding is made, perhaps revised."""
    if s.dice.chance(0.7):
        s.work(HOUR, 2 * DAY)
        asked, unit = s.new("o"), s.dice.pick(("warehouse", "billing", "workshop", "network"))
        s.tell(OperationsConsulted, s.agent, consultation_id=asked, unit=unit)
        if s.dice.chance(0.85):
            s.work(4 * HOUR, 8 * DAY)
            by = Actor(kind="operations", id=unit)
            view = s.dice.pick(("at_fault", "at_fault", "not_at_fault", "partly", "unknown"))
            facts = s.dice.pick(s.words.answers)
            s.tell(OperationsReplied, by, consultation_id=asked, view=view, facts=facts)
    s.work(HOUR, 3 * DAY)
    found = finding(s, None)
    if s.dice.chance(0.1):
        s.work(DAY, 6 * DAY)
        finding(s, found)


def finding(s: Story, supersedes: str | None) -> str:
    """Our judgement; its id."""
    outcome = s.dice.pick(("upheld", "upheld", "partly_upheld", "not_upheld", "out_of_scope"))
    ours, found = outcome in ("upheld", "partly_upheld"), s.new("f")
    s.tell(
        FindingMade,
        s.agent,
        finding_id=found,
        outcome=outcome,
        fault=s.dice.pick(("ours", "ours", "shared") if ours else ("none", "third_party")),
        issue_ids=s.dice.maybe(0.7, tuple(s.issues)),
        evidence=s.dice.maybe(0.6, ("scan-log",)),
        remedy_owed=s.dice.maybe(0.7, ours),
        root_cause=s.dice.maybe(0.5, s.dice.pick(("carrier", "double-booking", "part-worn"))),
        supersedes=supersedes,
    )
    return found


def statement(s: Story) -> None:
    """We say that something is so, and may say something else later."""
    s.work(HOUR, 2 * DAY)
    reply, topic = s.reply(), s.dice.pick(("delivery-date", "refund-sent", "warranty", "fee"))
    told, values = s.new("s"), ("yes", "no", "2024-02-01", "14-days")
    value = s.dice.pick(values)
    s.tell(StatementMade, s.agent, statement_id=told, topic=topic, value=value, reply_id=reply)
    if s.dice.chance(0.4):
        s.work(DAY, 9 * DAY)
        s.tell(
            StatementMade,
            s.supervisor(),
            statement_id=s.new("s"),
            topic=topic,
            value=s.dice.pick(values),
            corrects_customer=s.dice.maybe(0.2, value=True),
            supersedes=s.dice.maybe(0.4, told),
        )
    if s.dice.chance(0.25):
        s.work(HOUR, 3 * DAY)
        reason = s.dice.pick(("untrue_when_made", "changed", "misquoted"))
        s.tell(StatementRetracted, s.agent, statement_id=told, reason=reason)


def refusal(s: Story) -> None:
    """We say no, with or without a reason and a way out."""
    s.work(HOUR, 3 * DAY)
    ask = s.asks[-1] if s.asks else None
    offered = offer(s) if s.dice.chance(0.4) else None
    s.tell(
        RequestRefused,
        s.agent,
        refusal_id=s.new("n"),
        reason=s.dice.pick(("policy", "policy", "not_possible", "no_authority", "unreasonable")),
        explained=s.dice.chance(0.7),
        ask_id=ask,
        alternative_told=s.dice.maybe(0.8, offered is not None),
        alternative_offer_id=offered,
        amount=s.dice.maybe(0.4, s.money(10, 300)),
        reply_id=s.dice.maybe(0.7, s.reply(s.words.no)),
        words=s.words.no,
    )
    if offered is not None and s.dice.chance(0.8):
        s.wait(HOUR, 5 * DAY)
        chosen = s.dice.pick((f"{offered}-1", f"{offered}-2", None))
        s.tell(OptionChosen, s.customer, offer_id=offered, option_id=chosen)


def offer(s: Story) -> str:
    """Two choices; the offer's id."""
    offered, disclosed = s.new("x"), s.dice.pick((True, True, False, None))
    options = (
        Option(option_id=f"{offered}-1", kind="voucher", value=s.money(5, 60)),
        Option(option_id=f"{offered}-2", kind="replacement", terms_disclosed=disclosed),
    )
    s.tell(OptionsOffered, s.agent, offer_id=offered, options=options)
    return offered


def decision(s: Story) -> None:
    """Our final say, and what the customer makes of it."""
    s.work(DAY, 6 * DAY)
    reply = s.reply(purpose="final_response")
    authority = s.dice.maybe(0.6, "complaints-board")
    s.tell(FinalDecisionGiven, s.agent, decision_id=s.new("d"), authority=authority, reply_id=reply)
    if s.dice.chance(0.6):
        s.wait(HOUR, 6 * DAY)
        content = s.dice.chance(0.6)
        cls = ResolutionAccepted if content else ResolutionRejected
        s.tell(cls, s.customer, words=s.words.thanks if content else s.words.chase)
