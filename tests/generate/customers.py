"""What is told on the streams of made customers, while a case of theirs goes on."""

from __future__ import annotations

from casestore.events import (
    CustomerFactRecorded,
    CustomerRegistered,
    HoldPlaced,
    HoldReleased,
    PreferenceStated,
    PreferenceWithdrawn,
)
from tests.generate.story import DAY, HOUR, MACHINE, Story


def register(s: Story) -> None:
    """A customer whom we did not know."""
    since = s.dice.maybe(0.7, s.when(-s.dice.between(0, 3000) * DAY))
    s.of_customer(CustomerRegistered, MACHINE, since=since, name=s.name, contact=s.address)
    if s.dice.chance(0.3):
        fact(s)
    if s.dice.chance(0.3):
        stated(s)


def fact(s: Story) -> None:
    """Something that we shall know, until it is stale; the date may be put right."""
    stale = s.dice.maybe(0.6, s.when(s.dice.between(60, 900) * DAY))
    field = s.dice.pick(("postal_address", "date_of_birth", "iban"))
    told = s.of_customer(
        CustomerFactRecorded, s.agent, field=field, stale_after=stale, value=s.address
    )
    if s.dice.chance(0.03):
        s.amend(told, "stale_after", "2026-06-30T00:00:00Z")


def preference(s: Story) -> None:
    """The customer tells us how to treat them, and may take it back."""
    told = stated(s)
    if s.dice.chance(0.2):
        s.wait(DAY, 20 * DAY)
        s.of_customer(PreferenceWithdrawn, s.customer, preference=told.preference, value=told.value)


def stated(s: Story) -> PreferenceStated:
    """How the customer wants to be treated."""
    name, value = s.dice.pick(
        (
            ("channel", s.dice.pick(("email", "phone", "letter"))),
            ("language", s.words.language),
            ("timezone", s.words.timezone),
            ("contact_hours", "09:00-17:30"),
            ("form_of_address", None),
            ("accessibility", None),
        )
    )
    words = s.dice.maybe(0.5, s.words.chase)
    told = s.of_customer(PreferenceStated, s.customer, preference=name, value=value, words=words)
    assert isinstance(told.event, PreferenceStated)
    return told.event


def hold(s: Story) -> None:
    """A legal hold comes and goes."""
    s.work(HOUR, 2 * DAY)
    placed = f"{s.case_id}-{s.new('h')}"
    s.of_customer(HoldPlaced, s.supervisor(), hold_id=placed, reason="court-order")
    if s.dice.chance(0.5):
        s.work(DAY, 40 * DAY)
        s.of_customer(HoldReleased, s.supervisor(), hold_id=placed, reason="order-lifted")
