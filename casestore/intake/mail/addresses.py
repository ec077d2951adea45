"""Addresses of header fields, and which of them are ours.

`email.utils.getaddresses` is not used: what it makes of a field that is not quite right depends on
Python's version, and a customer's id is made from an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import NamedTuple

from casestore.intake.ids import is_contact
from casestore.intake.mail.charsets import field_text

_PIECE = re.compile(
    r'"((?:[^"\\]|\\.)*)"'  # a quoted name
    r"|\(([^()]*)\)"  # a comment
    r"|<([^<>]*)>"  # an address
    r"|([,;:])"  # between mailboxes, and around those of a group
    r'|([^"(<,;:]+|.)',
    re.DOTALL,
)
_BARE = re.compile(r"(?:\"[^\"]*\"|[^\s<>\"(),;:]+)@[^\s<>\"(),;:]+")
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
            mailbox.words += re.sub(r"\\(.)", r"\1", quoted)
            mailbox.bare += f'"{quoted}"'
        else:
            mailbox.words += bare
            mailbox.bare += bare
    return found + mailbox.made()


class _Gathered:
    def __init__(self) -> None:
        self.words = self.bare = self.comment = ""
        self.angle: str | None = None

    def made(self) -> list[Mailbox]:
        name = self.words
        address = re.sub(r"\s+", "", self.angle or "").rpartition(":")[2]
        if "@" not in address:
            if not (bare := _BARE.search(self.bare)):
                return []
            address = bare[0]
            name = self.comment if self.angle is None else ""
        address = field_text(address)[0].strip(".")
        name = field_text(name or self.comment)[0].strip("\"' ")
        return [Mailbox(address, "" if name.lower() == address.lower() else name)]


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
