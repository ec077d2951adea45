"""`ageing`: how old the open cases are."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from casestore.streams.history import from_microseconds
from projections.models.cases import CASES
from projections.query.measures import percentile, seconds, share
from projections.query.report import Answer, Line, Report
from projections.query.view import View

BUCKETS = (0, 1, 3, 7, 14, 30, 90)
"""The days at which the buckets begin. The last bucket has no end."""


class AgeLine(Line, frozen=True, kw_only=True):
    """The open cases in one bucket of age. The age is from the receipt to as-of."""

    bucket: str
    from_days: int
    to_days: int | None
    cases: int
    share: float | None
    median_s: int | None
    p90_s: int | None


def _answer(view: View) -> Answer[AgeLine]:
    received = view.columns(
        CASES, ["coalesce(receipt, opened_at)"], "status = 'open'", time="opened_at"
    )
    ages = [seconds(view.as_of - from_microseconds(at)) for (at,) in received]
    lines = []
    for begin, end in pairwise([*BUCKETS, None]):
        assert begin is not None  # noqa: S101  (only the last has no end)
        here = [age for age in ages if begin <= age // DAY and (end is None or age // DAY < end)]
        lines.append(
            AgeLine(
                bucket=f"{begin} to {end} days" if end else f"{begin} days and more",
                from_days=begin,
                to_days=end,
                cases=len(here),
                share=share(len(here), len(ages)),
                median_s=percentile(here, 50),
                p90_s=percentile(here, 90),
            )
        )
    summary = {
        "open": len(ages),
        "median_s": percentile(ages, 50),
        "p90_s": percentile(ages, 90),
        "oldest_s": max(ages, default=None),
    }
    return Answer(lines, summary)


DAY = seconds(timedelta(days=1))

AGEING = Report(
    "ageing",
    "How old the open cases are.",
    AgeLine,
    _answer,
    needs=(CASES,),
    shown="bucket cases share median_s p90_s",
    example="ageing --product home-internet",
)
