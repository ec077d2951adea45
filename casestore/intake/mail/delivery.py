"""Reports about a mail that was sent: what became of it.

Formats: delivery status RFC 3464, feedback RFC 5965, disposition RFC 8098; codes RFC 3463.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from casestore.intake.mail.addresses import mailboxes
from casestore.intake.mail.content import text_of
from casestore.intake.mail.originals import headers_returned, originals
from casestore.intake.mail.parsing import Parsed
from casestore.intake.mail.report_parts import (
    LONGEST,
    STATUS,
    blocks_in,
    blocks_of,
    first_of,
    parts_of,
)

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SMTP = re.compile(r"(?<![\d.])([45])\d\d(?=[ -])")
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


def feedback(mail: Parsed) -> list[Fate] | None:
    """Test 1: somebody reported the mail, mostly as abuse. None where it is no such report."""
    part = next(parts_of(mail.message, "message/feedback-report"), None)
    if part is None:
        return None
    found = first_of(blocks_in(part), "feedback-type").lower()
    what = "reported as abuse" if found in ("abuse", "") else f"a feedback report: {found}"
    return [Fate("NoteAdded", note=what)]


def status(mail: Parsed) -> list[Fate] | None:
    """Test 2: a mail system reports for each recipient. None where no report can be read."""
    blocks = [block for part in parts_of(mail.message, *STATUS) for block in blocks_in(part)]
    seen: dict[tuple[str, str | None], Fate] = {}
    for block in blocks:
        if (fate := _fate(block)) is not None:
            seen.setdefault((fate.event, fate.recipient), fate)
    passed_on = any(_action(block).startswith(("relay", "expand")) for block in blocks)
    return list(seen.values()) if seen or passed_on else None


def _action(block: dict[str, list[str]]) -> str:
    return first_of([block], "action").lower().lstrip()


def _fate(block: dict[str, list[str]]) -> Fate | None:
    """What a block says of one recipient; None for the block about the whole mail, and others."""
    action = _action(block)
    recipient = _recipient(block)
    if action.startswith("deliver"):
        return Fate("DeliveryConfirmed", recipient=recipient, evidence="dsn")
    found = _CODE.search(first_of([block], "status"))
    code = found[1] if found else None
    # "error" is OpenSMTPD's word for failed. Some systems leave the action out.
    failed = action.startswith(("fail", "error", "delay"))
    if not failed and not (not action and recipient and code and code[0] in "45"):
        return None
    diagnostic = first_of([block], "diagnostic-code") or None
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
        said = first_of([block], name)
        address = said.partition(";")[2] or said
        if found := mailboxes(address.replace(":", " ")):
            return found[0].address
    return (first_of([block], "final-recipient").partition(";")[2].strip(" <>")) or None


def named_failures(mail: Parsed) -> list[Fate]:
    """Test 4: Exim names the addresses that failed in a field."""
    found = mail.mailboxes("x-failed-recipients")
    addresses = sorted({each.address for each in found})  # in the order of test 3
    return [Fate("DeliveryFailed", "permanent", address) for address in addresses]


def disposition(mail: Parsed) -> list[Fate] | None:
    """Test 5: the mail was shown to whom it was sent to. None where it is no such report."""
    part = next(parts_of(mail.message, "message/disposition-notification"), None)
    if part is None:
        return None
    if "displayed" not in first_of(blocks_in(part), "disposition").lower():
        return []
    return [Fate("DeliveryConfirmed", evidence="mdn")]


def said_in_prose(mail: Parsed) -> list[Fate]:
    """Test 7: how a mail failed by what a mail system wrote: fields of a report, or a code."""
    text = _own_text(mail)
    fates = [fate for block in blocks_of(text) if (fate := _fate(block)) is not None]
    if any(fate.recipient for fate in fates):
        return [fate for fate in fates if fate.recipient]
    code = _CODE.search(text)
    if code is not None and not code[1].startswith("2"):
        kind: Failure = "temporary" if code[1].startswith("4") else "permanent"
        return [Fate("DeliveryFailed", kind, _only_recipient(mail), code[1])]
    if (smtp := _SMTP.search(text)) is not None:
        kind = "temporary" if smtp[1] == "4" else "permanent"
        return [Fate("DeliveryFailed", kind, _only_recipient(mail))]
    return []


def without_us(mail: Parsed, fates: list[Fate]) -> list[Fate]:
    """Failures without ids that look like addresses, and without ourselves, who sent the mail.

    flufl.bounce takes every address in some texts. Where nothing else is left, ours stays.
    """
    ids = {mail.message_id, *originals(mail)}
    fates = [fate for fate in fates if fate.recipient not in ids]
    us = {each.address for name in ("to", "delivered-to") for each in mail.mailboxes(name)}
    for header in headers_returned(mail):
        us |= {each.address for raw in header.get("from", ()) for each in mailboxes(raw)}
    us = {address.lower() for address in us}
    return [fate for fate in fates if (fate.recipient or "").lower() not in us] or fates


def _only_recipient(mail: Parsed) -> str | None:
    """Whom the mail was sent to that came back, if to one alone."""
    for header in headers_returned(mail):
        sent_to = [each for raw in header.get("to", ()) for each in mailboxes(raw)]
        if len(sent_to) == 1 and not header.get("cc"):
            return sent_to[0].address
    return None


def _own_text(mail: Parsed) -> str:
    """What a mail system wrote, as far as that can be told from the mail that it sent back."""
    texts = [
        text_of(part)[0]
        for part in parts_of(mail.message, "text/plain", "text/html")
        if part.get_content_disposition() != "attachment"
    ]
    text = "\n".join(texts)[:LONGEST]
    return re.split(r"^(?:Received|Return-Path|Message-ID):", text, maxsplit=1, flags=re.M | re.I)[
        0
    ]
