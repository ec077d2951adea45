"""The state of a case at a time: one object, which programs get and people see as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from casestore.events import ReplySent
from casestore.streams.case import Case
from casestore.streams.history import History
from casestore.streams.wording import counted
from cli.terminal.output import Column, cell, heading, table
from projections.history.case_history import CaseHistory
from projections.history.case_state import issues
from projections.history.deliveries import Reply, replies

_SECTIONS = {
    "issues": ("Issues", "issue_id category state"),
    "asks": ("Asked for", "ask_id kind"),
    "promises": ("Promises", "promise_id kind due_at state"),
    "replies": ("Replies", "reply_id channel sent_at delivery resent_by"),
    "gestures": ("Goodwill", "gesture_id kind value given_at status"),
    "escalations": ("Escalations open", "escalation_id to"),
}
"""What is shown as a table: the heading and the columns, by the object's key."""


def described(case: Case, history: History, asked_at: datetime) -> dict[str, Any]:
    """A case as one object; whether its promises are kept is judged at `asked_at`."""
    version = history.originals[-1].version if history.originals else 0
    read = CaseHistory(history) if history.effective else None
    sent = [] if read is None else list(replies(read))
    return {
        "case_id": case.case_id,
        "version": version,
        "events": len(history),
        "asked_at": asked_at,
        "as_of": history.as_of,
        "known_at": history.known_at,
        "status": case.status,
        "close_reason": case.close_reason,
        "customer_id": case.customer_id,
        "channel": case.channel,
        "received_at": case.received_at,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "last_event_at": case.last_event_at,
        "product": case.product,
        "region": case.region,
        "category": case.category,
        "agent": case.agent,
        "team": case.team,
        "merged_into": case.merged_into,
        "issues": list(_issues(read)),
        "asks": [{"ask_id": ask.ask_id, "kind": ask.kind} for ask in case.asks.values()],
        "promises": list(_promises(case, asked_at)),
        "replies": list(map(_reply, sent)),
        "undelivered": list(_undelivered(sent)),
        "gestures": [
            {
                "gesture_id": gesture_id,
                "kind": gesture.kind,
                "value": gesture.value,
                "given_at": gesture.given_at,
                "status": gesture.status,
            }
            for gesture_id, gesture in case.gestures.items()
        ],
        "escalations": [{"escalation_id": e, "to": to} for e, to in case.escalations.items()],
    }


def _promises(case: Case, asked_at: datetime) -> Iterator[dict[str, Any]]:
    arrivals = case.arrivals
    for promise_id, promise in case.promises.items():
        keeping = case.keeping(promise_id, arrivals)
        yield {
            "promise_id": promise_id,
            "kind": promise.kind,
            "made_at": promise.made_at,
            "due_at": promise.due_at,
            "state": case.promise_state(promise_id, asked_at, arrivals),
            "kept_at": keeping and keeping.at,
            "kept_by": keeping and keeping.by,
            "renegotiations": promise.renegotiations,
        }


def _issues(read: CaseHistory | None) -> Iterator[dict[str, Any]]:
    """The issues, and whether each is still open by what this case alone tells."""
    for each in () if read is None else issues(read):
        yield {"issue_id": each.issue_id, "category": each.category, "state": each.state}


def _reply(reply: Reply) -> dict[str, Any]:
    """A reply, and what is known of whether it arrived."""
    sent: ReplySent = reply.sent.event
    return {
        "reply_id": reply.reply_id,
        "channel": sent.channel,
        "sent_at": reply.sent.at,
        "automated": sent.automated,
        "delivery": reply.delivery,
        "resend_of": sent.resend_of,
        "resent_by": list(reply.resent_by),
    }


def _undelivered(sent: Sequence[Reply]) -> Iterator[dict[str, Any]]:
    for reply in sent:
        if reply.delivery in ("undelivered", "sent_again"):
            yield {
                "reply_id": reply.reply_id,
                "channel": reply.sent.event.channel,
                "sent_at": reply.sent.at,
                "resent_by": list(reply.resent_by),
                "arrived": reply.arrived_at is not None,
            }


# --- for people ----------------------------------------------------------------------------


def lines(shown: dict[str, Any], zone: tzinfo) -> Iterator[str]:
    """The object that `described` gives, as text for people."""
    count, recorded = shown["events"], shown["version"]
    events = counted(count, "event") if count == recorded else f"{count} of {recorded} events"
    yield heading(f"Case {shown['case_id']} at {cell(shown['asked_at'], zone)}, after {events}")
    if shown["status"] is None:
        voided = recorded and shown["as_of"] is None
        yield "all that was recorded was voided" if voided else "nothing had happened yet"
        return
    facts = [(name, text) for name, text in _facts(shown, zone) if text]
    width = max(len(name) for name, _ in facts)
    yield from (f"{name:{width}}  {text}" for name, text in facts)
    for key, (title, names) in _SECTIONS.items():
        if rows := [_for_people(row, zone) for row in shown[key]]:
            yield ""
            yield heading(title)
            shown_names = [n for n in names.split() if n != "resent_by" or any(r[n] for r in rows)]
            yield from table([_column(name) for name in shown_names], rows, zone=zone)


def _for_people(row: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    """A row of a table for people.

    Its kind, a code, is put into words; the state of a kept promise tells when and by what, too.
    """
    coded = ("kind", "delivery")
    readable = row | {name: row[name].replace("_", " ") for name in coded if name in row}
    if row.get("kept_at") is not None:
        by = f", by {cell(row['kept_by'])}" if row["kept_by"] else ""
        readable["state"] = f"{row['state']} {cell(row['kept_at'], zone)}{by}"
    return readable


def _column(name: str) -> Column:
    return Column(name, name.removesuffix("_id").removesuffix("_at").replace("_", " "))


def _facts(shown: dict[str, Any], zone: tzinfo) -> Iterator[tuple[str, str]]:
    def joined(*names: str) -> str:
        return ", ".join(cell(shown[name], zone) for name in names if shown[name] is not None)

    yield "status", joined("status", "close_reason", "closed_at").replace("_", " ")
    yield "customer", joined("customer_id")
    yield "opened", joined("opened_at", "channel")
    yield "received", joined("received_at") if shown["received_at"] != shown["opened_at"] else ""
    yield "about", joined("product", "region", "category")
    yield "with", joined("agent", "team")
    yield "merged into", joined("merged_into")
    yield "last event", joined("last_event_at")
    yield "times in", "" if zone is UTC else str(zone)
