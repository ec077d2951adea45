"""What a reader of other systems' files may ask about a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from casestore.append.emptied import is_empty
from casestore.events import CaseClosed, CaseReopened
from casestore.store import CaseStore
from casestore.streams.history import Metadata, decode_metadata

_PAGE = 5000
"""How many events are looked at in one statement."""


class KnownMail(NamedTuple):
    """A mail that the store has on record."""

    stream: str
    kind: Literal["reply", "message"]
    id: str
    """Its reply_id or message_id."""
    key: str | None = None
    """The key that it was appended under."""


class Course(NamedTuple):
    """What is on record of a case's course."""

    customer_id: str
    """Whose case it is."""
    turns: Mapping[str, datetime]
    """When it was closed and reopened, by the keys of these events."""
    closed: bool
    """Whether the case is closed now."""


class StoreKnows:
    """Answers a reader from a store."""

    def __init__(self, store: CaseStore) -> None:
        self._store = store

    def course(self, case_id: str) -> Course | None:
        """What is on record of a case's course, without what was voided.

        None if there is no such case, or all of it was voided.
        """
        if not self.has(f"case:{case_id}"):
            return None
        turns: dict[str, datetime] = {}
        for recorded in self._store.history(f"case:{case_id}"):
            key = recorded.metadata.key
            if isinstance(recorded.event, CaseClosed | CaseReopened) and key is not None:
                turns[key] = recorded.occurred_at
        case = self._store.case(case_id)
        return Course(case.customer_id or "", turns, case.status == "closed")

    def has(self, stream: str) -> bool:
        """Whether the store has a case, or a customer. One of whom all was voided is none."""
        if self._store._recorder.row_at(stream, 1) is None:
            return False
        present = self._store._present(stream)
        return present is not None and not is_empty(present)

    def mails(self, message_ids: Mapping[str, str]) -> Mapping[str, KnownMail]:
        """The mails on record, by Message-ID, as far as the store has them.

        Those count whose reply_id or message_id is the Message-ID or a reader's id of that mail,
        or whose append was given the Message-ID as its source or its key. All replies and messages
        of the store are looked through once. One that was voided by a correction is none.

        Args:
            message_ids: Message-IDs without angle brackets, each with the id that a reader gives
                the mail.
        """
        sought = {id: message_id for message_id, id in message_ids.items()}
        for message_id in message_ids:
            sought[message_id] = sought[f"<{message_id}>"] = message_id
        found: dict[str, tuple[str, KnownMail]] = {}
        voided: set[str] = set()
        for event_id, mail, names in self._mails(voided):
            for message_id in {sought[name] for name in names if name in sought}:
                first = found.setdefault(message_id, (event_id, mail))
                better = first[1].kind == "message" and mail.kind == "reply"
                if better or first[0] in voided:
                    found[message_id] = event_id, mail
        return {
            message_id: mail
            for message_id, (event_id, mail) in found.items()
            if event_id not in voided
        }

    def _mails(self, voided: set[str]) -> Iterator[tuple[str, KnownMail, tuple[str | None, ...]]]:
        """Each reply and message: its event's id, what is known of it, and its possible names.

        Args:
            voided: gets the ids of events that were voided.
        """
        recorder, after = self._store._recorder, 0
        while rows := recorder.mails(after, _PAGE):
            after = rows[-1][0]
            for _, stream, topic, state, event_id, metadata in rows:
                held = _decode(state)
                if topic == "EventCorrected":
                    if held.kind == "voided":
                        voided.add(held.event_id)
                    continue
                said: Metadata = decode_metadata(metadata)
                reply = topic == "ReplySent"
                id = held.reply_id if reply else held.message_id
                mail = KnownMail(stream, "reply" if reply else "message", id, said.key)
                yield event_id, mail, (id, said.source, said.key)


class _Held(msgspec.Struct):
    reply_id: str = ""
    message_id: str = ""
    event_id: str = ""
    kind: str = ""


_decode = msgspec.json.Decoder(_Held).decode
