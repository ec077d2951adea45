"""`undelivered`: replies that are known not to have arrived."""

from __future__ import annotations

from datetime import datetime

from projections.models.deliveries import DELIVERIES, DeliveryRow
from projections.query.measures import counted, seconds
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


def _answer(view: View) -> Answer[UndeliveredLine]:
    rows: list[DeliveryRow] = view.chosen(DELIVERIES, time="failed_at")
    rows.sort(key=lambda row: (row.failed_at, row.case_id, row.reply_id))
    roots = view.roots(row.customer_id for row in rows)
    lines = [
        UndeliveredLine(
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
        for row in rows
    ]
    summary = {
        "undelivered": len(rows),
        **counted((row.kind for row in rows), KINDS),
        "not_resent": sum(row.resent_by is None for row in rows),
        "not_made_good": sum(row.made_good_at is None for row in rows),
    }
    return Answer(lines, summary)


UNDELIVERED = Report(
    "undelivered",
    "Replies that are known not to have arrived.",
    UndeliveredLine,
    _answer,
    needs=(DELIVERIES,),
    shown="reply_id case_id customer_id channel kind code failed_at resent_by age_s",
    example="undelivered --from 2026-03-01",
)
