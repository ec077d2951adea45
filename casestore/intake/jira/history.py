"""What happened in an issue of Jira's, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from casestore.intake.cases import Case
from casestore.intake.fields import chosen
from casestore.intake.helpdesk import NO_TIME, Actor, HelpdeskReader
from casestore.intake.jira.formats import Change, Comment, FieldsAlone, Issue, Item, User
from casestore.intake.jira.texts import text_of
from casestore.intake.values import decode, in_turn, moment
from casestore.transfer.lines import LeftOut, Read, Remark

DONE = ("Done", "Closed", "Resolved")
"""The statuses in which an issue is closed, unless `--states` names others."""


class _Step(NamedTuple):
    at: datetime
    rank: int
    number: tuple[int, str]
    native: str
    of: Change | Comment


class History:
    """An issue's history."""

    def __init__(
        self, reader: HelpdeskReader, native: str, issue: Issue, data: bytes, where: str
    ) -> None:
        self._reader = reader
        self._native = native
        self._issue = issue
        self._data = data
        self._where = where
        self._left_out: list[LeftOut] = []
        self._steps = self._ordered()
        self._items = [
            item for step in self._steps if isinstance(step.of, Change) for item in step.of.items
        ]
        self._key = reader.plain(self._first("key", None) or "") or reader.plain(issue.key)
        self._case = Case(reader, self._key)
        reporter = issue.fields.reporter
        self._reporter = reporter.id if reporter else None
        self._owner = self._reporter or f"reporter of {self._key}"

    def _ordered(self) -> list[_Step]:
        """Comments and changes by time; at one time a comment is first."""
        steps: list[_Step] = []
        kinds: tuple[tuple[str, type[Comment | Change]], ...] = (
            ("comment", Comment),
            ("change", Change),
        )
        for rank, (name, kind) in enumerate(kinds):
            for stored in self._reader.scratch.of(name, self._native):
                part = decode(stored.data, kind, stored.where)
                if isinstance(part, LeftOut):
                    continue  # `take` has left it out already
                at = moment(part.created)
                if at is None:
                    self._left_out.append(LeftOut(NO_TIME, f"{stored.where}, {name} {stored.id}"))
                    continue
                steps.append(_Step(at, rank, in_turn(stored.id), stored.id, part))
        return sorted(steps, key=lambda step: step[:3])

    def _first(self, field: str, now: str | None) -> str | None:
        """What a field held at first: what its first change was from."""
        changes = (item for item in self._items if item.field.casefold() == field)
        first = next(changes, None)
        return now if first is None else first.from_string

    def lines(self) -> Iterator[Read]:
        """The lines."""
        yield from self._left_out
        self._open()
        for step in self._steps:
            if isinstance(step.of, Comment):
                self._comment(step, step.of)
            else:
                self._change(step, step.of)
        self._end()
        yield from self._case.told()

    def _open(self) -> None:
        fields, case = self._issue.fields, self._case
        created = moment(fields.created)
        case.open(
            created,
            self._actor(fields.creator or fields.reporter),
            where=self._where,
            customer_id=self._reader.id_of(self._owner),
            channel="web",
            subject=self._first("summary", fields.summary),
            **self._chosen(),
        )
        text = self._first("description", text_of(fields.description))
        if text:
            customer = self._reader.customer(self._owner)
            case.description(created, customer, where=self._where, channel="web", text=text)
        begun = self._first("status", None)
        if begun is not None and self._reader.closes(begun, DONE):
            # It was created in that state; or its page does not tell its first changes.
            case.close(created, self._reader.system, self._key, where=self._where)

    def _chosen(self) -> dict[str, Any]:
        alone = decode(self._data, FieldsAlone, self._where)
        return {} if isinstance(alone, LeftOut) else chosen(self._reader, alone.fields)

    def _actor(self, user: User | None) -> Actor:
        if user is not None and user.id is not None and user.id == self._reporter:
            return self._reader.customer(user.id)
        return self._reader.agent(user.id if user else None)

    def _comment(self, step: _Step, comment: Comment) -> None:
        case, where, author = self._case, f"{self._where}, comment {step.native}", comment.author
        text = text_of(comment.body)
        edited = comment.updated is not None and moment(comment.updated) != step.at
        if edited:
            case.tell(Remark("a message that was edited: its first text is gone", where))
        actor = self._actor(author)
        if comment.jsd_public is False or comment.visibility is not None:
            case.note(step.at, actor, text or "", step.native, where=where, keep_first=edited)
        elif actor["kind"] == "customer" or (author and author.account_type == "customer"):
            case.message(
                step.at,
                actor,
                step.native,
                where=where,
                keep_first=edited,
                channel="web",
                text=text,
            )
        else:
            machine = author is None or author.account_type == "app"
            case.reply(
                step.at,
                actor,
                step.native,
                where=where,
                keep_first=edited,
                channel="web",
                text=text,
                automated=machine,
            )

    def _change(self, step: _Step, history: Change) -> None:
        actor, where = self._actor(history.author), f"{self._where}, change {step.native}"
        for number, item in enumerate(history.items):
            native = f"change-{step.native}.{number}"
            if item.field.casefold() == "status" and self._moved(step.at, actor, item, native):
                continue
            if item.field.casefold() == "assignee" and item.to:
                agent = self._reader.id_of(item.to)
                self._case.assign(step.at, actor, native, where=where, agent=agent)
                continue
            self._case.changed(
                step.at, actor, item.field, item.before, item.after, native, where=where
            )

    def _moved(self, at: datetime, actor: Actor, item: Item, native: str) -> bool:
        """Whether a change of status closed or reopened the case."""
        case = self._case
        closes = self._reader.closes(item.after or "", DONE)
        if closes == case.closed:
            return False
        if closes:
            case.close(at, actor, native, where=self._where)
        else:
            case.reopen(at, actor, native, where=self._where)
        return True

    def _end(self) -> None:
        """Close what is closed now, though no change tells of it."""
        case, fields = self._case, self._issue.fields
        name = fields.status.name if fields.status else ""
        if not case.was_closed and self._reader.closes(name, DONE):
            at = moment(fields.resolutiondate) or moment(fields.updated)
            case.close(at, self._reader.system, self._key, where=self._where, end_state=True)
