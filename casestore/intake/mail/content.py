"""What is in a mail: its text, and what is told of attachments and calendars."""

from __future__ import annotations

import re
from email.message import Message
from hashlib import sha256

from casestore.intake.mail.charsets import decoded, field_text
from casestore.intake.mail.html_text import html_text

_SIGNATURES = {"pgp-signature", "pkcs7-signature", "x-pkcs7-signature"}
_SEALED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"}
"""Encrypted, or in an envelope of PKCS #7 that the standard library cannot open."""
_PGP = "-----BEGIN PGP MESSAGE-----"
_PROPERTY = re.compile(r"^(METHOD|DTSTART|DTEND)((?:;[^:\n]*)?):(.*)$", re.MULTILINE)
_ZONE = re.compile(r";TZID=\"?([^;\"]+)", re.IGNORECASE)


class Content:
    """The content of a mail.

    Args:
        message: the mail.
    """

    def __init__(self, message: Message) -> None:
        self.notes: list[str] = []
        """What is told of attachments and calendars."""
        self.is_encrypted = False
        self.damaged = False
        """Whether a text is not what its charset says."""
        texts = self._texts(message)
        text = "\n".join(text for _, text in texts if text.strip())
        if text.lstrip().startswith(_PGP):
            self.is_encrypted, text = True, ""
        self.text = text.replace("\x00", "").strip("\n")

    def _texts(self, part: Message) -> list[tuple[str, str]]:
        """The texts of a part, each with its subtype: plain or html."""
        kind = part.get_content_type()
        if kind in _SEALED:
            self.is_encrypted = True
            return []
        if part.get_content_maintype() == "message":
            self.notes.append(f"attachment {_name(part) or 'a mail'} ({kind})")
            return []
        if part.is_multipart():
            found = [each for inner in inner_parts(part) for each in self._texts(inner)]
            if kind == "multipart/alternative" and any(how == "plain" for how, _ in found):
                return [each for each in found if each[0] == "plain"]
            return found
        return self._leaf(part, kind)

    def _leaf(self, part: Message, kind: str) -> list[tuple[str, str]]:
        subtype = kind.partition("/")[2]
        if kind == "text/calendar":
            self.notes.append(self._calendar(part))
        elif kind in ("text/plain", "text/html") and not _is_attached(part):
            text = self._text(part)
            return [(subtype, html_text(text) if subtype == "html" else text)]
        elif subtype not in _SIGNATURES and (data := payload(part)):
            name = _name(part) or kind
            digest = sha256(data).hexdigest()
            self.notes.append(f"attachment {name} ({len(data):,} bytes, SHA-256 {digest})")
        return []

    def _text(self, part: Message) -> str:
        text, damaged = text_of(part)
        self.damaged |= damaged
        return text

    def _calendar(self, part: Message) -> str:
        text = re.sub(r"\r?\n[ \t]", "", self._text(part))
        told = {"METHOD": _parameter(part, "method").upper()}
        event = text.find("BEGIN:VEVENT")
        for found in _PROPERTY.finditer(text):
            name, parameters, value = found.groups()
            if name == "METHOD" or found.start() > event >= 0:  # a zone has times of its own
                zone = _ZONE.search(parameters)
                told.setdefault(name, f"{value.strip()} {zone[1]}" if zone else value.strip())
                told[name] = told[name] or value.strip()
        times = [told[name] for name in ("DTSTART", "DTEND") if told.get(name)]
        return " ".join(["calendar", told["METHOD"], " to ".join(times)]).replace("  ", " ").strip()


def inner_parts(part: Message) -> list[Message]:
    """The parts of a part that has some."""
    return [each for each in part.get_payload() if isinstance(each, Message)]


def payload(part: Message) -> bytes:
    """The bytes of a part that is no multipart."""
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def text_of(part: Message) -> tuple[str, bool]:
    """The text of a part, and whether it is not what its charset says."""
    return decoded(payload(part), _parameter(part, "charset"))


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_name(part))


def _name(part: Message) -> str:
    name = part.get_filename()
    return field_text(name)[0] if isinstance(name, str) else ""


def _parameter(part: Message, name: str) -> str:
    value = part.get_param(name, "")
    if isinstance(value, tuple):  # RFC 2231: charset, language, text
        value = value[2]
    return str(value or "")
