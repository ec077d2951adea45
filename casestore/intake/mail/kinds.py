"""What kind of mail it is: nine tests, in an order that matters.

Of 312 bounces, 32 have the marks of an automatic reply too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from casestore.intake.mail import delivery
from casestore.intake.mail.addresses import Mailbox, Ours
from casestore.intake.mail.delivery import Fate
from casestore.intake.mail.parsing import Parsed
from casestore.intake.mail.prose import failures

_DAEMON = re.compile(
    r"mailer[-_.]?daemon|post[-_.]?master|mdaemon|mail[-_. ]?delivery[-_. ]?(sub)?system",
    re.IGNORECASE,
)
Kind = list[Fate] | Literal["sent", "received", "automated", "not told"]
"""What becomes of a mail: what it reports of another mail; ReplySent; MessageReceived, by a person
or a machine; or a mail system's words that do not tell what happened."""


def kind_of(mail: Parsed, ours: Ours, without_flufl: Callable[[], None]) -> Kind:
    """The kind of a mail.

    Args:
        mail: the mail.
        ours: which addresses are ours.
        without_flufl: called where flufl.bounce would have been asked, and is not installed.
    """
    if (report := delivery.feedback(mail)) is not None:
        return report
    if (report := delivery.status(mail)) is not None:
        return report
    daemon = _is_daemon(mail)
    by_system = daemon or is_of_a_mail_system(mail)
    if by_system or is_marked_automatic(mail) or mail.first("x-failed-recipients"):
        # A person's mail may quote a bounce, so only a machine's is asked about.
        if (report := failures(mail.message, mail.data)) is None:
            without_flufl()
        elif report := delivery.without_us(mail, report):
            return report
    if report := delivery.named_failures(mail):
        return report
    if (report := delivery.disposition(mail)) is not None:
        return report
    sender = mail.sender
    is_ours = sender is not None and sender.address in ours
    if not is_ours and not daemon and is_marked_automatic(mail):
        return "automated"
    if by_system and not (is_ours and not daemon):
        return delivery.said_in_prose(mail) or "not told"
    return "sent" if is_ours else "received"


def passed_on_for(mail: Parsed, ours: Ours) -> Mailbox | None:
    """Who wrote a mail that a form or a mailing list of ours sent us in their name.

    From and everybody it goes to are ours, and Reply-To is not. None for every other mail.
    """
    if not mail.sent_to or any(each.address not in ours for each in mail.sent_to):
        return None
    return next((each for each in mail.mailboxes("reply-to") if each.address not in ours), None)


def is_of_a_mail_system(mail: Parsed) -> bool:
    """Whether a mail is a mail system's, as nobody can answer it, or as it is a report."""
    return mail.first("return-path").strip() == "<>" or (
        mail.message.get_content_type() == "multipart/report"
    )


def is_auto_submitted(mail: Parsed) -> bool:
    """Whether Auto-Submitted says that a machine sent it (RFC 3834, section 5)."""
    said = mail.text("auto-submitted").partition(";")[0].partition("(")[0].strip().lower()
    return said not in ("", "no")


def is_marked_automatic(mail: Parsed) -> bool:
    """Whether a field says that a machine sent it (RFC 3834).

    X-Auto-Response-Suppress says what the sender wants to get, not how the mail was made.
    """
    if is_auto_submitted(mail):
        return True
    if mail.text("precedence").lower() == "auto_reply":
        return True
    marks = (mail.text(name).lower() for name in ("x-autoreply", "x-autorespond"))
    return any(mark not in ("", "no") for mark in marks)


def _is_daemon(mail: Parsed) -> bool:
    """Whether its sender is a mail system by its name, which may come without an address."""
    if not (found := mail.mailboxes("from")):
        return bool(_DAEMON.search(mail.first("from")))
    local = found[0].address.partition("@")[0]
    return bool(_DAEMON.search(local) or _DAEMON.fullmatch(found[0].name))
