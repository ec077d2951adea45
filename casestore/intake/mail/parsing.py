"""One mail: its header, its id, and the mails that it names."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message
from hashlib import sha256

from casestore.intake.ids import message_pseudonym
from casestore.intake.mail.addresses import Mailbox, mailboxes
from casestore.intake.mail.charsets import field_text
from casestore.intake.mail.mbox import begins_header

_OF_A_MAIL = frozenset(
    ("from", "sender", "to", "date", "subject", "message-id", "received", "return-path")
)
"""A mail has at least two of these fields: a text with colons in it is none."""
_FEWEST = 2
_HEADER_MOST = 1024 * 1024
"""How much of a file is looked through for these fields."""
_ID = re.compile(r"<([^<>]+)>")
_MOST_IDS = 1000
"""How many ids of a field are taken: the first and the last, if it has more."""


def unix_lines(data: bytes) -> bytes:
    """A mail with the line ends of Unix, and without what programs put around it.

    That is a byte order mark, a line like "From anna@example.com …", and blank lines: an mbox adds
    one at the end.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.removeprefix(b"\xef\xbb\xbf").strip(b"\n") + b"\n"
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    return data


def is_mail(data: bytes) -> bool:
    """Whether bytes, with line ends of Unix, begin with the header of a mail."""
    if not begins_header(data[:200]):
        return False
    header = data[:_HEADER_MOST].partition(b"\n\n")[0]
    names = {line.partition(b":")[0].strip().lower() for line in header.split(b"\n")}
    return sum(name.encode() in names for name in _OF_A_MAIL) >= _FEWEST


class Parsed:
    """A mail, parsed once. Each field is decoded when it is asked for.

    The mail is never written again: the standard library cannot write every mail that it reads.

    Args:
        data: its bytes, from `unix_lines`.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.message: Message = message_from_bytes(data)
        self.fields = fields_of(self.message)
        self._mailboxes: dict[str, list[Mailbox]] = {}
        named = ids_in(self.first("message-id"))
        self.message_id = named[0] if named else ""
        """Its Message-ID without angle brackets; empty where it has none."""
        self.id = message_pseudonym(self.message_id) if named else self.id_of_bytes
        """Its id in the store."""
        self.damaged = False
        """Whether a field or a text that was asked for is not what its charset says."""

    def first(self, name: str) -> str:
        """The first field of a name as it came; empty where there is none."""
        return next(iter(self.fields.get(name, ())), "")

    def text(self, name: str) -> str:
        """The text of the first field of a name."""
        text, damaged = field_text(self.first(name))
        self.damaged |= damaged
        return text

    def mailboxes(self, name: str) -> list[Mailbox]:
        """The mailboxes in the fields of a name."""
        if name not in self._mailboxes:
            raws = self.fields.get(name, ())
            self._mailboxes[name] = [each for raw in raws for each in mailboxes(raw)]
        return self._mailboxes[name]

    @property
    def id_of_bytes(self) -> str:
        """The id of a mail that has no Message-ID: a hash of it."""
        return f"m-{sha256(self.data).hexdigest()[:20]}"

    @property
    def sender(self) -> Mailbox | None:
        """Who sent it: From, else Sender, else Return-Path."""
        for name in ("from", "sender", "return-path"):
            if found := self.mailboxes(name):
                return found[0]
        return None

    @property
    def sent_to(self) -> list[Mailbox]:
        """Everybody whom it was sent to, as far as it says."""
        return [each for name in ("to", "cc", "bcc") for each in self.mailboxes(name)]

    @property
    def refers_to(self) -> list[str]:
        """The mails that it answers, by Message-ID, the first of its thread first.

        Old programs name people beside mails in In-Reply-To; those are not taken.
        """
        ids = ids_in(" ".join(self.fields.get("references", ())))
        if len(ids) > _MOST_IDS:
            ids = [ids[0], *ids[1 - _MOST_IDS :]]
        answered = ids_in(" ".join(self.fields.get("in-reply-to", ())))
        people = {
            each.address.lower() for name in ("from", "to", "cc") for each in self.mailboxes(name)
        }
        ids += [each for each in answered[:_MOST_IDS] if each.lower() not in people]
        return [each for each in dict.fromkeys(ids) if each != self.message_id]


def fields_of(message: Message) -> dict[str, list[str]]:
    """The fields of a header by their names in lower case, as they came."""
    fields: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        fields.setdefault(name.lower(), []).append(str(value))
    return fields


def ids_in(raw: str) -> list[str]:
    """The Message-IDs in a field, without angle brackets; also the one that stands without them."""
    found = ["".join(each.split()) for each in _ID.findall(raw)]
    if not found:
        found = [each for each in raw.split() if "@" in each and "<" not in each][:1]
    return [each.encode("utf-8", "replace").decode() for each in found if each]
