"""What happened in a ticket of Freshdesk's, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from casestore.intake.cases import Case
from casestore.intake.freshdesk.formats import Activity, Conversation, performed
from casestore.intake.helpdesk import NO_TIME, Actor, HelpdeskReader
from casestore.intake.scratch import Stored
from casestore.intake.values import NO_EVENT, Native, change, decode, in_turn, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_CLOSED = ("4", "5", "Resolved", "Closed")
_SAID_BY = {0: "email", 5: "social", 7: "social", 8: "email", 9: "phone", 10: "chat"}
"""By a conversation's source, which has other numbers."""
_AT_ONCE = timedelta(minutes=1)
"""How long after a ticket its first activity comes, at most, if no earlier one is missing."""


_Step = tuple[datetime, int, tuple[int, str], Any]
"""When; what comes first of what is at one time; and a conversation or an activity, as kept."""


class History:
    """What happened in a ticket that is in the store: its conversations and activities."""

    def __init__(self, reader: HelpdeskReader, native: str, customer_id: str) -> None:
        self._reader = reader
        self._native = native
        self._customer: Actor = {"kind": "customer", "id": customer_id}
        self._case = Case(reader, native)
        self._state: dict[str, Any] = {}
        self._created: datetime | None = None
        self._whole = False
        """Whether the activities tell its history from the beginning."""

    def lines(self) -> Iterator[Read]:
        """The lines."""
        self._begin()
        steps = [*self._said_steps(), *self._done_steps()]
        ending = self._ending()
        if ending is not None and not self._whole:
            steps.append((ending, 2, (0, ""), None))
        for at, _, _, step in sorted(steps, key=lambda each: each[:3]):
            if step is None:
                self._end(at)
            elif isinstance(step[1], Conversation):
                self._said(at, step[0], step[1])
            else:
                self._done(at, step[0], step[1])
        if ending is not None and self._whole:
            self._end(ending)
        self._finish()
        yield from self._case.told()

    def _begin(self) -> None:
        """Open the case, if the ticket was read."""

    def _finish(self) -> None:
        """Tell what the ticket says besides."""

    def _ending(self) -> datetime | None:
        """When the ticket got its last status, if that closes it."""
        return None

    def _end(self, at: datetime) -> None:
        if not self._case.was_closed:
            where = f"ticket {self._native}"
            self._case.close(at, self._reader.system, self._native, where=where, end_state=True)

    def _closes(self, status: object) -> bool:
        return self._reader.closes(str(status), _CLOSED)

    def _is_theirs(self, user: Native | None) -> bool:
        return user is not None and self._reader.person(user) == self._customer["id"]

    # --- conversations ----------------------------------------------------------------------

    def _said_steps(self) -> Iterator[_Step]:
        for stored in self._reader.scratch.of("said", self._native):
            said = decode(stored.data, Conversation, stored.where)
            if isinstance(said, LeftOut):
                continue  # `take` has left it out already
            at = moment(said.created_at)
            if at is None:
                self._case.tell(LeftOut(NO_TIME, stored.where, f"conversation {stored.id}"))
                continue
            yield at, 0, in_turn(stored.id), (stored, said)

    def _said(self, at: datetime, stored: Stored, said: Conversation) -> None:
        """The author decides: `incoming` is false in messages of the requester's as well."""
        case = self._case
        native, where = stored.id, f"{stored.where}, conversation {stored.id}"
        edited = said.last_edited_at is not None
        if edited:
            case.tell(Remark("a message that was edited: its first text is gone", where))
        text = (said.body if said.body_text is None else said.body_text) or None
        channel = _SAID_BY.get(-1 if said.source is None else said.source, "web")
        is_theirs = self._is_theirs(said.user_id)
        agent = self._reader.agent(said.user_id)
        if said.private:
            case.note(at, agent, text or "", native, where=where, keep_first=edited)
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
            self._failed(native, said, where)

    def _failed(self, native: str, said: Conversation, where: str) -> None:
        if (said.email_failure_count or 0) <= 0:
            return
        told = said.outgoing_failures
        diagnostic = told if isinstance(told, str) else msgspec.json.encode(told).decode()
        self._case.failed(
            moment(said.updated_at),
            self._reader.system,
            native,
            where=where,
            keep_first=True,
            kind="permanent",
            diagnostic=None if told is None else diagnostic,
        )

    # --- activities -------------------------------------------------------------------------

    def _done_steps(self) -> Iterator[_Step]:
        for number, stored in enumerate(self._reader.scratch.of("done", self._native)):
            done = decode(stored.data, Activity, stored.where)
            at = None if isinstance(done, LeftOut) else performed(done)
            if at is None:
                continue  # `take` has left it out already
            if number == 0:
                self._whole = self._created is not None and at - self._created <= _AT_ONCE
            yield at, 1, (number, ""), (stored, done)

    def _done(self, at: datetime, stored: Stored, done: Activity) -> None:
        native, where = stored.id, f"{stored.where}, activity at {at.isoformat()}"
        by = self._performer(done)
        agent = team = None
        for field, value in done.activity.items():
            before = self._state.get(field)
            self._state[field] = value
            if field == "note":
                out = LeftOut("a change that a message tells", where, unreadable=False)
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
        if self._is_theirs(done.performer_id):
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
            out = LeftOut(NO_EVENT, where, field, unreadable=False)
            self._case.tell(out)
