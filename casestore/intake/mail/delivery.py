"""Reports about a mail that was sent: what became of it, and which mail it was.

Formats: delivery status RFC 3464, feedback RFC 5965, disposition RFC 8098; codes RFC 3463.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from typing import Literal

import msgspec

from casestore.intake.mail.addresses import mailboxes
from casestore.intake.mail.charsets import field_text
from casestore.intake.mail.content import inner_parts, text_of
from casestore.intake.mail.parsing import Parsed, fields_of, ids_in

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SMTP = re.compile(r"(?<![\d.])([45])\d\d(?=[ -])")
_STATUS = ("message/delivery-status", "message/global-delivery-status")
_MAILS = (
    "message/rfc822",
    "message/global",
    "message/rfc822-headers",
    "message/global-headers",
    "text/rfc822-headers",
)
_HEADER_LINE = re.compile(r"[!-9;-~]+[ \t]*:|[ \t]+\S")
_QUOTED_ID = re.compile(
    r"^[ \t>|]*(?:X-)?(?:Original-)?Message-ID:[ \t]*\n?[ \t]*<([^<>\n]+)>",
    re.MULTILINE | re.IGNORECASE,
)
_MOST_CANDIDATES = 8
_LONGEST = 1024 * 1024
"""How many characters of a text are looked through."""
Failure = Literal["permanent", "temporary"]


class Fate(msgspec.Struct):
    """What became of a mail, for one of those who should get it."""

    event: Literal["DeliveryFailed", "DeliveryConfirmed", "NoteAdded"]
    kind: Failure | None = None
    recipient: str | None = None
    code: str | None = None
    diagnostic: str | None = None
    evidence: str | None = None
    note: str | None = None


# --- what became of it ----------------------------------------------------------------------


def feedback(mail: Parsed) -> list[Fate] | None:
    """Test 1: somebody reported the mail, mostly as abuse. None where it is no such report."""
    part = next(_parts(mail.message, "message/feedback-report"), None)
    if part is None:
        return None
    found = _first(_blocks(part), "feedback-type").lower()
    what = "reported as abuse" if found in ("abuse", "") else f"a feedback report: {found}"
    return [Fate("NoteAdded", note=what)]


def status(mail: Parsed) -> list[Fate] | None:
    """Test 2: a mail system reports for each recipient. None where no report can be read."""
    blocks = [block for part in _parts(mail.message, *_STATUS) for block in _blocks(part)]
    seen: dict[tuple[str, str | None], Fate] = {}
    for block in blocks:
        if (fate := _fate(block)) is not None:
            seen.setdefault((fate.event, fate.recipient), fate)
    passed_on = any(_action(block).startswith(("relay", "expand")) for block in blocks)
    return list(seen.values()) if seen or passed_on else None


def _action(block: dict[str, list[str]]) -> str:
    return _first([block], "action").lower().lstrip()


def _fate(block: dict[str, list[str]]) -> Fate | None:
    """What a block says of one recipient; None for the block about the whole mail, and others."""
    action = _action(block)
    recipient = _recipient(block)
    if action.startswith("deliver"):
        return Fate("DeliveryConfirmed", recipient=recipient, evidence="dsn")
    found = _CODE.search(_first([block], "status"))
    code = found[1] if found else None
    # "error" is OpenSMTPD's word for failed. Some systems leave the action out.
    failed = action.startswith(("fail", "error", "delay"))
    if not failed and not (not action and recipient and code and code[0] in "45"):
        return None
    diagnostic = _first([block], "diagnostic-code") or None
    return Fate("DeliveryFailed", _kind(action, code, diagnostic), recipient, code, diagnostic)


def _kind(action: str, code: str | None, diagnostic: str | None) -> Failure:
    if action.startswith("delay"):
        return "temporary"
    if code is None or code.startswith("2"):
        smtp = _SMTP.search(diagnostic or "")
        return "temporary" if smtp and smtp[1] == "4" else "permanent"
    return "temporary" if code.startswith("4") else "permanent"


def _recipient(block: dict[str, list[str]]) -> str | None:
    """Whom it should have reached: as we wrote the address, else where it was passed on to."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        said = _first([block], name)
        address = said.partition(";")[2] or said
        if found := mailboxes(address.replace(":", " ")):
            return found[0].address
    return (_first([block], "final-recipient").partition(";")[2].strip(" <>")) or None


def named_failures(mail: Parsed) -> list[Fate]:
    """Test 4: Exim names the addresses that failed in a field."""
    found = mail.mailboxes("x-failed-recipients")
    addresses = sorted({each.address for each in found})  # in the order of test 3
    return [Fate("DeliveryFailed", "permanent", address) for address in addresses]


def disposition(mail: Parsed) -> list[Fate] | None:
    """Test 5: the mail was shown to whom it was sent to. None where it is no such report."""
    part = next(_parts(mail.message, "message/disposition-notification"), None)
    if part is None:
        return None
    if "displayed" not in _first(_blocks(part), "disposition").lower():
        return []
    return [Fate("DeliveryConfirmed", evidence="mdn")]


def said_in_prose(mail: Parsed) -> list[Fate]:
    """Test 7: how a mail failed by the code in the text of a mail system, if there is one."""
    text = _own_text(mail)
    code = _CODE.search(text)
    if code is not None and not code[1].startswith("2"):
        kind: Failure = "temporary" if code[1].startswith("4") else "permanent"
        return [Fate("DeliveryFailed", kind, _only_recipient(mail), code[1])]
    if (smtp := _SMTP.search(text)) is not None:
        kind = "temporary" if smtp[1] == "4" else "permanent"
        return [Fate("DeliveryFailed", kind, _only_recipient(mail))]
    return []


# --- which mail it was ----------------------------------------------------------------------


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
    reports = (*_STATUS, "message/disposition-notification", "message/feedback-report")
    for part in _parts(mail.message, *reports):
        for name in ("original-message-id", "x-original-message-id"):
            yield from ids_in(_first(_blocks(part), name))
    for header in _headers_returned(mail):
        yield from ids_in(_first([header], "message-id"))
    for name in ("original-message-id", "x-original-message-id"):
        yield from ids_in(mail.first(name))
    for part in mail.message.walk():
        if part.get_content_maintype() == "text":
            text, _ = text_of(part)
            yield from _quoted_ids(text)
    yield from _quoted_ids(
        mail.data[:_LONGEST].decode("latin-1").partition("\n\n")[2]
    )  # MIME may be broken
    yield from reversed(mail.refers_to)


def _quoted_ids(text: str) -> list[str]:
    return ["".join(each.split()) for each in _QUOTED_ID.findall(text[:_LONGEST])]


def _headers_returned(mail: Parsed) -> Iterator[dict[str, list[str]]]:
    """The headers of mails that were sent back: as parts, or in the text of the mail system."""
    for part in _parts(mail.message, *_MAILS):
        if part.is_multipart():  # the email package has parsed it
            yield from map(fields_of, inner_parts(part)[:1])
        else:
            yield fields_of(message_from_string(text_of(part)[0][:_LONGEST].lstrip()))
    for part in _parts(mail.message, "text/plain"):
        yield from _headers_in(text_of(part)[0][:_LONGEST])


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


def _only_recipient(mail: Parsed) -> str | None:
    """Whom the mail was sent to that came back, if to one alone."""
    for header in _headers_returned(mail):
        sent_to = [each for raw in header.get("to", ()) for each in mailboxes(raw)]
        if len(sent_to) == 1 and not header.get("cc"):
            return sent_to[0].address
    return None


# --- parts ----------------------------------------------------------------------------------


def _parts(message: Message, *kinds: str) -> Iterator[Message]:
    """The parts of some types. Those of a mail within the mail are not its own."""
    if message.get_content_type() in kinds:
        yield message
    elif message.get_content_maintype() == "multipart" and message.is_multipart():
        for inner in inner_parts(message):
            yield from _parts(inner, *kinds)


def _blocks(part: Message) -> list[dict[str, list[str]]]:
    """The blocks of fields in a report."""
    if not part.is_multipart():
        return _blocks_of(text_of(part)[0])
    blocks = []
    for inner in inner_parts(part):
        blocks.append(fields_of(inner))
        # Where the email package takes the first block for a header, the others are a text.
        if not inner.is_multipart() and (rest := text_of(inner)[0]).strip():
            blocks += _blocks_of(rest)
    return blocks


def _blocks_of(text: str) -> list[dict[str, list[str]]]:
    return [
        fields_of(message_from_string(block))
        for block in re.split(r"\n\s*\n", text[:_LONGEST].strip())
        if block
    ]


def _first(blocks: list[dict[str, list[str]]], name: str) -> str:
    """The text of the first field of a name."""
    found = next((block[name][0] for block in blocks if name in block), "")
    return field_text(found)[0]


def _own_text(mail: Parsed) -> str:
    """What a mail system wrote, as far as that can be told from the mail that it sent back."""
    texts = [
        text_of(part)[0]
        for part in _parts(mail.message, "text/plain", "text/html")
        if part.get_content_disposition() != "attachment"
    ]
    text = "\n".join(texts)[:_LONGEST]
    return re.split(r"^(?:Received|Return-Path|Message-ID):", text, maxsplit=1, flags=re.M | re.I)[
        0
    ]
