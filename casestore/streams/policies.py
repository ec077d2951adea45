"""The policy stream: which policies were adopted, which one is in force at a time, and what
structure refuses."""

from __future__ import annotations

from datetime import datetime

import msgspec

from casestore.events import PolicyAdopted
from casestore.events.policy_document import BUILT_IN, Document
from casestore.streams.checks import AHEAD, NO_CONTEXT, Context, check_values
from casestore.system.decoders import converted


class Adopted(msgspec.Struct, frozen=True):
    """A policy and the time from which it is in force."""

    name: str | None
    """None for the built-in policy."""
    effective_from: datetime | None
    """None for the built-in policy, which is in force before any other."""
    document: Document


_BUILT_IN = Adopted(None, None, BUILT_IN)


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Every policy adopted, in the order of adoption."""

    adopted: tuple[Adopted, ...] = ()

    def in_force(self, at: datetime) -> Adopted:
        """The policy that is in force at a time.

        This is the one that took effect last by then; if several took effect at the same time, the
        one adopted last; if none did, the built-in policy.
        """
        best = _BUILT_IN
        for each in self.adopted:
            begun = each.effective_from
            if begun is None or begun > at:
                continue
            if best.effective_from is None or begun >= best.effective_from:
                best = each
        return best

    def at(self, at: datetime) -> Document:
        """The document of the policy that is in force at a time."""
        return self.in_force(at).document


def evolve(policies: Policies, event: PolicyAdopted) -> Policies:
    """The policies after an adoption."""
    document = converted(event.policy, Document)
    adopted = Adopted(event.name, event.effective_from, document)
    return Policies(adopted=(*policies.adopted, adopted))


def check(_policies: Policies, event: PolicyAdopted, context: Context = NO_CONTEXT) -> str | None:
    """The reason why structure refuses an adoption, as text; None if it does not.

    A policy cannot take effect before its adoption, because it must not judge the past. For an
    imported adoption its own occurred_at counts in place of the store's clock, so that a whole
    history can be moved to another store. Five minutes are allowed, because clocks differ.
    """
    adopted_at = event.occurred_at if context.imported else context.now
    if adopted_at is not None and event.effective_from < adopted_at - AHEAD:
        return "effective_from is before now; a policy judges what comes, never what was"
    return check_values(event, context.now)
