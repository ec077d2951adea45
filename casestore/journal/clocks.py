"""When an event was recorded, by clocks that may be wrong.

Clocks differ a little, so up to five minutes are smoothed: the times of recording do not go back.
A clock that was further ahead does not pull later events along, so after it they do go back.
"""

from __future__ import annotations

from collections.abc import Iterable

FAR_US = 300_000_000
"""Microseconds by which clocks may differ: five minutes. Further off, a clock is wrong."""


WENT_BACK = "clock_went_back"
"""The name of a row in casestore_meta: the position of the last event that was recorded at an
earlier time than the event before it. Without it, no event was."""


def recording_time(now_us: int, last_us: int) -> int:
    """When an event is recorded. casestore_append on PostgreSQL has the same rule.

    Args:
        now_us: what the clock says, in microseconds since 1970.
        last_us: when the last event was recorded.
    """
    return last_us if now_us < last_us <= now_us + FAR_US else now_us


def went_back(last_us: int, times: Iterable[int]) -> int | None:
    """The index of the last of some times that is before the one before it; None without one.

    Args:
        last_us: what comes before the first of them.
        times: when events were recorded, in order.
    """
    found = None
    for index, at in enumerate(times):
        if at < last_us:
            found = index
        last_us = at
    return found
