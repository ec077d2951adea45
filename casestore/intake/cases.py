"""What happened in one ticket of a helpdesk, as lines that the store takes.

What the store would refuse (a second closure, a message twice, a history without an opening)
becomes no line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from casestore.intake.helpdesk import Actor, HelpdeskReader, Merge
from casestore.intake.turns import Choice, Turn, choose
from casestore.intake.values import NO_EVENT, NO_ID, Native, change
from casestore.transfer.lines import LeftOut, Line, Read, Remark, key_of

NO_OPENING = "a history whose case was opened neither in what was read nor in the store"
NO_CUSTOMER = "a ticket without a customer"
TWICE = "a message with the id of another one of its ticket"
CLOSED_ALREADY = "a ticket that is closed now, and whose closing the store has"
DESCRIPTION = "description"
"""The id of a ticket's first message where the source gives none."""
_ID = {"MessageReceived": "message_id", "ReplySent": "reply_id"}


class _Assigned(NamedTuple):
    place: int
    at: datetime | None
    actor: Actor
    agent: str | None
    team: str | None
    key: Native


class Case:
    """A ticket's history. It is told in order, and `told` gives it."""

    def __init__(self, reader: HelpdeskReader, native: Native) -> None:
        """Args:
        reader: the reader.
        native: the ticket's id at the source.
        """
        self.reader = reader
        self.native = native
        self.id = reader.id_of(native)
        self.stream = f"case:{self.id}"
        self.opened = False
        self.closed = False
        """Whether it is closed now."""
        self.was_closed = False
        """Whether it was ever closed."""
        self.agent: str | None = None
        """Who has it."""
        self._merges = reader.merges_of(self.id)
        self._has_state = False
        self._told: list[Read] = []
        self._turns: list[tuple[int, Turn]] = []
        self._ids: set[tuple[str, str]] = set()
        self._assigned: _Assigned | None = None

    def told(self) -> Iterator[Read]:
        """The lines, and what is told besides. Nothing but that, if the case was never opened."""
        if not self.id:
            yield LeftOut(NO_ID, "", str(self.native)[:200])
            return
        if self.opened or self.reader.options.known.has(self.stream):
            settled = self._settled()
            yield from (settled.get(n, each) for n, each in enumerate(self._told))
            return
        lines = [each for each in self._told if isinstance(each, Line)]
        yield from (each for each in self._told if not isinstance(each, Line))
        if lines:
            yield LeftOut(NO_OPENING, lines[0].where, f"{self.id}, events: {len(lines)}")

    def tell(self, told: LeftOut | Remark) -> None:
        """Tell of something that is no event, or that should be known."""
        self._told.append(told)

    def add(
        self,
        kind: str,
        at: datetime | None,
        actor: Actor,
        fields: Mapping[str, Any],
        *key: Native,
        where: str,
        keep_first: bool = False,
        end_state: bool = False,
    ) -> bool:
        """Tell an event of a kind that has no method here; see `HelpdeskReader.fact`.

        Gives whether it became a line.
        """
        made = self.reader.fact(
            self.stream,
            kind,
            at,
            actor,
            fields,
            *key,
            where=where,
            keep_first=keep_first,
            end_state=end_state,
        )
        self._told.append(made)
        return isinstance(made, Line)

    # --- opened, closed, merged -------------------------------------------------------------

    def open(
        self,
        at: datetime | None,
        actor: Actor,
        *,
        where: str,
        end_state: bool = False,
        **fields: Any,
    ) -> None:
        """Open the case, once. The first opening stays: an end state may have told it, or part of a
        history, and a later export may say otherwise.

        Args:
            at: when.
            actor: who.
            where: where it was read.
            end_state: whether only the ticket's end state tells it.
            fields: the fields of CaseOpened; its `customer_id` is one of `HelpdeskReader.person`.
        """
        if not fields["customer_id"]:
            self.tell(LeftOut(NO_CUSTOMER, where))
        elif not self.opened:
            self.opened = self.add(
                "CaseOpened",
                at,
                actor,
                fields,
                self.native,
                "CaseOpened",
                where=where,
                keep_first=True,
                end_state=end_state,
            )

    def before(self, *, closed: bool) -> None:
        """Tell the state before a change: the first one tells the part that was not read."""
        if closed and not self._has_state:
            self.closed = self.was_closed = True
        self._has_state = True

    def close(
        self,
        at: datetime | None,
        actor: Actor,
        native: Native,
        *,
        where: str,
        end_state: bool = False,
        reason: str = "resolved",
    ) -> None:
        """Close the case, if it is open.

        Which key it gets, and whether the store can still take it, `casestore.intake.turns` says.

        Args:
            at: when.
            actor: who.
            native: the source's id of the change; of the ticket for an end state.
            where: where it was read.
            end_state: whether only the ticket's end state tells it.
            reason: as in CaseClosed.
        """
        if not self.closed:
            key = "" if end_state else self.reader.key(native, "CaseClosed")
            if self._turn(True, at, key, actor, where=where, reason=reason):
                self.closed = self.was_closed = self._has_state = True

    def reopen(
        self, at: datetime | None, actor: Actor, native: Native, *, where: str, **fields: Any
    ) -> None:
        """Reopen the case, if it is closed; `native` is the source's id of the change."""
        if self.closed:
            key = self.reader.key(native, "CaseReopened")
            if self._turn(False, at, key, actor, where=where, **fields):
                self.closed = False

    def _turn(
        self,
        closes: bool,
        at: datetime | None,
        key: str,
        actor: Actor,
        *,
        where: str,
        **fields: Any,
    ) -> bool:
        """Remember a closing or a reopening until all are there; whether it can be an event."""
        kind = "CaseClosed" if closes else "CaseReopened"
        can_be = self.add(kind, at, actor, fields, where=where, end_state=not key)
        if can_be and at is not None:
            turn = Turn(closes, at, key, closes and not self.was_closed)
            self._turns.append((len(self._told) - 1, turn))
        return can_be

    def _settled(self) -> dict[int, Read]:
        """The closings and reopenings by their places, each under the key that the store takes."""
        if not self._turns:
            return {}
        own = self.reader.key(self.native, "CaseClosed of the ticket")
        course = self.reader.options.known.course(self.id)
        chosen = choose([turn for _, turn in self._turns], own, course)
        return {
            place: self._settle(self._told[place], turn, choice, own)
            for (place, turn), choice in zip(self._turns, chosen, strict=True)
        }

    def _settle(self, made: Read, turn: Turn, choice: Choice, own: str) -> Read:
        if choice == "nothing" or not isinstance(made, Line):
            return Remark(CLOSED_ALREADY, made.where)
        if choice == "note":
            return self._noted(made, turn)
        if choice == "own":
            return made._replace(key=turn.key)
        return made._replace(key=own, keep_first=True)

    def _noted(self, made: Line, turn: Turn) -> Read:
        """A change of state that the store cannot take any more, as a note."""
        if self.reader.options.changes != "note":
            return LeftOut(NO_EVENT, made.where, made.type, unreadable=False)
        names = ("open", "closed") if turn.closes else ("closed", "open")
        text = {"text": change("case", *names)}
        actor, at = made.fields["actor"], turn.at
        noted = self.reader.fact(self.stream, "NoteAdded", at, actor, text, where=made.where)
        key = key_of(turn.key, "NoteAdded")
        return noted._replace(key=key) if isinstance(noted, Line) else noted

    def merge_before(self, at: datetime | None) -> None:
        """Tell the case's merges before a time; without one, the rest of them."""
        while self._merges and (at is None or self._merges[0].at < at):
            self.merge(self._merges.pop(0))

    def merge(self, merge: Merge) -> None:
        """Tell a merge of `HelpdeskReader.merges_of`."""
        if merge.refused:
            self.tell(LeftOut(merge.refused, merge.where, self.id))
            return
        actor = {"kind": "agent", "id": merge.agent} if merge.agent else self.reader.system
        # Both tickets tell it, not always at one time; and the other may be merged on later.
        self.add(
            "CaseMerged",
            merge.at,
            actor,
            {"into": merge.into},
            self.native,
            "CaseMerged",
            merge.native,
            where=merge.where,
            keep_first=True,
        )

    # --- said -------------------------------------------------------------------------------

    def message(
        self,
        at: datetime | None,
        actor: Actor,
        native: Native,
        *,
        where: str,
        keep_first: bool = False,
        **fields: Any,
    ) -> None:
        """A message of the customer's, by its id at the source.

        `fields` are those of MessageReceived: `channel`, `text`, `automated`.
        """
        self._said("MessageReceived", at, actor, native, fields, where=where, keep_first=keep_first)

    def reply(
        self,
        at: datetime | None,
        actor: Actor,
        native: Native,
        *,
        where: str,
        keep_first: bool = False,
        **fields: Any,
    ) -> None:
        """A reply of ours, by its id at the source.

        `fields` are those of ReplySent: `channel`, `text`, `to`, `automated`.
        """
        self._said("ReplySent", at, actor, native, fields, where=where, keep_first=keep_first)

    def description(
        self,
        at: datetime | None,
        actor: Actor,
        native: Native = DESCRIPTION,
        *,
        where: str,
        **fields: Any,
    ) -> None:
        """The ticket's description: its first message, or our first reply if we opened it.

        Its key is the ticket's. So it is the same whether the ticket tells it, where it has no id,
        or the history: the first to come stays.
        """
        kind = "MessageReceived" if actor["kind"] == "customer" else "ReplySent"
        self._said(kind, at, actor, native, fields, where=where, keep_first=True, first=True)

    def _said(
        self,
        kind: str,
        at: datetime | None,
        actor: Actor,
        native: Native,
        fields: Mapping[str, Any],
        *,
        where: str,
        keep_first: bool,
        first: bool = False,
    ) -> None:
        said = self.reader.plain(native)
        if not said or (kind, said) in self._ids:
            self.tell(LeftOut(TWICE if said else NO_ID, where, said))
            return
        fields = {_ID[kind]: said, **fields}
        key = (self.native, "description") if first else (native, kind)
        if self.add(kind, at, actor, fields, *key, where=where, keep_first=keep_first):
            self._ids.add((kind, said))

    def has_reply(self, native: Native) -> bool:
        """Whether a reply with an id of the source's was told."""
        return ("ReplySent", self.reader.plain(native)) in self._ids

    def note(
        self,
        at: datetime | None,
        actor: Actor,
        text: str,
        *key: Native,
        where: str,
        keep_first: bool = False,
    ) -> None:
        """A note."""
        fields, key = {"text": text}, (*key, "NoteAdded")
        self.add("NoteAdded", at, actor, fields, *key, where=where, keep_first=keep_first)

    def changed(
        self,
        at: datetime | None,
        actor: Actor,
        field: str,
        before: object,
        after: object,
        *key: Native,
        where: str,
    ) -> None:
        """A change that the vocabulary has no event for: a note, if `--changes` says so."""
        if self.reader.options.changes == "note":
            self.note(at, actor, change(field, before, after), *key, where=where)
        else:
            self.tell(LeftOut(NO_EVENT, where, field, unreadable=False))

    def failed(
        self,
        at: datetime | None,
        actor: Actor,
        native: Native,
        *key: Native,
        where: str,
        keep_first: bool = False,
        **fields: Any,
    ) -> None:
        """That a reply, by its id at the source, did not arrive.

        `fields` are those of DeliveryFailed: `kind`, `code`, `diagnostic`, `recipient`.
        """
        if not self.has_reply(native):
            self.tell(LeftOut("a failure of a reply that was not read", where, str(native)[:200]))
            return
        fields = {"reply_id": self.reader.plain(native), **fields}
        key = (native, *key, "DeliveryFailed")
        self.add("DeliveryFailed", at, actor, fields, *key, where=where, keep_first=keep_first)

    # --- assigned ---------------------------------------------------------------------------

    def assign(
        self,
        at: datetime | None,
        actor: Actor,
        native: Native,
        *,
        where: str,
        agent: str | None = None,
        team: str | None = None,
    ) -> None:
        """Assign the case; what is assigned at one moment by one actor is one event.

        Where the source keeps agent and team apart, a case that goes to another team keeps its
        agent; the event says so, since one that names a team alone takes the case from its agent.

        Args:
            at: when.
            actor: who assigns it.
            native: the source's id of the change.
            where: where it was read.
            agent: our id of who has it now.
            team: our id of the team.
        """
        if not agent and not team:
            return
        last = self._assigned
        if last is not None and (last.at, last.actor) == (at, actor):
            agent, team, native = agent or last.agent, team or last.team, last.key
        # What part of the history was read decides whether the agent is known.
        named, keep_first = agent or self.agent, not agent
        made = self.reader.fact(
            self.stream,
            "CaseAssigned",
            at,
            actor,
            {"agent": named or None, "team": team or None},
            native,
            "CaseAssigned",
            where=where,
            keep_first=keep_first,
        )
        if last is not None and native == last.key:
            self._told[last.place] = made
            place = last.place
        else:
            place = len(self._told)
            self._told.append(made)
        self._assigned = _Assigned(place, at, actor, agent, team, native)
        self.agent = named
