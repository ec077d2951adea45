"""The policy stream: which policies were adopted, what structure refuses there, and which is in
force when."""

from __future__ import annotations

from datetime import datetime

import msgspec

from casestore.events import PolicyAdopted
from casestore.events.policy_document import BUILT_IN, Document
from casestore.streams.checks import AHEAD, NO_CONTEXT, Context, check_values


class Adopted(msgspec.Struct, frozen=True):
    """A policy and the time from which it judges."""

    name: str | None
    """None: the built-in one."""
    effective_from: datetime | None
    document: Document


_BUILT_IN = Adopted(None, None, BUILT_IN)


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Every policy adopted, in the order of adoption."""

    adopted: tuple[Adopted, ...] = ()

    def in_force(self, at: datetime) -> Adopted:
        """The policy that judges what happens at a time: of those in effect by then the one that
        took effect last, and of several at once the one adopted last; else the built-in one."""
        best = _BUILT_IN
        for each in self.adopted:
            begun = each.effective_from
            if begun is None or begun > at:
                continue
            if best.effective_from is None or begun >= best.effective_from:
                best = each
        return best

    def at(self, at: datetime) -> Document:
        """What the policy in force at a time says."""
        return self.in_force(at).document


def evolve(policies: Policies, event: PolicyAdopted) -> Policies:
    """The policies after an adoption."""
    document = msgspec.convert(event.policy, Document)
    adopted = Adopted(event.name, event.effective_from, document)
    return Policies(adopted=(*policies.adopted, adopted))


def check(_policies: Policies, event: PolicyAdopted, context: Context = NO_CONTEXT) -> str | None:
    """Why structure refuses an adoption, in words; None where it does not.

    A policy judges what comes, never what was: it cannot take effect before its adoption. An
    imported adoption is held to its own time, so that a history moved to another store stays
    whole. Five minutes are allowed for clocks that differ, as everywhere.
    """
    adopted_at = event.occurred_at if context.imported else context.now
    if adopted_at is not None and event.effective_from < adopted_at - AHEAD:
        return "effective_from is before now; a policy judges what comes, never what was"
    return check_values(event, context.now)
