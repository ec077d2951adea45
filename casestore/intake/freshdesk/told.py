"""What happened in a ticket of Freshdesk's, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from casestore.intake.cases import Case
from casestore.intake.fields import chosen
from casestore.intake.freshdesk.formats import Activity, Conversation, Stats, Ticket, performed
from casestore.intake.helpdesk import NO_TIME, Actor, HelpdeskReader
from casestore.intake.values import change, decode, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_CLOSED = ("4", "5", "Resolved", "Closed")
_OUTBOUND = 10
"""The source of a ticket that we opened by a mail of ours."""
_CHANNELS = {
    1: "email", 2: "web", 3: "phone", 4: "web", 5: "social", 6: "social", 7: "chat", 8: "chat",
    9: "web", 10: "email", 12: "chat", 13: "chat",
}  # fmt: skip
"""By a ticket's source: portal, forum and feedback widget are web."""
_SAID_BY = {0: "email", 5: "social", 7: "social", 8: "email", 9: "phone", 10: "chat"}
"""By a conversation's source, which has other numbers."""
_AT_ONCE = timedelta(minutes=1)
"""How long after a ticket its first activity comes, at most, if no earlier one is missing."""


class Told:
    """A ticket's history."""

    def __init__(self, reader: HelpdeskReader, ticket: Ticket, data: bytes, where: str) -> None:
        self._reader = reader
        self._ticket = ticket
        self._data = data
        self._where = where
        self._native = str(ticket.id)
        self._case = Case(reader, self._native)
        self._customer = reader.customer(ticket.requester_id)
        self._created = moment(ticket.created_at)
        self._channel = _CHANNELS.get(ticket.source or 0, "other")
        self._state: dict[str, Any] = {}
        self._whole = False
        """Whether the activities tell its history from the beginning."""

    def told(self) -> Iterator[Read]:
        """The lines."""
        self._open()
        steps = [*self._said_steps(), *self._done_steps()]
        if (ending := self._ending()) is not None:
            steps.append((ending, 2, 0, None))
        for at, _, _, step in sorted(steps, key=lambda each: each[:3]):
            if isinstance(step, Conversation):
                self._said(at, step)
            elif step is None:
                self._end(at)
            else:
                self._done(at, step[0], step[1])
        self._marked()
        yield from self._case.told()

    # --- the ticket itself ------------------------------------------------------------------

    def _open(self) -> None:
        ticket, case = self._ticket, self._case
        by = self._reader.system if ticket.source == _OUTBOUND else self._customer
        held = decode(self._data, dict[str, msgspec.Raw], self._where)
        fields: dict[str, Any] = {} if isinstance(held, LeftOut) else held
        custom = decode(bytes(fields.get("custom_fields", b"{}")), dict[str, msgspec.Raw], "")
        own = {} if isinstance(custom, LeftOut) else custom
        more: dict[str, Any] = {**chosen(self._reader, fields | own)}
        case.open(
            self._created,
            by,
            where=self._where,
            keep_first=True,
            customer_id=self._customer["id"],
            channel=self._channel,
            subject=ticket.subject,
            **more,
        )
        stored = self._reader.scratch.get("described", "", self._native)
        described = None if stored is None else decode(stored.data, Ticket, stored.where)
        if described is None or isinstance(described, LeftOut):
            case.tell(
                Remark("tickets from a list, which does not tell what was asked", self._where)
            )
            return
        text = described.description_text or described.description or None
        case.description(self._created, by, where=self._where, channel=self._channel, text=text)

    def _closes(self, status: object) -> bool:
        return self._reader.closes(str(status), _CLOSED)

    def _ending(self) -> datetime | None:
        """When the ticket got its last status, if that closes it and nothing else tells of it."""
        ticket = self._ticket
        if not self._closes(ticket.status):
            return None
        stored = self._reader.scratch.get("stats", "", self._native)
        found = None if stored is None else decode(stored.data, Ticket, stored.where)
        stats = Stats() if found is None or isinstance(found, LeftOut) else found.stats or Stats()
        times = (stats.closed_at, stats.resolved_at, ticket.updated_at)
        return next((at for at in map(moment, times) if at is not None), None)

    def _end(self, at: datetime) -> None:
        if not self._case.was_closed:
            self._case.close(
                at, self._reader.system, self._native, where=self._where, end_state=True
            )

    def _marked(self) -> None:
        ticket, at = self._ticket, moment(self._ticket.updated_at)
        for mark, text in (("deleted", "deleted at the source"), ("spam", "spam at the source")):
            if getattr(ticket, mark):
                self._case.add(
                    "NoteAdded",
                    at,
                    self._reader.system,
                    {"text": text},
                    self._native,
                    mark,
                    where=self._where,
                    keep_first=True,
                    end_state=True,
                )

    # --- conversations ----------------------------------------------------------------------

    def _said_steps(self) -> Iterator[tuple[datetime, int, int, Any]]:
        for stored in self._reader.scratch.of("said", self._native):
            said = decode(stored.data, Conversation, stored.where)
            if isinstance(said, LeftOut):
                continue  # `take` has left it out already
            at = moment(said.created_at)
            if at is None:
                self._case.tell(LeftOut(NO_TIME, stored.where, f"conversation {said.id}"))
                continue
            yield at, 0, int(said.id) if str(said.id).isdecimal() else 0, said

    def _said(self, at: datetime, said: Conversation) -> None:
        """The author decides: `incoming` is false in messages of the requester's as well."""
        case, native = self._case, str(said.id)
        where = f"{self._where}, conversation {native}"
        edited = said.last_edited_at is not None
        if edited:
            case.tell(Remark("messages that were edited: their first text is gone", where))
        text = said.body_text or (said.body if said.body_text is None else None) or None
        channel = _SAID_BY.get(-1 if said.source is None else said.source, "web")
        is_theirs = str(said.user_id) == str(self._ticket.requester_id)
        agent = self._reader.agent(said.user_id)
        if said.private:
            key = (native, "NoteAdded")
            fields = {"text": text or ""}
            case.add("NoteAdded", at, agent, fields, *key, where=where, keep_first=edited)
        elif is_theirs or said.incoming:
            by = self._customer if is_theirs else {**agent, "kind": "third_party"}
            case.message(at, by, native, where=where, keep_first=edited, channel=channel, text=text)
        else:
            case.reply(
                at,
                agent,
                native,
                where=where,
                keep_first=edited,
                channel=channel,
                text=text,
                to=", ".join(said.to_emails or ()) or None,
                automated=bool(said.auto_response),
            )
            self._failed(said, where)

    def _failed(self, said: Conversation, where: str) -> None:
        if (said.email_failure_count or 0) <= 0:
            return
        told = said.outgoing_failures
        diagnostic = told if isinstance(told, str) else msgspec.json.encode(told).decode()
        self._case.add(
            "DeliveryFailed",
            moment(said.updated_at),
            self._reader.system,
            {
                "reply_id": self._reader.plain(said.id),
                "kind": "permanent",
                "diagnostic": None if told is None else diagnostic,
            },
            str(said.id),
            "DeliveryFailed",
            where=where,
            keep_first=True,
        )

    # --- activities -------------------------------------------------------------------------

    def _done_steps(self) -> Iterator[tuple[datetime, int, int, Any]]:
        for number, stored in enumerate(self._reader.scratch.of("done", self._native)):
            done = decode(stored.data, Activity, stored.where)
            at = None if isinstance(done, LeftOut) else performed(done)
            if at is None:
                continue  # `take` has left it out already
            if number == 0:
                self._whole = self._created is not None and at - self._created <= _AT_ONCE
            yield at, 1, number, (stored.id, done)

    def _done(self, at: datetime, native: str, done: Activity) -> None:
        where = f"{self._where}, activity at {at.isoformat()}"
        by = self._performer(done)
        agent = team = None
        for field, value in done.activity.items():
            before = self._state.get(field)
            self._state[field] = value
            if field == "note":
                out = LeftOut("activities that a conversation tells", where, unreadable=False)
                self._case.tell(out)
            elif field == "status" and self._moved(at, by, value, native, where):
                pass
            elif field in ("agent_id", "responder_id") and isinstance(value, int | str):
                agent = self._reader.id_of(value)
            elif field in ("group", "group_id") and isinstance(value, int | str):
                team = self._reader.id_of(value)
            else:
                self._changed(at, by, field, (before, value), native, where=where)
        self._case.assign(at, by, native, where=where, agent=agent, team=team)

    def _performer(self, done: Activity) -> Actor:
        if str(done.performer_id) == str(self._ticket.requester_id):
            return self._customer
        return self._reader.agent(None if done.performer_type == "system" else done.performer_id)

    def _moved(self, at: datetime, by: Actor, value: object, native: str, where: str) -> bool:
        """Whether a status closed or reopened the case; only a whole history can tell."""
        closes = self._closes(value)
        if not self._whole or closes == self._case.closed:
            return False
        move = self._case.close if closes else self._case.reopen
        move(at, by, native, where=where)
        return True

    def _changed(
        self,
        at: datetime,
        by: Actor,
        field: str,
        values: tuple[object, object],
        native: str,
        *,
        where: str,
    ) -> None:
        before, after = values
        # An activity tells only what a field holds now.
        if before is not None:
            self._case.changed(at, by, field, before, after, native, field, where=where)
        elif self._reader.options.changes == "note":
            text = change(field, None, after).replace("none → ", "", 1)
            self._case.note(at, by, text, native, field, where=where)
        else:
            out = LeftOut("a change that has no event", where, field, unreadable=False)
            self._case.tell(out)
