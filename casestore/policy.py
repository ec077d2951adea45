"""The policy stream: which policies were adopted, and what structure refuses there."""

from __future__ import annotations

from datetime import datetime

import msgspec

from casestore.events import PolicyAdopted
from casestore.structure import AHEAD, NO_FACTS, Facts, check_clock


class Adopted(msgspec.Struct, frozen=True):
    """A policy and the time from which it judges."""

    name: str
    effective_from: datetime


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Every policy adopted, in the order of adoption."""

    adopted: tuple[Adopted, ...] = ()


def evolve(policies: Policies, event: PolicyAdopted) -> Policies:
    """The policies after an adoption."""
    return Policies(adopted=(*policies.adopted, Adopted(event.name, event.effective_from)))


def check(_policies: Policies, event: PolicyAdopted, facts: Facts = NO_FACTS) -> str | None:
    """Why structure refuses an adoption, in words; None where it does not.

    A policy judges what comes, never what was: it cannot take effect before its adoption. An
    imported adoption is held to its own time, so that a history moved to another store stays
    whole. Five minutes are allowed for clocks that differ, as everywhere.
    """
    adopted_at = event.occurred_at if facts.imported else facts.now
    if adopted_at is not None and event.effective_from < adopted_at - AHEAD:
        return "effective_from is before now; a policy judges what comes, never what was"
    return check_clock(event, facts.now)
