"""An event and its place in the order in which things happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from casestore.streams.history import Recorded


class Moment(NamedTuple):
    """A place in the order of what happened."""

    at: datetime
    version: int


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event and its place in the order of what happened."""

    at: datetime
    """When it happened."""
    moment: Moment
    event: Any
    event_id: str

    @classmethod
    def of(cls, recorded: Recorded) -> Happened:
        """An event as recorded."""
        at = recorded.event.occurred_at
        return cls(at, Moment(at, recorded.version), recorded.event, recorded.uid)
