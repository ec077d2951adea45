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
    """What the policy is called; reports name it where they judged by it."""
    effective_from: Instant
    """From when on it holds: not before its adoption."""
    policy: Annotated[dict[str, object], After(checked)]
    """The whole document, as `casestore policy show` tells it. What it leaves out has the built-in
    value."""
