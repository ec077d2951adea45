"""An event with its place in the order of happening."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from casestore.streams.history import Moment, Recorded

__all__ = ["MOMENT", "Happened", "Moment"]

MOMENT = attrgetter("moment")
"""The key to sort them by: the order of happening."""


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event with its place in the order of happening."""

    at: datetime
    """When it happened."""
    moment: Moment
    event: Any
    event_id: str
    case_id: str
    """The case whose stream has the event. It may be merged into another case."""

    @classmethod
    def of(cls, recorded: Recorded) -> Happened:
        """Make one from a recorded event of a case."""
        moment = recorded.moment
        case_id = recorded.stream.partition(":")[2]
        return cls(moment.at, moment, recorded.event, recorded.uid, case_id)
