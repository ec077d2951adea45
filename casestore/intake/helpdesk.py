"""What the readers of helpdesks share; `casestore.intake.cases` has what is told of one ticket.

A reader of a helpdesk is a `HelpdeskReader`. It makes a `Case` of each ticket, tells it what
happened, in order, and gives what `Case.told` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from casestore.intake import reading
from casestore.intake.options import Options
from casestore.intake.scratch import Scratch
from casestore.intake.values import (
    AHEAD,
    CIRCLE,
    NO_WINNER,
    TOO_LONG,
    Native,
    clean_id,
    clean_text,
    is_ahead,
)
from casestore.transfer.lines import LeftOut, Line, key_of, line

Actor = Mapping[str, str]
"""An actor's kind and id."""
NO_TIME = "its time cannot be read"
_REMEMBERED = 10_000
"""How many ids are remembered as they were cleaned: those of people and teams come again."""
MERGED = "merged"
"""The kind of record that names, as its parent, a ticket that was merged. That ticket may not be
among what was read."""
_MOST_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""The most bytes of an event, with some left for what the store adds."""
_MERGES = """
CREATE TABLE merges (
    loser TEXT, winner TEXT, rank INTEGER, at TEXT, agent TEXT, whence TEXT, native TEXT,
    into_case TEXT, refused TEXT, PRIMARY KEY (loser, winner)
)
"""


class Merge(NamedTuple):
    """That a case was merged."""

    at: datetime
    into: str
    """The id of the case that it counts under from then on; "" if it is refused."""
    refused: str
    """Why the store would not take it."""
    agent: str
    """The actor's id; "" for the helpdesk itself."""
    native: str
    """The source's id of the other ticket, for the key."""
    where: str


class HelpdeskReader(reading.BaseReader):
    """A reader of a helpdesk's tickets."""

    def __init__(self, options: Options, scratch: Scratch) -> None:
        super().__init__(options, scratch)
        self._plain: dict[Native, str] = {}
        scratch.sql.execute(_MERGES)

    # --- ids, keys and actors ---------------------------------------------------------------

    def id_of(self, native: Native) -> str:
        """An id of ours for one of the source's: zendesk-acme-33 for 33 of the instance acme.

        "" if nothing of the source's id can stand in an id.
        """
        cleaned = self.plain(native)
        instance = f"{self.options.instance}-" if self.options.instance else ""
        return self.plain(f"{self.name}-{instance}{cleaned}") if cleaned else ""

    def id_everywhere(self, native: Native) -> str:
        """An id of ours for one that no two instances of the source share, like zendesk-4711."""
        cleaned = self.plain(native)
        return self.plain(f"{self.name}-{cleaned}") if cleaned else ""

    def plain(self, native: Native) -> str:
        """The source's id as an id within a case, like that of a message; "" if it cannot be."""
        if (cleaned := self._plain.get(native)) is None:
            if len(self._plain) >= _REMEMBERED:
                self._plain.clear()
            cleaned = self._plain[native] = clean_id(native, self.options.pseudonym)
        return cleaned

    def key(self, *parts: Native) -> str:
        """A line's key: the source, the instance and what is the event's own."""
        return key_of(self.source, *(self.plain(part) for part in parts))

    def agent(self, native: Native | None) -> Actor:
        """An agent, by the source's id; the helpdesk itself, if there is none."""
        named = "" if native is None else self.person(native)
        return {"kind": "agent", "id": named} if named else self.system

    def customer(self, native: Native) -> Actor:
        """A customer, by the source's id."""
        return {"kind": "customer", "id": self.person(native) or self.name}

    def person(self, native: Native) -> str:
        """Our id of a person, by the source's id; `id_everywhere` where that is unique as it is."""
        return self.id_of(native)

    @property
    def system(self) -> Actor:
        """The helpdesk itself."""
        return {"kind": "system", "id": self.name}

    def closes(self, state: str, closed: Collection[str]) -> bool:
        """Whether a case is closed in a state: by `--states`, or by the names given here."""
        states = self.options.states
        if _names(states.get("open", ()), state):
            return False
        return _names(states.get("closed", closed), state)

    # --- lines ------------------------------------------------------------------------------

    def fact(
        self,
        stream: str,
        kind: str,
        at: datetime | None,
        actor: Actor,
        fields: Mapping[str, Any],
        *key: Native,
        where: str,
        keep_first: bool = False,
        end_state: bool = False,
    ) -> Line | LeftOut:
        """An event, unless the store would refuse it for its time or its size.

        Args:
            stream: the stream.
            kind: the event's type.
            at: when it happened; None if that could not be read.
            actor: who did it.
            fields: the event's other fields; the ids in them must be clean.
            key: what is the event's own, like its id at the source and its type.
            where: where it was read.
            keep_first: whether a later export may say otherwise; see `Line`.
            end_state: whether only a ticket's end state tells it. Its source says so.
        """
        if at is None:
            return LeftOut(NO_TIME, where, kind)
        if is_ahead(at):
            return LeftOut(AHEAD, where, at.isoformat())
        cleaned = {
            name: clean_text(value) if isinstance(value, str) else value
            for name, value in fields.items()
        }
        source = self.options.source(f"{self.name}-end-state") if end_state else self.source
        made = line(
            stream,
            kind,
            at,
            actor,
            cleaned,
            key=self.key(*key),
            source=source,
            where=where,
            keep_first=keep_first,
        )
        if len(made.data) > _MOST_BYTES:
            return LeftOut(TOO_LONG, where, kind)
        return made

    def registered(
        self,
        customer_id: str,
        native: Native,
        since: datetime | None,
        *,
        name: str | None,
        contact: str | None,
        where: str,
    ) -> Line | LeftOut:
        """That a customer is known since a time. Names and addresses change: the first ones stay.

        Args:
            customer_id: our id.
            native: the source's, for the key.
            since: when they were registered at the source.
            name: what they are called.
            contact: their address or telephone number.
            where: where it was read.
        """
        return self.fact(
            f"customer:{customer_id}",
            "CustomerRegistered",
            since,
            self.system,
            {"since": since, "name": name or None, "contact": contact or None},
            native,
            "CustomerRegistered",
            where=where,
            keep_first=True,
        )

    # --- merges -----------------------------------------------------------------------------

    def put_merge(
        self,
        loser: Native,
        winner: Native,
        at: datetime,
        *,
        by: Native | None,
        where: str,
        told_by_loser: bool = True,
    ) -> None:
        """Remember, while taking, that a ticket was merged; it may be told by both tickets.

        Args:
            loser: the source's id of the ticket that was merged.
            winner: that of the one that it counts under.
            at: when.
            by: the agent, by the source's id.
            where: where it was read.
            told_by_loser: whether the ticket that was merged tells it; that one is believed.
        """
        agent = "" if by is None else self.person(by)
        self.scratch.put(MERGED, "", b"", parent=str(loser), where=where)
        row = (self.id_of(loser), self.id_of(winner), int(told_by_loser))
        self.scratch.sql.execute(
            "INSERT INTO merges VALUES (?, ?, ?, ?, ?, ?, ?, '', '') "
            "ON CONFLICT DO UPDATE SET rank = excluded.rank, at = excluded.at, "
            "agent = excluded.agent, whence = excluded.whence, native = excluded.native "
            "WHERE (excluded.rank, excluded.at, excluded.agent) > (rank, at, agent)",
            (*row, at.isoformat(timespec="microseconds"), agent, where, str(winner)),
        )

    def resolve_merges(self, opened_at: Callable[[str], datetime | None]) -> None:
        """Decide, before the first case is made, which merges the store will take.

        Args:
            opened_at: when a case, by our id, is opened in what was read; None if it is not.
        """
        sql = self.scratch.sql
        rows = sql.execute("SELECT rowid, at, loser, winner FROM merges ORDER BY at, loser, winner")
        for row, at, loser, winner in rows.fetchall():
            into = self._root(winner)
            opened = opened_at(into)
            if self._root(loser) != loser:
                refused = "merged a second time"
            elif into == loser:
                refused = CIRCLE
            elif opened is None and not self.options.known.has(f"case:{into}"):
                refused = NO_WINNER
            elif opened is not None and opened > datetime.fromisoformat(at):
                refused = "merged into a case before that was opened"
            else:
                refused = ""
            sql.execute(
                "UPDATE merges SET into_case = ?, refused = ? WHERE rowid = ?",
                ("" if refused else into, refused, row),
            )

    def _root(self, case: str) -> str:
        """The case that a case counts under, as far as merges are decided."""
        query = "SELECT into_case FROM merges WHERE loser = ? AND into_case != ''"
        while found := self.scratch.sql.execute(query, (case,)).fetchone():
            case = found[0]
        return case

    def merges_of(self, case: str) -> list[Merge]:
        """The merges of a case, by our id, in the order of time."""
        rows = self.scratch.sql.execute(
            "SELECT at, into_case, refused, agent, native, whence FROM merges "
            "WHERE loser = ? ORDER BY at, winner",
            (case,),
        )
        return [Merge(datetime.fromisoformat(at), *rest) for at, *rest in rows]


def _names(names: Collection[str], state: str) -> bool:
    return state.strip().casefold() in {name.strip().casefold() for name in names}
