"""Events on the streams of generated customers, while a case of theirs goes on."""

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
    """A customer who is new to us is registered."""
    since = s.dice.maybe(0.7, s.when(-s.dice.between(0, 3000) * DAY))
    s.of_customer(CustomerRegistered, MACHINE, since=since, name=s.name, contact=s.address)
    if s.dice.chance(0.3):
        fact(s)
    if s.dice.chance(0.3):
        state_preference(s)


def fact(s: Story) -> None:
    """A fact about the customer is recorded; the date when it is stale may be corrected."""
    stale = s.dice.maybe(0.6, s.when(s.dice.between(60, 900) * DAY))
    field = s.dice.pick(("postal_address", "date_of_birth", "iban"))
    recorded = s.of_customer(
        CustomerFactRecorded, s.agent, field=field, stale_after=stale, value=s.address
    )
    if s.dice.chance(0.03):
        s.amend(recorded, "stale_after", "2026-06-30T00:00:00Z")


def preference(s: Story) -> None:
    """The customer states a preference, and may withdraw it."""
    stated = state_preference(s)
    if s.dice.chance(0.2):
        s.wait(DAY, 20 * DAY)
        name, value = stated.preference, stated.value
        s.of_customer(PreferenceWithdrawn, s.customer, preference=name, value=value)


def state_preference(s: Story) -> PreferenceStated:
    """The customer says how they want to be treated."""
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
    entry = s.of_customer(PreferenceStated, s.customer, preference=name, value=value, words=words)
    assert isinstance(entry.event, PreferenceStated)
    return entry.event


def hold(s: Story) -> None:
    """A legal hold is placed, and may be released."""
    s.work(HOUR, 2 * DAY)
    hold_id = f"{s.case_id}-{s.new('h')}"
    s.of_customer(HoldPlaced, s.supervisor(), hold_id=hold_id, reason="court-order")
    if s.dice.chance(0.5):
        s.work(DAY, 40 * DAY)
        s.of_customer(HoldReleased, s.supervisor(), hold_id=hold_id, reason="order-lifted")
