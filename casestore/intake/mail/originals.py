"""Which mail a report is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_string

from casestore.intake.mail.content import inner_parts, text_of
from casestore.intake.mail.parsing import Parsed, fields_of, ids_in
from casestore.intake.mail.report_parts import LONGEST, STATUS, blocks_in, first_of, parts_of

_MAILS = (
    "message/rfc822",
    "message/global",
    "message/rfc822-headers",
    "message/global-headers",
    "text/rfc822-headers",
)
_HEADER_LINE = re.compile(r"[!-9;-~]+[ \t]*:|[ \t]+\S")
_QUOTED_ID = re.compile(
    r"^[ \t>|]*+(?:X-)?(?:Original-)?Message-ID:[ \t]*+(?:\n[ \t]*+)?<([^<>\n]+)>",
    re.MULTILINE | re.IGNORECASE,
)
_MOST_CANDIDATES = 8


def originals(mail: Parsed) -> list[str]:
    """The Message-IDs of the mail that a report may be about, the most likely first."""
    found: dict[str, None] = {}
    for message_id in _named(mail):
        if message_id != mail.message_id:
            found[message_id] = None
        if len(found) >= _MOST_CANDIDATES:
            break
    return list(found)


def _named(mail: Parsed) -> Iterator[str]:
    reports = (*STATUS, "message/disposition-notification", "message/feedback-report")
    for part in parts_of(mail.message, *reports):
        for name in ("original-message-id", "x-original-message-id"):
            yield from ids_in(first_of(blocks_in(part), name))
    for header in headers_returned(mail):
        yield from ids_in(first_of([header], "message-id"))
    for name in ("original-message-id", "x-original-message-id"):
        yield from ids_in(mail.first(name))
    for part in mail.message.walk():
        if part.get_content_maintype() == "text":
            text, _ = text_of(part)
            yield from _quoted_ids(text)
    yield from _quoted_ids(
        mail.data[:LONGEST].decode("latin-1").partition("\n\n")[2]
    )  # MIME may be broken
    yield from reversed(mail.refers_to)


def _quoted_ids(text: str) -> list[str]:
    return ["".join(each.split()) for each in _QUOTED_ID.findall(text[:LONGEST])]


def headers_returned(mail: Parsed) -> Iterator[dict[str, list[str]]]:
    """The headers of mails that were sent back: as parts, or in the text of the mail system."""
    for part in parts_of(mail.message, *_MAILS):
        if part.is_multipart():  # the email package has parsed it
            yield from map(fields_of, inner_parts(part)[:1])
        else:
            yield fields_of(message_from_string(text_of(part)[0][:LONGEST].lstrip()))
    for part in parts_of(mail.message, "text/plain"):
        yield from _headers_in(text_of(part)[0][:LONGEST])


def _headers_in(text: str) -> Iterator[dict[str, list[str]]]:
    """The headers that stand in a text: lines of fields, a Message-ID among them."""
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        if _HEADER_LINE.match(line):
            block.append(line)
            continue
        if any(each[:11].lower() == "message-id:" for each in block):
            yield fields_of(message_from_string("\n".join(block).lstrip()))
        block = []
