"""The event of the policy stream: a policy is adopted."""

from __future__ import annotations

from typing import Annotated, ClassVar

from casestore.events.base import Code, Event, Instant, event
from casestore.events.made import After
from casestore.events.policy_document import checked


@event
class PolicyAdopted(Event):
    """A policy comes into force. It judges what happens from `effective_from` on."""

    TOLD: ClassVar[str] = "adopted the policy {name}, in force from {effective_from}"

    name: Code
    effective_from: Instant
    policy: Annotated[dict[str, object], After(checked)]
    """The whole policy document, see `casestore.events.policy_document`."""
