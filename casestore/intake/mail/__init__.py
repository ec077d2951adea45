"""Mail: .eml files, folders of them, Maildir, and mbox.

A mail is a header with at least two of the fields that RFC 5322 and mail servers give every mail,
and what follows it. Which kind of mail it is, nine tests in `kinds` tell. A thread is a case.

    from casestore.intake import Options, mail

    read = mail.events(the_bytes_of_a_mail, Options(ours=("help@example.com",)))
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import msgspec

from casestore.errors import UnreadableInput
from casestore.events.base import is_language
from casestore.intake import reading
from casestore.intake.ids import message_pseudonym
from casestore.intake.inputs import Input
from casestore.intake.mail import mbox, prose
from casestore.intake.mail.addresses import Mailbox, Ours
from casestore.intake.mail.content import Content
from casestore.intake.mail.dates import Sent, sent
from casestore.intake.mail.delivery import Fate
from casestore.intake.mail.kinds import Kind, is_auto_submitted, kind_of, passed_on_for
from casestore.intake.mail.originals import originals
from casestore.intake.mail.parsing import Parsed, is_mail, unix_lines
from casestore.intake.mail.remembered import TABLES, Mail, Report, join, note_ids
from casestore.intake.mail.threads import is_answer, join_by_subject, place_all, same_subject
from casestore.intake.mail.writing import Writer, report_ids
from casestore.intake.options import Options
from casestore.intake.scratch import Scratch
from casestore.intake.values import AHEAD, is_ahead
from casestore.streams.history import to_microseconds
from casestore.transfer.lines import LeftOut, Read, Remark

_NO_MAIL = "it is no mail: it does not begin with a header that has two of a mail's fields"
_TORN = "an answer by its subject, that names no mail: --join-days joins it by subject"
_DRAFT = re.compile(r"[:;!]2,[A-Za-z]*D[A-Za-z]*$")
"""The name of a file in a Maildir with the flag of a draft."""
_MOST_CHARACTERS = 100_000
"""The most characters of a subject, or of the addresses that a mail was sent to."""


class Reader(reading.BaseReader):
    """Reads mails."""

    name: ClassVar[str] = "mail"
    things: ClassVar[str] = "mails"

    def __init__(self, options: Options, scratch: Scratch) -> None:
        super().__init__(options, scratch)
        for table in TABLES.split(";"):
            scratch.sql.execute(table)
        self._ours = Ours(options.ours)
        self._tag = re.compile(options.tag) if options.tag else None
        self._without_flufl = False

    # --- reading -----------------------------------------------------------------------------

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each mail of a file."""
        place = _maildir(given.name)
        if place == "tmp":
            yield LeftOut("a mail that is still being delivered", given.name, unreadable=False)
            return
        if place and _DRAFT.search(given.name):
            yield LeftOut("a draft, which was not sent", given.name, unreadable=False)
            return
        single = place != "" or given.name.lower().endswith(".eml")
        found = mbox.mails(given.stream, single=single)
        for number, mail in enumerate(found, 1):
            if number == 1 and not mail.envelope:
                _check_file(mail)
            where = f"{given.name}, mail {number}" if mail.envelope and not single else given.name
            self.read_one()
            yield from self._take_mail(mail, where)

    def _take_mail(self, found: mbox.Found, where: str) -> Iterator[LeftOut | Remark]:
        if found.data is None:
            yield LeftOut("a mail of more than 64 MiB", where)
            return
        data = unix_lines(found.data)
        if not is_mail(data):
            yield LeftOut(_NO_MAIL, where)
            return
        try:
            kept = self._understood(Parsed(data), found.envelope, where)
        except sqlite3.Error:  # it is the scratch that fails, and not the mail
            raise
        except Exception as error:  # the standard library raises many kinds on what is no mail
            kept = LeftOut("a mail that could not be read", where, type(error).__name__)
        if kept is not None:
            yield kept

    def _understood(self, mail: Parsed, envelope: bytes, where: str) -> LeftOut | Remark | None:
        """Keep a mail, or say why it is left out."""
        when = sent(mail.first("date") or None, mail.fields.get("received", ()), envelope)
        if when is None:
            return LeftOut("a mail without a date that can be believed", where)
        if is_ahead(when.at):
            return LeftOut(AHEAD, where, when.at.isoformat())
        kind = kind_of(mail, self._ours, self._note_missing)
        if isinstance(kind, list):
            return self._keep_report(mail, when, kind, where)
        if kind == "not told":
            detail = report_ids(mail.message_id, originals(mail))
            return LeftOut("a mail system's words that do not tell what happened", where, detail)
        if (sender := mail.sender) is None:
            return LeftOut("a mail that names no sender", where)
        if kind == "sent" and (customer := passed_on_for(mail, self._ours)) is not None:
            sender, kind = customer, "received"
        return self._keep_mail(mail, sender, when, kind, where)

    def _note_missing(self) -> None:
        self._without_flufl = True

    # --- keeping -----------------------------------------------------------------------------

    def _keep_report(
        self, mail: Parsed, when: Sent, fates: list[Fate], where: str
    ) -> LeftOut | Remark | None:
        if not fates:
            return LeftOut("a report that a mail was passed on, or not shown", where, "", False)
        about = originals(mail)
        note_ids(self.scratch.sql, about)
        report = Report(when.at, mail.message_id, fates, about)
        data = msgspec.json.encode(report)
        id = mail.id_of_bytes
        if mail.message_id and about:
            # Some mail systems give many bounces the same Message-ID: those about other mails are
            # others.
            id = message_pseudonym(f"{mail.message_id} {about[0]}")
        sql = self.scratch.sql
        before = sql.execute("SELECT data FROM reports WHERE id = ?", (id,)).fetchone()
        if before is None or data < before[0]:
            sql.execute(
                "INSERT OR REPLACE INTO reports (id, at, data, whence) VALUES (?, ?, ?, ?)",
                (id, to_microseconds(when.at), data, where),
            )
        return _copy(where, same=before == (data,)) if before is not None else None

    def _keep_mail(
        self, mail: Parsed, sender: Mailbox, when: Sent, kind: Kind, where: str
    ) -> LeftOut | Remark | None:
        sql = self.scratch.sql
        made = self._mail(mail, sender, when, kind)
        ids = note_ids(sql, mail.refers_to)
        made.refers_to = ids
        sql.execute(
            "INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", (mail.id, mail.id, mail.message_id)
        )
        tagged = self._tag.search(made.subject) if self._tag else None
        tags = []
        if tagged is not None and (tag := tagged[tagged.re.groups and 1]):
            tags = [f"tag {tag}"]
            sql.execute("INSERT OR IGNORE INTO ids VALUES (?, ?, '')", (tags[0], tags[0]))
        join(sql, [*ids, *tags, mail.id])
        return self._put(mail.id, made, ids[0] if ids else mail.id, where)

    def _mail(self, mail: Parsed, sender: Mailbox, when: Sent, kind: Kind) -> Mail:
        content = Content(mail.message)
        is_sent = kind == "sent"
        sent_to = mail.sent_to
        customer: Mailbox | None = sender
        if is_sent:
            customer = next((each for each in sent_to if each.address not in self._ours), None)
        language = mail.text("content-language").partition(",")[0].strip()
        subject = mail.text("subject")[:_MOST_CHARACTERS]
        remarks = [when.remark] if when.remark else []
        if self._is_torn(mail, subject):
            remarks.append(_TORN)
        if content.is_encrypted:
            remarks.append("it is encrypted, so the event has no text")
        if content.damaged or mail.damaged:
            remarks.append("its charset is not what it says, or not said: UTF-8 or windows-1252")
        return Mail(
            at=when.at,
            address=sender.address,
            name=sender.name,
            customer=customer.address if customer else "",
            customer_name=customer.name if customer else "",
            sent=is_sent,
            internal=is_sent and bool(sent_to) and customer is None,
            automated=kind == "automated" or (is_sent and is_auto_submitted(mail)),
            language=language if language and is_language(language) else None,
            to=", ".join(each.address for each in sent_to)[:_MOST_CHARACTERS] or None,
            subject=subject,
            text=content.text or None,
            notes=content.notes,
            refers_to=[],
            remarks=remarks,
        )

    def _is_torn(self, mail: Parsed, subject: str) -> bool:
        """Whether it answers a mail, but does not say which, and nothing else joins them."""
        options = self.options
        by_subject = options.join_days is not None or bool(self._tag and self._tag.search(subject))
        return not by_subject and is_answer(subject) and not mail.refers_to

    def _put(self, id: str, mail: Mail, first: str, where: str) -> LeftOut | Remark | None:
        """Keep a mail; of copies that differ the one with the least content."""
        sql = self.scratch.sql
        data = msgspec.json.encode(mail)
        same = msgspec.json.encode((mail.address, mail.subject, mail.text, mail.notes))
        content = sha256(same).digest()
        at = to_microseconds(mail.at)
        before = sql.execute("SELECT at, data, content FROM mails WHERE id = ?", (id,)).fetchone()
        if before is None or (content, at, data) < (before[2], before[0], before[1]):
            who = self.options.pseudonym(mail.customer) if mail.customer else ""
            subject = same_subject(mail.subject) if self.options.join_days is not None else ""
            sql.execute(
                "INSERT OR REPLACE INTO mails VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    *(id, at, data, content, where, mail.sent + mail.internal, mail.automated),
                    *(who, subject, first),
                ),
            )
        return _copy(where, same=before[2] == content) if before is not None else None

    # --- the lines ---------------------------------------------------------------------------

    def lines(self) -> Iterator[Read]:
        """The customers, then each case's mails, with what was reported about its replies."""
        sql = self.scratch.sql
        if self._without_flufl:
            yield Remark(prose.MISSING, "")
        if not self.options.ours:
            yield Remark("no address is named as ours (--ours), so every mail was received", "")
        if self.options.join_days is not None:
            join_by_subject(sql, self.options.join_days)
        place_all(sql, self.options.known)
        yield from Writer(sql, self.options, self.source).lines()


def _copy(where: str, *, same: bool) -> LeftOut | Remark:
    if same:
        return LeftOut("a copy of a mail that is here already", where, unreadable=False)
    return Remark("a mail that is here with other content under the same Message-ID", where)


def _check_file(mail: mbox.Found) -> None:
    """Raises UnreadableInput where a file that is no mbox is no mail either."""
    if mail.data is not None and not mail.data.strip():
        raise UnreadableInput("the file is empty")
    if mail.data is not None and not is_mail(unix_lines(mail.data)):
        raise UnreadableInput(_NO_MAIL)


def _maildir(name: str) -> str:
    """The folder of a Maildir that a file is in: cur, new or tmp; empty where it is in none."""
    folder = Path(name).parent
    if folder.name not in ("cur", "new", "tmp"):
        return ""
    return folder.name if (folder.parent / "cur").is_dir() else ""


def events(data: bytes, options: Options = Options()) -> list[Read]:  # noqa: B008  (it is frozen)
    """The lines of a mail, or of an mbox, as a service receives it.

    Give the store in `options.known`: then the mail goes into the case of the mail that it answers,
    and a bounce to the reply that it is about.
    """
    return reading.events(Reader, data, options)
