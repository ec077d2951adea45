"""`undelivered`: replies that are known not to have arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from projections.models.deliveries import DELIVERIES, DeliveryRow
from projections.projection import Row
from projections.query.lines import Lines, comparable
from projections.query.measures import seconds
from projections.query.report import Answer, Line, Report
from projections.query.view import View

KINDS = ("permanent", "no_answer", "reported_missing")


class UndeliveredLine(Line, frozen=True, kw_only=True):
    """A reply that did not arrive."""

    reply_id: str
    case_id: str
    customer_id: str
    channel: str
    kind: str
    code: str | None
    """The enhanced status code of RFC 3463, like "5.1.1"; None if none was recorded."""
    failed_at: datetime
    resent_by: str | None
    """The first resend that arrived, else the latest; a resend of a resend counts too."""
    made_good_at: datetime | None
    """When a resend, or a later human reply on the same issues, arrived."""
    age_s: int
    """Seconds from the failure to as-of."""


class _Counted(Row, frozen=True):
    """Of a reply what is counted, as it is stored: see DeliveryRow."""

    kind: str
    resent_by: str | None
    made_good_at: int | None


def _answer(view: View) -> Answer[UndeliveredLine]:
    read: Any = partial(view.stream, DELIVERIES, time="failed_at")
    kinds, resent, made_good = Counter[str](), 0, 0
    for row in read(row=_Counted):
        kinds[row.kind] += 1
        resent += row.resent_by is not None
        made_good += row.made_good_at is not None

    total = kinds.total()

    def lines(rows: Sequence[DeliveryRow]) -> Iterator[UndeliveredLine]:
        roots = view.roots((row.customer_id for row in rows), total)
        for row in rows:
            yield UndeliveredLine(
                reply_id=row.reply_id,
                case_id=row.case_id,
                customer_id=roots[row.customer_id],
                channel=row.channel,
                kind=row.kind,
                code=row.code,
                failed_at=row.failed_at,
                resent_by=row.resent_by,
                made_good_at=row.made_good_at,
                age_s=seconds(view.as_of - row.failed_at),
            )

    shown = Lines(
        read,
        lines,
        total=total,
        order="failed_at, case_id, reply_id",
        columns=comparable(DeliveryRow, "customer_id"),
    )
    summary = {
        "undelivered": total,
        **{kind: kinds[kind] for kind in KINDS},
        "not_resent": total - resent,
        "not_made_good": total - made_good,
    }
    return Answer(shown, summary)


UNDELIVERED = Report(
    "undelivered",
    "Replies that are known not to have arrived.",
    UndeliveredLine,
    _answer,
    needs=(DELIVERIES,),
    shown="reply_id case_id customer_id channel kind code failed_at resent_by age_s",
    example="undelivered --from 2026-03-01",
)
