"""Addresses of header fields, and which of them are ours.

The functions of email.utils are not used: what they make of a field that is not quite right depends
on Python's version, and a customer's id is made from an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import NamedTuple

from casestore.intake.ids import is_contact
from casestore.intake.mail.charsets import field_text

_PIECE = re.compile(
    r'"([^"]*)"'  # a quoted name
    r"|\(([^()]*)\)"  # a comment
    r"|<([^<>]*)>"  # an address
    r"|([,;:])"  # between mailboxes, and around those of a group
    r'|([^"(<,;:]+|.)',
    re.DOTALL,
)
_QUOTED = re.compile(r"\"[^\"]*\"@[^\s<>\"(),;:]+")
_BETWEEN = re.compile(r"[\s<>\"(),;:]+")
_ESCAPED = re.compile(r"\\[\"\\]")
_LOCAL = re.compile(r"[!-?A-~]{1,64}")
"""The part of an address before its @, if it can be an actor's id."""


class Mailbox(NamedTuple):
    """Somebody in From or To."""

    address: str
    """Empty for "<>"."""
    name: str


def mailboxes(raw: str) -> list[Mailbox]:
    """The mailboxes of a field, in order, without those that have no address.

    Args:
        raw: the field as the email package gives it.
    """
    found: list[Mailbox] = []
    mailbox = _Gathered()
    raw = _ESCAPED.sub(r" ", raw)
    if raw.count('"') % 2:  # one is not closed
        raw = raw.replace('"', " ")
    for quoted, comment, angle, mark, bare in _PIECE.findall(raw):
        if mark in (",", ";"):
            found += mailbox.made()
            mailbox = _Gathered()
        elif mark == ":":  # the name of a group, or an old route
            mailbox = _Gathered()
        elif angle:
            mailbox.angle = angle
        elif comment:
            mailbox.comment = comment
        elif quoted:
            mailbox.words.append(quoted)
            mailbox.bare.append(f'"{quoted}"')
        else:
            mailbox.words.append(bare)
            mailbox.bare.append(bare)
    return found + mailbox.made()


class _Gathered:
    def __init__(self) -> None:
        self.words: list[str] = []
        self.bare: list[str] = []
        self.comment = ""
        self.angle: str | None = None

    def made(self) -> list[Mailbox]:
        name = "".join(self.words)
        address = re.sub(r"\s+", "", self.angle or "").rpartition(":")[2]
        if "@" not in address:
            address = _bare("".join(self.bare))
            if not address:
                return []
            name = self.comment if self.angle is None else ""
        address = field_text(address)[0].strip(".")
        name = field_text(name or self.comment)[0].strip("\"' ")
        return [Mailbox(address, "" if name.lower() == address.lower() else name)]


def _bare(text: str) -> str:
    """The first address in a text without angle brackets; empty without one."""
    if quoted := _QUOTED.search(text):
        return quoted[0]
    return next((each for each in _BETWEEN.split(text) if "@" in each[1:-1]), "")


class Ours:
    """Which addresses are ours.

    Args:
        patterns: addresses like help@example.com, or *@example.com.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        any_of = "|".join(translate(pattern.strip().lower()) for pattern in patterns)
        self._match = re.compile(any_of or r"(?!)").fullmatch

    def __contains__(self, address: str) -> bool:
        return self._match(address.lower()) is not None


def agent_id(address: str, pseudonym: str) -> str:
    """The id of one of us: what stands before the @, or else the pseudonym."""
    local = address.rpartition("@")[0]
    return local if _LOCAL.fullmatch(local) and not is_contact(local) else pseudonym
