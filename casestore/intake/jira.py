"""Jira's issues: pages of its search, or single issues, with `expand=changelog`.

Formats: Jira's REST API, versions 2 and 3. Version 3 tells texts as documents (`document_text`).

A case is named by the key that its issue had at first, since a key changes when an issue moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

import msgspec

from casestore.intake import reading
from casestore.intake.cases import Case
from casestore.intake.fields import chosen
from casestore.intake.helpdesk import NO_TIME, Actor, HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.values import Native, decode, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_DONE = ("Done", "Closed", "Resolved")
_LISTS = ("issues",)
_BLOCKS = {"paragraph", "heading", "codeBlock", "rule", "mediaSingle", "tableRow", "blockCard"}
"""The nodes of a document that begin and end a line."""


class _User(msgspec.Struct, rename="camel"):
    account_id: str | None = None
    key: str | None = None
    name: str | None = None
    account_type: str | None = None

    @property
    def id(self) -> str | None:
        """What does not change: in the cloud the account's id, on a server the user's key."""
        return self.account_id or self.key or self.name


class _Comment(msgspec.Struct, rename="camel"):
    id: Native
    body: Any = None
    author: _User | None = None
    created: str | None = None
    updated: str | None = None
    jsd_public: bool | None = None
    visibility: Any = None


class _Item(msgspec.Struct, rename="camel"):
    field: str = ""
    from_: str | None = msgspec.field(name="from", default=None)
    from_string: str | None = None
    to: str | None = None
    to_string: str | None = None

    @property
    def before(self) -> str | None:
        return self.from_string or self.from_

    @property
    def after(self) -> str | None:
        return self.to_string or self.to


class _History(msgspec.Struct):
    """What was changed at one moment."""

    id: Native
    items: list[_Item]
    author: _User | None = None
    created: str | None = None


class _Status(msgspec.Struct):
    name: str = ""


class _Comments(msgspec.Struct):
    comments: list[msgspec.Raw] = []
    total: int | None = None


class _Changelog(msgspec.Struct):
    histories: list[msgspec.Raw] = []
    total: int | None = None


class _Fields(msgspec.Struct):
    created: str | None = None
    updated: str | None = None
    summary: str | None = None
    description: Any = None
    reporter: _User | None = None
    creator: _User | None = None
    status: _Status | None = None
    resolutiondate: str | None = None
    comment: _Comments | None = None


class _Issue(msgspec.Struct):
    id: Native
    key: str
    fields: _Fields
    changelog: _Changelog | None = None


class _FieldsAlone(msgspec.Struct):
    fields: dict[str, msgspec.Raw] = {}


class Reader(HelpdeskReader):
    """Reads Jira's issues."""

    name: ClassVar[str] = "jira"
    things: ClassVar[str] = "issues"

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each issue, and each of its changes and comments: a page may tell only some."""
        for number, record in enumerate(records(given.stream, _LISTS), 1):
            where = f"{given.name}, issue {number}"
            if record.name == "" and b'"fields"' not in record.data:
                continue  # what a page tells of itself
            self.read_one()
            issue = decode(record.data, _Issue, where)
            if isinstance(issue, LeftOut):
                yield issue
                continue
            updated = moment(issue.fields.updated)
            version = "" if updated is None else updated.isoformat()
            self.scratch.put("issue", str(issue.id), record.data, version=version, where=where)
            yield from self._take_parts(issue, where)

    def _take_parts(self, issue: _Issue, where: str) -> Iterator[LeftOut | Remark]:
        log, comments = issue.changelog or _Changelog(), issue.fields.comment or _Comments()
        if (log.total or 0) > len(log.histories):
            yield Remark("issues with more changes than their page tells", where)
        if (comments.total or 0) > len(comments.comments):
            yield Remark("issues with more comments than their page tells", where)
        parent = str(issue.id)
        for raw in log.histories:
            history = decode(raw, _History, f"{where}, a change")
            if isinstance(history, LeftOut):
                yield history
            else:
                self.scratch.put("change", str(history.id), bytes(raw), parent=parent, where=where)
        for raw in comments.comments:
            comment = decode(raw, _Comment, f"{where}, a comment")
            if isinstance(comment, LeftOut):
                yield comment
            else:
                updated = comment.updated or ""
                self.scratch.put(
                    "comment",
                    str(comment.id),
                    bytes(raw),
                    parent=parent,
                    version=updated,
                    where=where,
                )

    def lines(self) -> Iterator[Read]:
        """Each issue's lines."""
        for stored in self.scratch.all("issue"):
            issue = decode(stored.data, _Issue, stored.where)
            if not isinstance(issue, LeftOut):
                yield from _Told(self, issue, stored.data, stored.where).told()


class _Step(NamedTuple):
    at: datetime
    rank: int
    number: int
    native: str
    of: _History | _Comment


class _Told:
    """An issue's history."""

    def __init__(self, reader: Reader, issue: _Issue, data: bytes, where: str) -> None:
        self._reader = reader
        self._issue = issue
        self._data = data
        self._where = where
        self._left_out: list[LeftOut] = []
        self._steps = self._ordered()
        self._items = [
            item for step in self._steps if isinstance(step.of, _History) for item in step.of.items
        ]
        self._key = self._first("key", issue.key) or issue.key
        self._case = Case(reader, self._key)
        reporter = issue.fields.reporter
        self._reporter = reporter.id if reporter else None
        self._owner = self._reporter or f"reporter of {self._key}"

    def _ordered(self) -> list[_Step]:
        """Comments and changes by time; at one time a comment is first."""
        steps: list[_Step] = []
        kinds: tuple[tuple[str, type[_Comment | _History]], ...] = (
            ("comment", _Comment),
            ("change", _History),
        )
        for rank, (name, kind) in enumerate(kinds):
            for stored in self._reader.scratch.of(name, str(self._issue.id)):
                part = decode(stored.data, kind, stored.where)
                if isinstance(part, LeftOut):
                    continue  # `take` has left it out already
                at = moment(part.created)
                if at is None:
                    self._left_out.append(LeftOut(NO_TIME, f"{stored.where}, {name} {part.id}"))
                    continue
                number = int(part.id) if str(part.id).isdecimal() else 0
                steps.append(_Step(at, rank, number, str(part.id), part))
        return sorted(steps, key=lambda step: step[:4])

    def _first(self, field: str, now: str | None) -> str | None:
        """What a field held at first: what its first change was from."""
        changes = (item for item in self._items if item.field.casefold() == field)
        first = next(changes, None)
        return now if first is None else first.from_string

    def told(self) -> Iterator[Read]:
        """The lines."""
        yield from self._left_out
        self._open()
        for step in self._steps:
            if isinstance(step.of, _Comment):
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
            keep_first=True,
            customer_id=self._reader.id_of(self._owner),
            channel="web",
            subject=self._first("summary", fields.summary),
            **self._chosen(),
        )
        text = self._first("description", _text(fields.description))
        if text:
            customer = self._reader.customer(self._owner)
            case.description(created, customer, where=self._where, channel="web", text=text)
        begun = self._first("status", None)
        if begun is not None and self._reader.closes(begun, _DONE):
            # It was created in that state; or its page does not tell its first changes.
            case.close(created, self._reader.system, self._key, where=self._where)

    def _chosen(self) -> dict[str, Any]:
        alone = decode(self._data, _FieldsAlone, self._where)
        return {} if isinstance(alone, LeftOut) else chosen(self._reader, alone.fields)

    def _actor(self, user: _User | None) -> Actor:
        if user is not None and user.id is not None and user.id == self._reporter:
            return self._reader.customer(user.id)
        return self._reader.agent(user.id if user else None)

    def _comment(self, step: _Step, comment: _Comment) -> None:
        case, where, author = self._case, f"{self._where}, comment {comment.id}", comment.author
        text = _text(comment.body)
        edited = comment.updated is not None and moment(comment.updated) != step.at
        if edited:
            case.tell(Remark("comments that were edited: their first text is gone", where))
        actor = self._actor(author)
        if comment.jsd_public is False or comment.visibility is not None:
            fields = {"text": text or ""}
            key = (step.native, "NoteAdded")
            case.add("NoteAdded", step.at, actor, fields, *key, where=where, keep_first=edited)
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

    def _change(self, step: _Step, history: _History) -> None:
        actor, where = self._actor(history.author), f"{self._where}, change {history.id}"
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

    def _moved(self, at: datetime, actor: Actor, item: _Item, native: str) -> bool:
        """Whether a change of status closed or reopened the case."""
        case = self._case
        closes = self._reader.closes(item.after or "", _DONE)
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
        if not case.was_closed and self._reader.closes(name, _DONE):
            at = moment(fields.resolutiondate) or moment(fields.updated)
            case.close(at, self._reader.system, self._key, where=self._where, end_state=True)


def _text(given: object) -> str | None:
    """A text as version 2 tells it, or as version 3 does."""
    if isinstance(given, str):
        return given or None
    return document_text(given) or None if isinstance(given, dict) else None


def document_text(document: object) -> str:
    """The plain text of a document in Atlassian Document Format, block by block."""
    parts: list[str] = []
    rest: list[object] = [document]
    while rest:
        node = rest.pop()
        if isinstance(node, str):
            parts.append(node)
        if not isinstance(node, dict):
            continue
        kind, inner = node.get("type"), node.get("content")
        parts.append(_leaf(node))
        if kind in _BLOCKS:
            rest.append("\n")
        if isinstance(inner, list):
            rest.extend(reversed(inner))
    return "".join(parts).strip()


def _leaf(node: dict[Any, Any]) -> str:
    """What a node says by itself: text, a line's end, a mention, an emoji, a link, a date."""
    if node.get("type") == "hardBreak":
        return "\n"
    attrs = node.get("attrs")
    attrs = attrs if isinstance(attrs, dict) else {}
    said = node.get("text") or attrs.get("text") or attrs.get("shortName") or attrs.get("url")
    return said if isinstance(said, str) else ""


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of an issue, or of a page of them, as the REST API gives it."""
    return reading.events(Reader, data, options)
