"""The lines of a thread, and of what was reported about its replies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from casestore.intake.ids import message_pseudonym
from casestore.intake.mail.addresses import agent_id
from casestore.intake.mail.delivery import Fate
from casestore.intake.mail.remembered import Mail, Report
from casestore.intake.options import Options
from casestore.intake.values import TOO_LONG
from casestore.transfer.lines import LeftOut, Line, Read, Remark, key_of, line

_LONGEST = 3 * 1024 * 1024
"""The most bytes of an event's fields: a store takes events of 4 MiB."""
_MAIL_SYSTEM = {"kind": "system", "id": "mail"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ELSEWHERE = "a mail of ours to nobody who wrote in its case: it counts as an answer"
_mail = msgspec.json.Decoder(Mail).decode
_report = msgspec.json.Decoder(Report).decode


def report_ids(message_id: str, about: list[str]) -> str:
    """The Message-ID of a report, and those that the mail may have that it is about, as words."""
    named = f"Message-ID {message_id or 'none'}"
    return (f"{named}, about {' or '.join(about)}" if about else named)[:500]


class _Place(NamedTuple):
    stream: str
    id: str
    where: str


class Writer:
    """Makes the lines of mails whose streams are known.

    Args:
        sql: the tables of `casestore.intake.mail.remembered`.
        options: what the reader was told.
        source: the reader and the instance.
    """

    def __init__(self, sql: sqlite3.Connection, options: Options, source: str) -> None:
        self._sql = sql
        self._options = options
        self._source = source

    def lines(self) -> Iterator[Read]:
        """All lines: the customers', then each case's."""
        for stream in self._streams():
            if not self._options.known.has(stream):
                yield from self._open(stream)
        yield from self._customers()
        for report in self._all("SELECT id, data, whence FROM reports ORDER BY id"):
            yield from self._match(*report)
        self._sql.execute("CREATE INDEX reports_of_streams ON reports (stream, at, id)")
        for stream in self._streams():
            yield from self._case(stream)

    def _streams(self) -> Iterator[str]:
        rows = self._all(
            "SELECT stream FROM mails WHERE stream <> '' UNION "
            "SELECT stream FROM reports WHERE stream <> '' ORDER BY stream"
        )
        return (stream for (stream,) in rows)

    def _all(self, query: str, *params: Any) -> Iterator[Any]:
        """The rows of a query as they were when it was made, though they are changed meanwhile."""
        self._sql.execute("DROP TABLE IF EXISTS temp.asked")
        self._sql.execute(f"CREATE TEMP TABLE asked AS {query}", params)
        return iter(self._sql.execute("SELECT * FROM temp.asked ORDER BY rowid"))

    # --- customers ---------------------------------------------------------------------------

    def _open(self, stream: str) -> Iterator[LeftOut]:
        """Note whose case it is; without anybody, its mails are left out."""
        owner = self._sql.execute(
            "SELECT data, who FROM mails WHERE stream = ? AND who <> '' "
            "ORDER BY sent, automated, at, id LIMIT 1",
            (stream,),
        ).fetchone()
        mails = "SELECT whence FROM mails WHERE stream = ? ORDER BY at, id"
        if owner is None:
            for (where,) in self._sql.execute(mails, (stream,)).fetchall():
                yield LeftOut("a mail of ours that names nobody whom it was sent to", where)
            self._sql.execute("UPDATE mails SET stream = '' WHERE stream = ?", (stream,))
            return
        mail = _mail(owner[0])
        self._sql.execute(
            "INSERT INTO opened SELECT ?, min(at), ?, ?, ? FROM mails WHERE stream = ?",
            (owner[1], stream, mail.customer_name, mail.customer, stream),
        )

    def _customers(self) -> Iterator[Line]:
        """Register the owners of new cases, whom the store does not have."""
        self._sql.execute("CREATE INDEX opened_cases ON opened (stream)")
        rows = self._sql.execute("SELECT * FROM opened ORDER BY customer, at, stream")
        for customer, cases in groupby(rows, key=lambda each: each[0]):
            _, at, _, name, address = next(cases)
            if self._options.known.has(f"customer:{customer}"):
                continue
            yield line(
                f"customer:{customer}",
                "CustomerRegistered",
                _time(at),
                {"kind": "customer", "id": customer},
                {"name": name or None, "contact": address},
                key=key_of(self._source, customer, "CustomerRegistered"),
                source=self._source,
                keep_first=True,
            )

    # --- cases -------------------------------------------------------------------------------

    def _case(self, stream: str) -> Iterator[Read]:
        opened = self._sql.execute(
            "SELECT customer, at FROM opened WHERE stream = ?", (stream,)
        ).fetchone()
        if opened is not None:
            yield self._opening(stream, *opened)
        rows = self._sql.execute(
            "SELECT at, 0, id, data, whence, NULL FROM mails WHERE stream = ?1 UNION ALL "
            "SELECT at, 1, id, data, whence, about FROM reports WHERE stream = ?1 "
            "ORDER BY 1, 2, 3",
            (stream,),
        )
        wrote: set[str] = set()
        for at, is_report, id, data, where, about in rows:
            event = partial(self._line, _Place(stream, id, where))
            if is_report:
                yield from self._reported(event, _report(data), about, _time(at))
                continue
            mail = _mail(data)
            yield from self._mailed(event, id, mail, where)
            if not mail.sent:
                wrote.add(mail.address.lower())
            elif (
                wrote
                and not mail.internal
                and wrote.isdisjoint((mail.to or "").lower().split(", "))
            ):
                yield Remark(_ELSEWHERE, where)

    def _opening(self, stream: str, customer: str, at: int) -> Line:
        case = stream.removeprefix("case:")
        data, where = self._sql.execute(
            "SELECT data, whence FROM mails WHERE stream = ? "
            "ORDER BY substr(id, 3, 16) <> ?, at, id LIMIT 1",
            (stream, case.removeprefix("mail-")),
        ).fetchone()
        mail = _mail(data)
        return line(
            stream,
            "CaseOpened",
            _time(at),
            self._actor(mail),
            {"customer_id": customer, "channel": "email", "subject": mail.subject or None},
            key=key_of(self._source, case, "CaseOpened"),
            source=self._source,
            where=where,
            keep_first=True,
        )

    def _mailed(
        self, event: Callable[..., Line], id: str, mail: Mail, where: str
    ) -> Iterator[Read]:
        kind = "ReplySent" if mail.sent else "MessageReceived"
        if mail.internal:
            kind = "NoteAdded"
        known = self._sql.execute("SELECT key FROM known WHERE id = ?", (id,)).fetchone()
        if known is not None and known[0] != key_of(self._source, id, kind):
            why = "a mail that the store has already, from elsewhere or as another kind of event"
            yield LeftOut(why, where, unreadable=False)
            return
        for remark in mail.remarks:
            yield Remark(remark, where)
        fields: dict[str, Any] = {"text": mail.text}
        if not mail.internal:
            fields |= {"channel": "email", "automated": mail.automated or None}
            fields |= {"reply_id" if mail.sent else "message_id": id}
        if kind == "ReplySent":
            fields |= {"language": mail.language, "to": mail.to}
        if mail.text is not None and len(msgspec.json.encode(fields)) > _LONGEST:
            yield Remark(f"{TOO_LONG}, so the event has none", where)
            fields["text"] = None
        actor = self._actor(mail)
        yield event(kind, mail.at, actor, fields)
        for number, note in enumerate(mail.notes, 1):
            yield event("NoteAdded", mail.at, actor, {"text": note}, number=number)

    def _actor(self, mail: Mail) -> dict[str, str]:
        pseudonym = self._options.pseudonym(mail.address)
        if not mail.sent:
            return {"kind": "customer", "id": pseudonym}
        kind = "system" if mail.automated else "agent"
        return {"kind": kind, "id": agent_id(mail.address, pseudonym)}

    def _line(
        self,
        place: _Place,
        kind: str,
        at: datetime,
        actor: dict[str, str],
        fields: dict[str, Any],
        *,
        number: int | None = None,
    ) -> Line:
        # A list adds its footer to some copies of a mail, so the copy that is read can be another
        # one next time: the first stays, and that is told.
        part = (kind,) if number is None else (kind, number)
        key = key_of(self._source, place.id, *part)
        return line(
            place.stream,
            kind,
            at,
            actor,
            fields,
            key=key,
            source=self._source,
            where=place.where,
            keep_first=True,
        )

    # --- reports -----------------------------------------------------------------------------

    def _match(self, id: str, data: bytes, where: str) -> Iterator[LeftOut]:
        """Find the mail that a report is about, or tell that it is not there."""
        report = _report(data)
        is_note = all(fate.event == "NoteAdded" for fate in report.fates)
        why = "a report about a mail that is neither here nor in the store"
        if not report.about:
            why = "a report that does not name the mail that it is about"
        for message_id in report.about:
            found = self._reply(message_pseudonym(message_id))
            if found is None:
                continue
            stream, kind, its_id, at = found
            if kind == "reply" or is_note:
                self._sql.execute(
                    "UPDATE reports SET stream = ?, about = ?, at = max(at, ?) WHERE id = ?",
                    (stream, its_id, at, id),
                )
                return
            if kind == "note":
                yield LeftOut("a report about a mail between us", where, unreadable=False)
                return
            why = "a report about a mail that is not ours: name our addresses (--ours)"
        yield LeftOut(why, where, report_ids(report.message_id, report.about))

    def _reply(self, id: str) -> tuple[str, str, str, int] | None:
        """Where a mail is: its stream, "reply", "note" or "message", its id there, and its time."""
        found: tuple[str, str, str, int] | None = self._sql.execute(
            "SELECT stream, kind, its_id, 0 FROM known WHERE id = ?1 UNION ALL "
            "SELECT stream, CASE sent WHEN 1 THEN 'reply' WHEN 2 THEN 'note' ELSE 'message' END, "
            "id, at FROM mails WHERE id = ?1 AND stream <> '' LIMIT 1",
            (id,),
        ).fetchone()
        return found

    def _reported(
        self, event: Callable[..., Line], report: Report, about: str, at: datetime
    ) -> Iterator[Line]:
        for number, fate in enumerate(report.fates, 1):
            yield event(fate.event, at, _MAIL_SYSTEM, _fields(fate, about), number=number)


def _fields(fate: Fate, reply_id: str) -> dict[str, Any]:
    match fate.event:
        case "DeliveryFailed":
            return {
                "reply_id": reply_id,
                "kind": fate.kind,
                "code": fate.code,
                "recipient": fate.recipient,
                "diagnostic": fate.diagnostic,
            }
        case "DeliveryConfirmed":
            return {"reply_id": reply_id, "evidence": fate.evidence}
        case "NoteAdded":
            return {"text": fate.note}


def _time(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
