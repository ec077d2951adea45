"""The parts of a report, and the fields in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_string
from email.message import Message

from casestore.intake.mail.charsets import field_text
from casestore.intake.mail.content import inner_parts, text_of
from casestore.intake.mail.parsing import fields_of

STATUS = ("message/delivery-status", "message/global-delivery-status")
LONGEST = 1024 * 1024
"""How many characters of a text are looked through."""


def parts_of(message: Message, *kinds: str) -> Iterator[Message]:
    """The parts of some types. Those of a mail within the mail are not its own."""
    if message.get_content_type() in kinds:
        yield message
    elif message.get_content_maintype() == "multipart" and message.is_multipart():
        for inner in inner_parts(message):
            yield from parts_of(inner, *kinds)


def blocks_in(part: Message) -> list[dict[str, list[str]]]:
    """The blocks of fields in a report."""
    if not part.is_multipart():
        return blocks_of(text_of(part)[0])
    blocks = []
    for inner in inner_parts(part):
        blocks.append(fields_of(inner))
        # Where the email package takes the first block for a header, the others are a text.
        if not inner.is_multipart() and (rest := text_of(inner)[0]).strip():
            blocks += blocks_of(rest)
    return blocks


def blocks_of(text: str) -> list[dict[str, list[str]]]:
    """The blocks of fields in a text, with blank lines between them."""
    return [
        fields_of(message_from_string(block))
        for block in re.split(r"\n\s*\n", text[:LONGEST].strip())
        if block
    ]


def first_of(blocks: list[dict[str, list[str]]], name: str) -> str:
    """The text of the first field of a name."""
    found = next((block[name][0] for block in blocks if name in block), "")
    return field_text(found)[0]
