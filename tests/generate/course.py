"""The course of a generated case: how it begins, which episodes follow, and how it ends."""

from __future__ import annotations

from collections.abc import Callable

from casestore.events import (
    Actor,
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    DeliveryFailed,
    EscalationReturned,
    NoteAdded,
    ResolutionAccepted,
    SatisfactionRated,
)
from casestore.streams.history import stored_data
from tests.generate.amends import gesture, remedy
from tests.generate.contact import (
    answer,
    bounce,
    chase,
    information,
    issue,
    machine_reply,
    missing,
    out_of_office,
    wish,
)
from tests.generate.customers import fact, hold, preference
from tests.generate.judgement import decision, inquiry, refusal, statement
from tests.generate.promises import promise
from tests.generate.story import (
    AGENTS,
    CATEGORIES,
    DAY,
    HOUR,
    MACHINE,
    MINUTE,
    PRODUCTS,
    Story,
    weighed,
)


def opening(s: Story) -> None:
    """The case is opened, with its issues and asks, an acknowledgement and an assignment."""
    received = s.dice.between(0, 3 * DAY) if s.channel == "letter" else s.dice.between(0, HOUR)
    opened = s.record(
        CaseOpened,
        s.agent if s.channel in ("phone", "letter") else MACHINE,
        customer_id=s.customer_id,
        channel=s.channel,
        received_at=s.dice.maybe(0.8, s.when(-received)),
        product=s.dice.maybe(0.95, s.dice.pick(PRODUCTS)),
        region=s.words.region,
        category=s.dice.maybe(0.95, s.category),
        subject=s.dice.pick(s.words.complaints),
    )
    for share in (0.9, 0.12):
        if s.dice.chance(share):
            issue(s)
    kinds = ("question", "action", "action", "compensation", "compensation", "future_contact")
    asks = [s.dice.pick(kinds) for share in (0.8, 0.2) if s.dice.chance(share)]
    s.hear(s.dice.pick(s.words.complaints), asks, issue_ids=tuple(s.issues))
    if s.channel in ("email", "web", "chat") and s.dice.chance(0.7):
        machine_reply(s)
    if s.dice.chance(0.7):
        s.work(0, 8 * HOUR)
        s.record(CaseAssigned, MACHINE, agent=s.agent.id, team=s.agent.team)
    if s.dice.chance(0.02):
        s.work(HOUR, 5 * DAY)
        corrected = s.dice.pick(CATEGORIES)
        if corrected != stored_data(opened.event).get("category"):
            s.amend(opened, "category", corrected)


def handover(s: Story) -> None:
    """Another agent takes over."""
    s.work(HOUR, 3 * DAY)
    s.agent = s.dice.pick(AGENTS)
    agent = s.dice.maybe(0.8, s.agent.id)
    s.record(CaseAssigned, s.supervisor(), agent=agent, team=s.agent.team)
    if s.dice.chance(0.3):
        note(s)


def escalation(s: Story) -> None:
    """The case goes to somebody who knows more, or may decide more; some cases come back."""
    s.work(HOUR, 4 * DAY)
    kind = s.dice.pick(ESCALATIONS)
    escalation_id = s.new("e")
    words = s.dice.maybe(0.5, s.words.chase)
    s.record(
        CaseEscalated,
        s.agent,
        escalation_id=escalation_id,
        kind=kind,
        to=f"{kind}-desk",
        words=words,
    )
    if s.dice.chance(0.7):
        s.work(DAY, 9 * DAY)
        by = Actor(kind="executive", id="chief") if kind == "executive" else s.supervisor()
        s.record(EscalationReturned, by, escalation_id=escalation_id, to=s.agent.id)


ESCALATIONS = weighed(("expertise", 3), ("authority", 3), ("executive", 3), ("external", 1))


def note(s: Story) -> None:
    """The agent adds a note; sometimes to the wrong case."""
    s.wait(MINUTE, HOUR)
    noted = s.record(NoteAdded, s.agent, text=s.dice.pick(s.words.answers))
    if s.dice.chance(0.15):
        s.work(HOUR, DAY)
        s.void(noted, "wrong_case")


def reclassification(s: Story) -> None:
    """The case gets another category."""
    s.work(HOUR, 3 * DAY)
    s.category = s.dice.pick(CATEGORIES)
    product = s.dice.maybe(0.3, s.dice.pick(PRODUCTS))
    s.record(CaseReclassified, s.agent, category=s.category, product=product)


def several(s: Story, count: int) -> None:
    """So many episodes as `count` says, picked at random."""
    for _ in range(count):
        s.dice.pick(EPISODES)(s)


EPISODES: tuple[Callable[[Story], None], ...] = weighed(
    (answer, 10),
    (chase, 8),
    (bounce, 4),
    (missing, 2),
    (out_of_office, 1),
    (information, 4),
    (wish, 3),
    (inquiry, 6),
    (statement, 4),
    (refusal, 3),
    (decision, 2),
    (remedy, 4),
    (gesture, 5),
    (promise, 15),
    (handover, 5),
    (escalation, 4),
    (note, 4),
    (reclassification, 2),
    (issue, 1),
    (fact, 1),
    (preference, 1),
    (hold, 1),
)


def closing(s: Story, reason: str | None = None) -> None:
    """The case is closed."""
    s.work(HOUR, 6 * DAY)
    reason = reason or s.dice.pick(REASONS)
    if reason == "resolved" and s.dice.chance(0.4):
        s.record(ResolutionAccepted, s.customer, words=s.words.thanks)
    elif reason == "resolved" and s.dice.chance(0.3):
        s.reply(closing_pleasantry=True)
    s.record(CaseClosed, s.agent, reason=reason)


REASONS = weighed(
    ("resolved", 12),
    ("final_response", 3),
    ("withdrawn", 1),
    ("no_contact", 2),
    ("not_a_complaint", 1),
)


def aftermath(s: Story) -> None:
    """What happens after a case was closed; it may be opened again."""
    if s.replies and s.dice.chance(0.04):
        late = s.dice.between(HOUR, 5 * DAY)
        s.at += late + HOUR
        s.record(DeliveryFailed, MACHINE, ago=late, reply_id=s.replies[-1], kind="permanent")
    if s.dice.chance(0.05):
        s.wait(HOUR, 9 * DAY)
        s.hear(s.words.thanks)
    if s.dice.chance(0.2):
        s.wait(HOUR, 9 * DAY)
        rating, words = s.dice.pick((1, 2, 3, 4, 4, 5, 5)), s.dice.maybe(0.3, s.words.thanks)
        s.record(SatisfactionRated, s.customer, rating=rating, scale=5, words=words)
    if s.dice.chance(0.08):
        s.wait(DAY, 40 * DAY)
        s.hear(s.words.chase, says_unanswered=tuple(s.asks) or None)
        s.record(CaseReopened, s.agent, words=s.dice.maybe(0.5, s.words.chase))
        several(s, 1 + s.dice.between(0, 3))
        if s.dice.chance(0.9):
            closing(s)


def course(s: Story) -> None:
    """All that follows the opening: mostly few episodes, sometimes a hundred."""
    for share, low, high in _LENGTHS:
        if s.dice.chance(share):
            several(s, s.dice.between(low, high))
            break
    if not s.replies:
        answer(s)
    if s.dice.chance(0.96):
        closing(s)
        aftermath(s)


_LENGTHS = ((0.5, 0, 2), (0.5, 1, 3), (0.6, 2, 6), (0.85, 4, 14), (0.9, 10, 45), (1.0, 40, 220))
"""(share, low, high): of the cases that no line before took, this share has from `low` to below
`high` episodes."""
