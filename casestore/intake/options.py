"""What a reader is told: the options of `casestore import --from`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal, Protocol

from casestore.intake.ids import plain_pseudonym
from casestore.transfer.known import Course, KnownMail


class Known(Protocol):
    """What a reader asks about a store: the one thing that it does not find in its files."""

    def has(self, stream: str) -> bool:
        """Whether the store has a stream."""

    def course(self, case_id: str) -> Course | None:
        """What is on record of a case's course; None if there is no such case."""

    def mails(self, message_ids: Mapping[str, str]) -> Mapping[str, KnownMail]:
        """The mails on record, by Message-ID, as far as the store has them.

        Args:
            message_ids: Message-IDs without angle brackets, each with the id that a reader gives
                the mail.
        """


class NothingKnown:
    """An empty store."""

    def has(self, stream: str) -> bool:  # noqa: ARG002  (the protocol's)
        """Always False."""
        return False

    def course(self, case_id: str) -> Course | None:  # noqa: ARG002
        """Always None."""
        return None

    def mails(self, message_ids: Mapping[str, str]) -> Mapping[str, KnownMail]:  # noqa: ARG002
        """Always empty."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a reader is told. Each reader takes what concerns it."""

    instance: str = ""
    """Which of several like systems: it goes into keys and `source`. Two must not meet."""
    ours: tuple[str, ...] = ()
    """Mail: which addresses are ours, like help@example.com or *@example.com."""
    timezone: tzinfo | None = None
    """The zone of times that name none."""
    states: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Helpdesks: what their states mean, where they were renamed: `closed` to names, in place of
    those that a reader knows, and `open` to names that are none of these."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Helpdesks: which field, by its id or name there, is `category`, `product` or `region`."""
    changes: Literal["note", "leave-out"] = "note"
    """What becomes of a change that the vocabulary has no event for."""
    tag: str | None = None
    """Mail: a regular expression whose first group, in subjects, joins threads."""
    join_days: int | None = None
    """Mail: join threads with the same subject and people within so many days."""
    mapping: Any = None
    """CSV: the mapping, as it was read and checked."""
    since: datetime | None = None
    """Leave out cases in which nothing has happened since."""
    pseudonym: Callable[[str], str] = plain_pseudonym
    """Makes an id of an address or a telephone number: always the same one, and nobody without the
    store's secret can tell which address it was."""
    known: Known = field(default_factory=NothingKnown)
    """What the store has on record."""

    def source(self, name: str) -> str:
        """What a line's source is, and its key begins with: the reader's name and the instance."""
        return f"{name}:{self.instance}" if self.instance else name
