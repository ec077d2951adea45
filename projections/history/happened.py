"""An event and its place in the order in which things happened."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from casestore.streams.history import Moment, Recorded

__all__ = ["MOMENT", "Happened", "Moment"]

MOMENT = attrgetter("moment")
"""What happenings are sorted by."""


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event and its place in the order of what happened."""

    at: datetime
    """When it happened."""
    moment: Moment
    event: Any
    event_id: str
    case_id: str
    """The case on whose stream it stands, which may be merged into another one."""

    @classmethod
    def of(cls, recorded: Recorded) -> Happened:
        """An event as recorded."""
        moment = recorded.moment
        case_id = recorded.stream.partition(":")[2]
        return cls(moment.at, moment, recorded.event, recorded.uid, case_id)
